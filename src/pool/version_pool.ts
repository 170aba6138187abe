/**
 * The instances of one function version: who gets the next invocation, when there must be more, when one must go.
 *
 * The least loaded instance is chosen. Another is started when all are full, or have been using a whole core for a while;
 * until it is there, those that have room go on. One that is due for replacement is given nothing more and ends when idle.
 */
import { IsopodError, toIsopodError } from "../core/errors.ts";
import { type FunctionVersion, type SourceProgram, sourceOf } from "../core/function.ts";
import type { InvocationRequest } from "../core/invocation.ts";
import type { Meter } from "./figures.ts";
import { newInstance } from "./first_program.ts";
import type { Instance, InstanceScheduler } from "./instance.ts";
import { isAboutToBeFree, leastLoaded, longestIdle } from "./instance_choice.ts";
import { RunningInvocation } from "./invocation.ts";
import type { PoolOptions } from "./options.ts";
import type { Prewarmed } from "./prewarmed.ts";
import { isDue } from "./replacement.ts";
import type { Supervisor } from "./supervisor.ts";
import { loadVersion } from "./version_load.ts";
import { WaitingLine } from "./waiting_line.ts";

/** All instances of a version busy for this long means that there is work for another, in milliseconds. */
const BUSY_MS = 60;

/** The instances of one version. */
export class VersionPool implements InstanceScheduler {
  readonly version: FunctionVersion;
  readonly #options: PoolOptions;
  readonly #prewarmed: Prewarmed;
  readonly #supervisor: Supervisor;
  readonly #instances = new Set<Instance>();
  readonly #retired = new Set<Instance>();
  readonly #waiting: WaitingLine;
  #starting = 0;
  /** What positions in its errors are translated by; undefined before the first load. */
  program: SourceProgram | undefined;

  constructor(version: FunctionVersion, options: PoolOptions, prewarmed: Prewarmed, supervisor: Supervisor) {
    this.version = version;
    this.#options = options;
    this.#prewarmed = prewarmed;
    this.#supervisor = supervisor;
    this.#waiting = new WaitingLine(options.sizes.queueMax, options.clock, () => this.#grow());
  }

  /** Whether nothing is running or waiting. */
  get idle(): boolean {
    return this.#instances.size + this.#retired.size + this.#starting + this.#waiting.size === 0;
  }

