/**
 * Code-less instances that wait for a program: started ahead of need, handed out once, never taken back.
 *
 * A start costs more processor time than a small program. So the stock is not refilled while the request that took
 * an instance is being answered: the refill begins a moment after its answer, or when it has been going for
 * `REFILL_MS`. Who finds the stock empty gets the next instance that is ready, whatever it was started for, and at
 * most `STARTS_PER_CORE` starts run for each core.
 */
import { availableParallelism } from "node:os";
import type { Engine, Launch } from "../core/engine.ts";
import { IsopodError, toIsopodError } from "../core/errors.ts";
import { type Deferred, deferred } from "../stdx/deferred.ts";
import { Instance } from "./instance.ts";
import type { PoolOptions } from "./options.ts";

/** A request that took an instance may run this long before the refill begins, in milliseconds. */
const REFILL_MS = 25;

/** The answer leaves the server in this time, before a start keeps its thread busy. In milliseconds. */
const ANSWER_MS = 2;
const STARTS_PER_CORE = 1.5;

/** After a failed start the next one waits this long, doubled each time up to the second value. */
const BACKOFF_MS = [100, 10_000] as const;

/** The stock of prewarmed instances, and the only place where instances are started. */
export class Prewarmed {
  readonly #options: PoolOptions;
  readonly #makeRoom: () => void;
  readonly #ready: Instance[] = [];
  readonly #all = new Set<Instance>();
  readonly #waiting: Deferred<Instance>[] = [];
  readonly #startsMax = Math.max(2, Math.floor(availableParallelism() * STARTS_PER_CORE));
  /** Resolves when the stock has been filled for the first time, or a start has failed. */
  readonly #filled: Deferred<void> = deferred();
  /** How many are to be ready now. */
  #wanted = 0;
  #starting = 0;
  /** Of those that are starting, the ones that exist. */
  #preparing = 0;
  #failures = 0;
  #closed = false;

  /** @param makeRoom is called before a start that somebody waits for; throws when there is none */
  constructor(options: PoolOptions, makeRoom: () => void) {
    this.#options = options;
    this.#makeRoom = makeRoom;
  }

  /**
   * Whether one more would be one too many. Those that are about to end do not count: who comes may wait for them, for
   * a few milliseconds; and those who wait for a start that there is room for do.
   */
  get crowded(): boolean {
    let settled = -this.#preparing;
    for (const instance of this.#all) if (instance.alive) settled += 1;
    return settled + Math.max(this.#starting, this.#waiting.length) >= this.#options.sizes.instancesMax;
  }

  /** Every instance that exists, whoever has it. */
  get all(): ReadonlySet<Instance> {
    return this.#all;
  }

  /** Instances that wait. */
  get ready(): number {
    return this.#ready.length;
  }

  /** An instance, from the stock or the next that is ready; `refillSoon` must be called when its request is on its way. */
  async take(): Promise<Instance> {
    for (let instance = this.#ready.shift(); instance !== undefined; instance = this.#ready.shift()) {
      this.#wanted = this.#ready.length;
      if (instance.alive) return instance;
    }
    this.#makeRoom();
    if (this.#closed) throw new IsopodError("draining");
    const waiting = deferred<Instance>();
    this.#waiting.push(waiting);
    this.#startMore();
    return waiting.promise;
  }

  /** A fresh instance of `engine` that begins with a program; never from the stock. @throws {IsopodError} `start_failed` */
  launch(engine: Engine, launch: Launch): Promise<Instance> {
    this.#makeRoom();
    this.#starting += 1;
    return this.#start(engine, launch).finally(() => {
      this.#starting -= 1;
    });
  }

  /** Plans a refill: a moment after the returned function is called, or a little later by itself. */
  refillSoon(): () => void {
    let planned = true;
    const refill = () => {
      if (!planned) return;
      planned = false;
      cancel();
      this.#options.clock.after(ANSWER_MS, () => this.fill());
    };
    const cancel = this.#options.clock.after(REFILL_MS, refill);
    return refill;
  }

  /** Starts what the stock lacks; resolves when it has been full once, or when starting fails. */
  fill(): Promise<void> {
    this.#wanted = this.#options.sizes.prewarmed;
    this.#startMore();
    return this.#filled.promise;
  }

  /** Ends every instance that exists. */
  async close(reason: IsopodError): Promise<void> {
    this.#closed = true;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(reason);
    const all = [...this.#all];
    for (const instance of all) instance.end(reason);
    await Promise.all(all.map((instance) => instance.ended));
  }

  #startMore(): void {
    if (this.#closed) return;
    const room = this.#options.sizes.instancesMax - this.#all.size;
    const wanted = Math.min(this.#waiting.length + Math.max(0, this.#wanted - this.#ready.length), room);
    while (this.#starting < Math.min(wanted, this.#startsMax)) this.#startOne();
    if (wanted <= 0) this.#filled.resolve();
  }

  async #startOne(): Promise<void> {
    this.#starting += 1;
    let instance: Instance;
    try {
      instance = await this.#start(this.#options.engine);
    } catch (error) {
      this.#starting -= 1;
      return this.#failed(toIsopodError(error));
    }
    this.#starting -= 1;
    this.#failures = 0;
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) waiting.resolve(instance);
    else this.#ready.push(instance);
    this.#startMore();
  }

  async #start(engine: Engine, launch?: Launch): Promise<Instance> {
    const { clock, bindings, lives, report } = this.#options;
    const startedAt = clock.now();
    const process = await engine.start("run", launch);
    const instance = new Instance({ process, clock, bindings, report });
    this.#all.add(instance);
    // Who closes waits for what exists; what has come to be meanwhile must not stay.
    if (this.#closed) instance.end(new IsopodError("draining"));
    instance.ended.then((reason) => {
      lives.ended(reason.code, engine.name);
      this.#gone(instance);
    });
    this.#preparing += 1;
    try {
      await instance.prepare();
    } finally {
      this.#preparing -= 1;
    }
    lives.started((clock.now() - startedAt) / 1000, engine.name);
    report(
      { level: "debug", text: "An instance is ready" },
      { instance: instance.id, pid: process.pid, layers: process.layers },
    );
    return instance;
  }

  #gone(instance: Instance): void {
    this.#all.delete(instance);
    const at = this.#ready.indexOf(instance);
    if (at >= 0) {
      this.#ready.splice(at, 1);
      this.#retryLater(new IsopodError("start_failed", { cause: "a waiting instance ended" }));
    } else if (this.#waiting.length > 0) {
      this.#startMore();
    }
  }

  #failed(error: IsopodError): void {
    this.#waiting.shift()?.reject(error);
    this.#filled.resolve();
    this.#retryLater(error);
  }

  #retryLater(error: IsopodError): void {
    if (this.#closed) return;
    const delay = Math.min(BACKOFF_MS[0] * 2 ** this.#failures, BACKOFF_MS[1]);
    this.#failures += 1;
    const fields = { cause: String(error.details.cause), retryMs: delay };
    this.#options.report({ level: "error", text: "Cannot start an instance" }, fields);
    this.#options.clock.after(delay, () => this.#startMore());
  }
}
