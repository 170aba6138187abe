/**
 * The pool: the `Invoker` behind the gateway. Functions go to the instances of their version, programs to a
 * prewarmed instance of their own that ends with them.
 */
import { IsopodError, toIsopodError } from "../core/errors.ts";
import { type FunctionVersion, type SourceProgram, sourceOf } from "../core/function.ts";
import {
  type InvocationEnd,
  type InvocationRequest,
  type InvocationResponse,
  type Invoker,
  type Target,
  whenOver,
} from "../core/invocation.ts";
import { Meter } from "./figures.ts";
import { newProgramInstance } from "./first_program.ts";
import type { Instance } from "./instance.ts";
import { RunningInvocation } from "./invocation.ts";
import { RetoldAnswer } from "./invocation_answer.ts";
import type { PoolOptions } from "./options.ts";
import { Positions } from "./positions.ts";
import { Prewarmed } from "./prewarmed.ts";
import { ProgramScheduler, programLoad } from "./program_scheduler.ts";
import { Supervisor } from "./supervisor.ts";
import { VersionPool } from "./version_pool.ts";

/** How often idle instances are looked for, in milliseconds. */
const EVICT_MS = 1000;

type ProgramTarget = Extract<Target, { kind: "program" }>;

/** What a pool is doing. */
export interface PoolStats {
  readonly instances: number;
  readonly prewarmed: number;
  readonly functions: number;
  readonly invocations: number;
}

/** The pool of one engine. */
export class Pool implements Invoker {
  readonly #options: PoolOptions;
  readonly #prewarmed: Prewarmed;
  readonly #supervisor: Supervisor;
  readonly #positions: Positions;
  readonly #versions = new Map<string, VersionPool>();
  readonly #cancelEvict: () => void;
  #running = 0;
  #draining = false;
  #onQuiet: (() => void) | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#prewarmed = new Prewarmed(options, () => this.#makeRoom());
    this.#supervisor = new Supervisor(options.clock);
    this.#positions = new Positions(() => options.clock.now());
    this.#cancelEvict = options.clock.every(EVICT_MS, () => this.#evict());
  }

  /** Fills the stock of prewarmed instances; resolves when it is full or cannot be. */
  warm(): Promise<void> {
    return this.#prewarmed.fill();
  }

  /** The figures for `/metrics` and `/status`. */
  stats(): PoolStats {
    const { all, ready } = this.#prewarmed;
    return { instances: all.size, prewarmed: ready, functions: this.#versions.size, invocations: this.#running };
  }

  /** Process ids of all instances' sandboxes. */
  pids(): number[] {
    return [...this.#prewarmed.all].map((instance) => instance.process.pid);
  }

  async invoke(target: Target, request: InvocationRequest): Promise<InvocationResponse> {
    if (this.#draining) throw new IsopodError("draining", { retryAfterSeconds: 1 });
    const meter = new Meter(target.limits, this.#options.clock.now());
    this.#running += 1;
    const versions = target.kind === "function" ? this.#versionPool(target.version) : undefined;
    const source = (): SourceProgram | undefined =>
      target.kind === "program" ? sourceOf(target.program) : versions?.program;
    try {
      const invocation =
        target.kind === "program"
          ? await this.#runProgram(target, request, meter)
          : await (versions as VersionPool).dispatch(request, meter);
      const response = await invocation.answered.promise;
      whenOver(response, this.#done);
      return this.#inSourceTerms(response, source(), target.kind === "program");
    } catch (error) {
      this.#done();
      throw this.#translate(toIsopodError(error), source(), target.kind === "program");
    }
  }

  /**
   * Loads a version into an instance that stays as its first, unless there is one.
   * @throws {IsopodError} what its evaluation failed of, with positions in its sources
   */
  async prepare(version: FunctionVersion): Promise<void> {
    if (this.#draining) throw new IsopodError("draining", { retryAfterSeconds: 1 });
    const pool = this.#versionPool(version);
    try {
      await pool.prepare();
    } catch (error) {
      throw this.#translate(toIsopodError(error), pool.program, true);
    }
  }

  #translate(error: IsopodError, program: SourceProgram | undefined, named: boolean): IsopodError {
    return program === undefined ? error : this.#positions.translate(error, program, named);
  }

  #inSourceTerms(response: InvocationResponse, program: SourceProgram | undefined, named: boolean): InvocationResponse {
    if (program?.sourceMap === undefined) return response;
    return new RetoldAnswer(response, (end: InvocationEnd) =>
      end.error === undefined ? end : { error: this.#translate(end.error, program, named), figures: end.figures },
    );
  }

  /** The keys of the versions that have instances. */
  versionKeys(): string[] {
    const used = [...this.#versions.values()].filter(({ inUse }) => inUse);
    return used.map(({ version: { key, ownerKey } }) => ownerKey ?? key);
  }

  /** Ends the instances of versions that are not `current`, when their invocations are over. */
  keepOnly(isCurrent: (version: FunctionVersion) => boolean): void {
    for (const [key, pool] of this.#versions) {
      if (isCurrent(pool.version)) continue;
      pool.retireAll();
      if (pool.idle) this.#versions.delete(key);
    }
  }

  /** Takes no more, waits up to `drainMs` for what runs, then ends everything. */
  async close(drainMs: number): Promise<void> {
    this.#draining = true;
    if (this.#running > 0) {
      let cancel = () => {};
      await new Promise<void>((resolve) => {
        this.#onQuiet = resolve;
        cancel = this.#options.clock.after(drainMs, resolve);
      });
      cancel();
    }
    this.#cancelEvict();
    this.#supervisor.close();
    await this.#prewarmed.close(new IsopodError("draining"));
  }

  readonly #done = () => {
    this.#running -= 1;
    if (this.#running === 0) this.#onQuiet?.();
  };

  #versionPool(version: FunctionVersion): VersionPool {
    let pool = this.#versions.get(version.key);
    if (pool === undefined) {
      pool = new VersionPool(version, this.#options, this.#prewarmed, this.#supervisor);
      this.#versions.set(version.key, pool);
    }
    return pool;
  }

  async #runProgram(target: ProgramTarget, request: InvocationRequest, meter: Meter): Promise<RunningInvocation> {
    meter.cold = this.#prewarmed.ready === 0;
    const { instance, refill } = await newProgramInstance(target, this.#options, this.#prewarmed);
    instance.scheduler = new ProgramScheduler(refill);
    const invocation = new RunningInvocation(request, meter, instance);
    this.#supervisor.watch(instance, target.limits);
    this.#supervisor.begin();
    instance.load(programLoad(target), target.limits.memoryBytes);
    instance.invoke(invocation);
    invocation.watchCaller();
    return invocation;
  }

  /** When the server is at its maximum, the instance that has been idle for longest goes; else there is no room. */
  #makeRoom(): void {
    if (!this.#prewarmed.crowded) return;
    let oldest: Instance | undefined;
    for (const pool of this.#versions.values()) {
      const candidate = pool.oldestIdle();
      if (candidate !== undefined && (oldest === undefined || candidate.idleSince < oldest.idleSince))
        oldest = candidate;
    }
    if (oldest === undefined) throw new IsopodError("overloaded", { retryAfterSeconds: 1, cause: "instancesMax" });
    oldest.end(new IsopodError("draining"));
  }

  #evict(): void {
    const now = this.#options.clock.now();
    for (const [key, pool] of this.#versions) {
      pool.evictIdle(now);
      if (pool.idle) this.#versions.delete(key);
    }
  }
}
