/** Waiting, for times and for descriptors. In memory every descriptor is ready at once. */
import type { Word } from "../guest_memory.ts";
import { OpenFile, OpenStream } from "./files/descriptors.ts";
import { CLOCK, ERRNO, EVENT, Refusal, RIGHT, refuse } from "./numbers.ts";
import { nanosecondsOf } from "./process_calls.ts";
import type { WasiSystem } from "./system.ts";

const SUBSCRIPTION_BYTES = 48;
const EVENT_BYTES = 32;
const SUBSCRIPTIONS_MAX = 1024;
const SLEEP_MS_MAX = 900_000;
const ABSOLUTE = 1;

/** What is waited for, and what there is to say of it. */
interface Waited {
  readonly userdata: bigint;
  readonly type: number;
  /** In how many milliseconds it is due. */
  readonly dueMs: number;
  readonly errno: number;
  /** Bytes that can be read. */
  readonly bytes: number;
}

/** The calls. */
export class PollCalls {
  readonly #system: WasiSystem;

  constructor(system: WasiSystem) {
    this.#system = system;
  }

  /** Waits until the first of `count` is due, and tells of all that are. */
  async poll_oneoff(subscriptions: Word, events: Word, count: number, happened: Word): Promise<void> {
    if (count < 1 || count > SUBSCRIPTIONS_MAX) refuse("inval");
    const asked = this.#system.memory.view(subscriptions, count * SUBSCRIPTION_BYTES);
    const all = Array.from({ length: count }, (_, index) => this.#read(asked, index * SUBSCRIPTION_BYTES));
    let first = Number.POSITIVE_INFINITY;
    for (const { dueMs } of all) first = Math.min(first, dueMs);
    if (first > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(first, SLEEP_MS_MAX)));
    const due = all.filter(({ dueMs }) => dueMs <= first);
    const told = this.#system.memory.view(events, due.length * EVENT_BYTES);
    for (const [index, { userdata, errno, type, bytes }] of due.entries()) {
      const at = index * EVENT_BYTES;
      for (let offset = 0; offset < EVENT_BYTES; offset += 8) told.setBigUint64(at + offset, 0n, true);
      told.setBigUint64(at, userdata, true);
      told.setUint16(at + 8, errno, true);
      told.setUint8(at + 10, type);
      told.setBigUint64(at + 16, BigInt(bytes), true);
    }
    this.#system.memory.put32(happened, due.length);
  }

  #read(asked: DataView, at: number): Waited {
    const userdata = asked.getBigUint64(at, true);
    const type = asked.getUint8(at + 8);
    if (type > EVENT.write) refuse("inval");
    try {
      if (type === EVENT.clock) return { userdata, type, dueMs: dueMs(asked, at), errno: ERRNO.success, bytes: 0 };
      const bytes = this.#ready(asked.getUint32(at + 16, true), type);
      return { userdata, type, dueMs: 0, errno: ERRNO.success, bytes };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { userdata, type, dueMs: 0, errno: error.errno, bytes: 0 };
    }
  }

  /** How many bytes can be read at once, or 1 where something can be written. @throws {Refusal} */
  #ready(fd: number, type: number): number {
    const open = this.#system.descriptors.get(fd).need(type === EVENT.read ? RIGHT.fd_read : RIGHT.fd_write);
    if (type === EVENT.write) return 1;
    if (open instanceof OpenStream) return this.#system.unread;
    return open instanceof OpenFile ? Math.max(0, open.node.size - open.offset) : refuse("badf");
  }
}

/** In how many milliseconds a time is due. @throws {Refusal} for a clock that nobody can wait for */
function dueMs(asked: DataView, at: number): number {
  const clock = asked.getUint32(at + 16, true);
  if (clock > CLOCK.monotonic) refuse("inval");
  const timeout = asked.getBigUint64(at + 24, true);
  const isAbsolute = (asked.getUint16(at + 40, true) & ABSOLUTE) !== 0;
  return Math.max(0, Number(timeout - (isAbsolute ? nanosecondsOf(clock) : 0n)) / 1_000_000);
}
