/**
 * An attack on a real server, and what everybody else sees of it: a second function is called all the time, and the
 * attacked sandbox's figures are read from /proc, so that what is asserted is the limit and not the machine's noise.
 */
import { readFileSync } from "node:fs";
import { parseCpuMs, parseMemoryBytes } from "../sandbox/usage.ts";
import { instances } from "./children.ts";
import type { TestServer } from "./server.ts";

/** The function that goes on answering; part of every attacked server's configuration. */
export const STEADY = {
  config: '[[functions]]\nname = "steady"\npath = "./steady.ts"\nroutes = ["GET /steady"]\n',
  files: { "steady.ts": 'export default { fetch: () => new Response("steady") };' },
};

/** How long after its limit something may go on, in milliseconds. */
export const GRACE_MS = 250;

/** What an attack came to. */
export interface Attack<T> {
  readonly result: T;
  readonly elapsedMs: number;
  /** The most processor time that a sandbox was seen with since the attack began, in milliseconds. */
  readonly cpuMs: number;
  /** How long a sandbox was seen above `memoryBytes`, in milliseconds. */
  readonly overMemoryMs: number;
  /** The longest that this process itself was held up: what the machine and not the server is to blame for. */
  readonly lagMs: number;
  readonly steady: { readonly count: number; readonly failed: number; readonly p99Ms: number };
}

/** Runs `send` against `server`; prints how the second function fared under `name`. */
export async function attack<T>(
  server: TestServer,
  name: string,
  send: () => Promise<T>,
  memoryBytes = 128 * 1024 * 1024,
): Promise<Attack<T>> {
  await (await fetch(`${server.url}/steady`)).text();
  const sampler = new Sampler(memoryBytes);
  const steady = new Steady(`${server.url}/steady`);
  const startedAt = performance.now();
  try {
    const result = await send();
    const elapsedMs = performance.now() - startedAt;
    await steady.atLeast(20);
    const { cpuMs, overMemoryMs, lagMs } = sampler;
    const figures = await steady.stop();
    console.log(
      `${name}: ended after ${elapsedMs.toFixed(0)} ms; second function ${figures.count} answers, p99 ${figures.p99Ms.toFixed(1)} ms`,
    );
    return { result, elapsedMs, cpuMs, overMemoryMs, lagMs, steady: figures };
  } finally {
    sampler.stop();
    await steady.stop();
  }
}

const SAMPLE_MS = 5;
/** Between two calls of the second function: at full speed it would use more processor time than the attacked one. */
const STEADY_PAUSE_MS = 5;

class Sampler {
  readonly #memoryBytes: number;
  readonly #before = new Map<number, number>();
  readonly #over = new Map<number, number>();
  readonly #timer: Timer;
  #last = performance.now();
  cpuMs = 0;
  overMemoryMs = 0;
  lagMs = 0;

  constructor(memoryBytes: number) {
    this.#memoryBytes = memoryBytes;
    for (const pid of instances()) this.#before.set(pid, usageOf(pid)?.cpuMs ?? 0);
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    const now = performance.now();
    this.lagMs = Math.max(this.lagMs, now - this.#last - SAMPLE_MS);
    this.#last = now;
    for (const pid of instances()) {
      const usage = usageOf(pid);
      if (usage === undefined) continue;
      this.cpuMs = Math.max(this.cpuMs, usage.cpuMs - (this.#before.get(pid) ?? 0));
      if (usage.memoryBytes <= this.#memoryBytes) continue;
      const since = this.#over.get(pid) ?? now;
      this.#over.set(pid, since);
      this.overMemoryMs = Math.max(this.overMemoryMs, now - since);
    }
  }
}

class Steady {
  readonly #url: string;
  readonly #times: number[] = [];
  readonly #loop: Promise<void>;
  #failed = 0;
  #stopped = false;

  constructor(url: string) {
    this.#url = url;
    this.#loop = this.#run();
  }

  /** Resolves once it has been called `count` times. */
  async atLeast(count: number): Promise<void> {
    while (this.#times.length + this.#failed < count) await new Promise((resolve) => setImmediate(resolve));
  }

  async stop(): Promise<Attack<unknown>["steady"]> {
    this.#stopped = true;
    await this.#loop;
    const sorted = this.#times.toSorted((first, second) => first - second);
    const p99Ms = sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN;
    return { count: sorted.length, failed: this.#failed, p99Ms };
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const startedAt = performance.now();
      const text = await fetch(this.#url).then(
        (response) => response.text(),
        () => "",
      );
      if (text === "steady") this.#times.push(performance.now() - startedAt);
      else this.#failed += 1;
      await Bun.sleep(STEADY_PAUSE_MS);
    }
  }
}

function usageOf(pid: number): { cpuMs: number; memoryBytes: number } | undefined {
  const stat = read(`/proc/${pid}/stat`);
  const status = read(`/proc/${pid}/status`);
  if (stat === undefined || status === undefined) return undefined;
  return { cpuMs: parseCpuMs(stat), memoryBytes: parseMemoryBytes(status) };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