  /** Whether an instance of it works, or is there to. */
  get inUse(): boolean {
    const works = [...this.#retired].some(({ invocations }) => invocations.size > 0);
    return works || this.#instances.size + this.#starting + this.#waiting.size > 0;
  }

  /** Has an instance that is loaded, unless there is one. @throws {IsopodError} what loading failed of */
  async prepare(): Promise<void> {
    if (this.#instances.size > 0) return;
    this.#serveWaiting(await this.#add());
  }

  /** Gives the request to an instance: at once when one has room, else when it has. @throws {IsopodError} `overloaded` */
  dispatch(request: InvocationRequest, meter: Meter): RunningInvocation | Promise<RunningInvocation> {
    const instance = this.#choose();
    if (instance === undefined) return this.#wait(request, meter);
    if (this.#wantsMore(instance)) this.#grow();
    return this.#give(instance, request, meter);
  }

  finished(instance: Instance, invocation: RunningInvocation): void {
    if (instance.suspect) this.#supervisor.doubt(instance, invocation);
    if (this.#retired.has(instance)) {
      if (instance.invocations.size === 0) instance.end(new IsopodError("draining"));
      return;
    }
    if (isDue(instance, this.version.limits, this.#options.sizes)) this.#retire(instance);
    else if (this.#waiting.size > 0) this.#serveWaiting();
  }

  broke(instance: Instance, error: IsopodError): void {
    this.#retire(instance);
    if (instance.alive) this.#supervisor.condemn(instance, error);
  }

  /** Retires every instance: the version is no longer routed to. */
  retireAll(): void {
    for (const instance of [...this.#instances]) this.#retire(instance);
  }

  /** Ends instances that have been idle for too long. */
  evictIdle(now: number): void {
    for (const instance of [...this.#instances]) {
      if (instance.invocations.size > 0) continue;
      const { sizes } = this.#options;
      const idle = now - instance.idleSince >= sizes.idleMs;
      if (idle || isDue(instance, this.version.limits, sizes)) this.#retire(instance);
    }
  }

  /** The idle instance that has been so for longest. */
  oldestIdle(): Instance | undefined {
    return longestIdle(this.#instances);
  }

  /** Takes an instance out of service; it ends when its invocations are over. */
  #retire(instance: Instance): void {
    this.#instances.delete(instance);
    if (!instance.alive) return;
    this.#retired.add(instance);
    if (instance.invocations.size === 0) instance.end(new IsopodError("draining"));
    if (this.#waiting.size > 0) this.#grow();
  }

  #choose(): Instance | undefined {
    return leastLoaded(this.#instances, this.version.limits.concurrencyMax);
  }

  #wantsMore(least: Instance): boolean {
    return (
      least.invocations.size > 0 &&
      this.#instances.size < this.version.instancesMax &&
      this.#supervisor.busyMs(least) > BUSY_MS
    );
  }

  #give(instance: Instance, request: InvocationRequest, meter: Meter): RunningInvocation {
    const invocation = new RunningInvocation(request, meter, instance);
    this.#supervisor.begin();
    instance.invoke(invocation);
    return invocation;
  }

  #wait(request: InvocationRequest, meter: Meter): Promise<RunningInvocation> {
    // Who has answered is as a rule free at once: no other instance need be started for it.
    const isShort = isAboutToBeFree(this.#instances);
    const turn = this.#waiting.join(request, meter, isShort);
    if (turn === undefined)
      throw new IsopodError("overloaded", { retryAfterSeconds: 1, cause: `${this.version.name}: queue is full` });
    if (!isShort) this.#grow();
    return turn;
  }

  #serveWaiting(startedForThem?: Instance): void {
    for (;;) {
      const instance = this.#waiting.size > 0 ? this.#choose() : undefined;
      const waiting = instance === undefined ? undefined : this.#waiting.next();
      if (instance === undefined || waiting === undefined) return;
      waiting.meter.cold = instance === startedForThem;
      waiting.resolve(this.#give(instance, waiting.request, waiting.meter));
    }
  }

  /** Starts one more instance, when the version and the server have room for it. */
  async #grow(): Promise<void> {
    const room = this.#instances.size + this.#starting < this.version.instancesMax;
    // One start at a time for each full set of waiting invocations: a burst must not start more than it can use.
    const enough = this.#starting > 0 && this.#starting * this.version.limits.concurrencyMax >= this.#waiting.size;
    if (!room || enough) return;
    const instance = await this.#add().catch(() => undefined);
    this.#serveWaiting(instance);
    if (instance?.alive === false) this.#instances.delete(instance);
  }

  /** Adds an instance; when that fails and there is no other, nobody waits any longer. @throws {IsopodError} */
  async #add(): Promise<Instance> {
    this.#starting += 1;
    try {
      return await this.#start();
    } catch (error) {
      if (this.#instances.size + this.#starting === 1) this.#waiting.rejectAll(toIsopodError(error));
      throw error;
    } finally {
      this.#starting -= 1;
    }
  }

  async #start(): Promise<Instance> {
    const contents = await this.version.contents();
    this.program = sourceOf(contents.program);
    const { instance, refill } = await newInstance(this.version, contents, this.#options, this.#prewarmed);
    instance.scheduler = this;
    try {
      this.#supervisor.watch(instance, this.version.limits);
      this.#supervisor.begin();
      await loadVersion(instance, this.version, contents, this.#options.clock);
    } finally {
      refill();
    }
    this.#instances.add(instance);
    instance.ended.then(() => this.#gone(instance));
    return instance;
  }

  #gone(instance: Instance): void {
    this.#instances.delete(instance);
    this.#retired.delete(instance);
    if (this.#waiting.size > 0) this.#grow();
  }
}
