/** Calls about the command itself: arguments, environment, clocks, random numbers, its end. Their names are WASI's. */
import type { Word } from "../guest_memory.ts";
import { CLOCK, refuse } from "./numbers.ts";
import { CommandExit, type WasiSystem } from "./system.ts";

const RANDOM_BYTES_MAX = 65_536;
/** Of the time of day, in nanoseconds. */
const DAY_RESOLUTION = 1_000_000n;
/** Of the other clocks. */
const RESOLUTION = 1000n;

const encoder = new TextEncoder();

/** The calls. */
export class ProcessCalls {
  readonly #system: WasiSystem;
  #args: readonly Uint8Array[] | undefined;
  #environment: readonly Uint8Array[] | undefined;

  constructor(system: WasiSystem) {
    this.#system = system;
  }

  args_sizes_get(count: Word, size: Word): void {
    this.#system.memory.putSizes(this.#argTexts(), count, size);
  }

  args_get(pointers: Word, texts: Word): void {
    this.#system.memory.putTexts(this.#argTexts(), pointers, texts);
  }

  environ_sizes_get(count: Word, size: Word): void {
    this.#system.memory.putSizes(this.#variableTexts(), count, size);
  }

  environ_get(pointers: Word, texts: Word): void {
    this.#system.memory.putTexts(this.#variableTexts(), pointers, texts);
  }

  clock_res_get(clock: number, at: Word): void {
    nanosecondsOf(clock);
    this.#system.memory.put64(at, clock === CLOCK.realtime ? DAY_RESOLUTION : RESOLUTION);
  }

  clock_time_get(clock: number, _precision: bigint, at: Word): void {
    this.#system.memory.put64(at, nanosecondsOf(clock));
  }

  random_get(at: Word, size: Word): void {
    const bytes = this.#system.memory.bytes("random_get", at, size);
    for (let start = 0; start < bytes.length; start += RANDOM_BYTES_MAX) {
      crypto.getRandomValues(bytes.subarray(start, start + RANDOM_BYTES_MAX));
    }
  }

  sched_yield(): void {}

  proc_exit(code: number): never {
    throw new CommandExit(code >>> 0);
  }

  proc_raise(): never {
    return refuse("notsup");
  }

  #argTexts(): readonly Uint8Array[] {
    this.#args ??= this.#system.input.args.map((text) => encoder.encode(`${text}\0`));
    return this.#args;
  }

  #variableTexts(): readonly Uint8Array[] {
    const { variables } = this.#system.input;
    this.#environment ??= Object.entries(variables).map(([name, value]) => encoder.encode(`${name}=${value}\0`));
    return this.#environment;
  }
}

/** The time by a clock. Those of the processor's time give that of the instance. @throws {Refusal} for an unknown one */
export function nanosecondsOf(clock: number): bigint {
  if (clock < 0 || clock > CLOCK.threadTime) refuse("inval");
  return BigInt(Math.round((clock === CLOCK.realtime ? Date.now() : performance.now()) * 1000)) * 1000n;
}
