/**
 * Code-less instances that wait for a program: started ahead of need, handed out once, never taken back.
 *
 * A start costs more processor time than a small program. So a refill waits until the request that took an instance
 * is over, or has been going for `REFILL_MS`, and at most one start runs for each core.
 */
import { availableParallelism } from "node:os";
import type { LogLine } from "../core/invocation.ts";
import { IsopodError, toIsopodError } from "../core/errors.ts";
import { Instance } from "./instance.ts";
import type { PoolOptions } from "./options.ts";

/** A request that took an instance may run this long before the refill begins, in milliseconds. */
const REFILL_MS = 25;

/** After a failed start the next one waits this long, doubled each time up to the second value. */
const BACKOFF_MS = [100, 10_000] as const;

/** The stock of prewarmed instances, and the only place where instances are started. */
export class Prewarmed {
  readonly #options: PoolOptions;
  readonly #makeRoom: () => void;
  readonly #ready: Instance[] = [];
  readonly #all = new Set<Instance>();
  readonly #startsMax = Math.max(1, availableParallelism());
  #starting = 0;
  #filling = false;
  #failures = 0;
  #closed = false;

  /** @param makeRoom is called before a start that somebody waits for; throws when there is none */
  constructor(options: PoolOptions, makeRoom: () => void) {
    this.#options = options;
    this.#makeRoom = makeRoom;
  }

  /** Instances that exist and are not about to end, whoever has them. */
  get count(): number {
    let count = 0;
    for (const instance of this.#all) if (instance.alive) count += 1;
    return count;
  }

  /** Instances that wait. */
  get ready(): number {
    return this.#ready.length;
  }

  /** Every instance that exists. */
  get all(): ReadonlySet<Instance> {
    return this.#all;
  }

  /** An instance, from the stock or started now; `refillSoon` must be called when its request is on its way. */
  async take(): Promise<Instance> {
    for (let instance = this.#ready.shift(); instance !== undefined; instance = this.#ready.shift()) {
      if (instance.alive) return instance;
    }
    if (this.#closed) throw new IsopodError("draining", { retryAfterSeconds: 1 });
    this.#makeRoom();
    return this.#start();
  }

  /** Plans a refill: when the returned function is called, or a little later by itself. */
  refillSoon(): () => void {
    let planned = true;
    const refill = () => {
      if (!planned) return;
      planned = false;
      cancel();
      this.fill();
    };
    const cancel = this.#options.clock.after(REFILL_MS, refill);
    return refill;
  }

  /** Starts what the stock lacks; resolves when it is full, or when starting fails. */
  async fill(): Promise<void> {
    if (this.#filling || this.#closed) return;
    this.#filling = true;
    try {
      while (this.#lacking() > 0) {
        const starts = Array.from({ length: Math.min(this.#lacking(), this.#startsMax) }, () => this.#stock());
        await Promise.all(starts);
      }
      this.#failures = 0;
    } catch (error) {
      this.#retryLater(toIsopodError(error));
    } finally {
      this.#filling = false;
    }
  }

  /** Ends every instance that exists. */
  async close(reason: IsopodError): Promise<void> {
    this.#closed = true;
    const all = [...this.#all];
    for (const instance of all) instance.end(reason);
    await Promise.all(all.map((instance) => instance.ended));
  }

  #lacking(): number {
    if (this.#closed) return 0;
    const { prewarmed, instancesMax } = this.#options.sizes;
    return Math.min(prewarmed - this.#ready.length, instancesMax - this.#all.size - this.#starting);
  }

  async #stock(): Promise<void> {
    const instance = await this.#start();
    if (this.#closed) instance.end(new IsopodError("draining"));
    else this.#ready.push(instance);
  }

  async #start(): Promise<Instance> {
    this.#starting += 1;
    try {
      const { engine, clock, bindings } = this.#options;
      const process = await engine.start("run");
      const instance = new Instance({ process, clock, bindings, report: (line, fields) => this.#report(line, fields) });
      this.#all.add(instance);
      // Who closes waits for what exists; what has come to be meanwhile must not stay.
      if (this.#closed) instance.end(new IsopodError("draining"));
      instance.ended.then(() => this.#gone(instance));
      await instance.prepare();
      return instance;
    } finally {
      this.#starting -= 1;
    }
  }

  #gone(instance: Instance): void {
    this.#all.delete(instance);
    const at = this.#ready.indexOf(instance);
    if (at < 0) return;
    this.#ready.splice(at, 1);
    this.#retryLater(new IsopodError("start_failed", { cause: "a waiting instance ended" }));
  }

  #retryLater(error: IsopodError): void {
    if (this.#closed) return;
    const delay = Math.min(BACKOFF_MS[0] * 2 ** this.#failures, BACKOFF_MS[1]);
    this.#failures += 1;
    this.#report({ level: "error", text: "Cannot start an instance" }, { cause: String(error.details.cause), retryMs: delay });
    this.#options.clock.after(delay, () => this.fill());
  }

  #report(line: LogLine, fields: Readonly<Record<string, unknown>>): void {
    this.#options.report(line, fields);
  }
}
