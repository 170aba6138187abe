/**
 * The invocations of one version that wait for an instance, first come, first served.
 *
 * The line is bounded. Who hangs up leaves it, and so does who has waited for as long as it may take altogether: the
 * wait counts under the wall limit. Who is served, and when, is the version's pool's to say.
 */
import type { Clock } from "../core/clock.ts";
import { IsopodError } from "../core/errors.ts";
import type { InvocationRequest } from "../core/invocation.ts";
import { BoundedQueue } from "../stdx/bounded_queue.ts";
import { limitError, type Meter } from "./figures.ts";
import type { RunningInvocation } from "./invocation.ts";

/** A wait that is likely to be over within this time, in milliseconds, is only watched once it is not. */
export const SHORT_MS = 5;

/** An invocation that waits for an instance. */
export class Waiting {
  readonly request: InvocationRequest;
  readonly meter: Meter;
  readonly #given: PromiseWithResolvers<RunningInvocation> = Promise.withResolvers();
  #unwatch: (() => void) | undefined;
  #isOver = false;

  constructor(request: InvocationRequest, meter: Meter) {
    this.request = request;
    this.meter = meter;
  }

  /** The invocation, once an instance has it. */
  get given(): Promise<RunningInvocation> {
    return this.#given.promise;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Gives it up when its caller hangs up, or its wall limit strikes; `left` is called then. */
  watch(clock: Clock, left: () => void): void {
    const { signal } = this.request;
    const { limits, startedAt } = this.meter;
    const leave = (error: IsopodError) => {
      left();
      this.reject(error);
    };
    const onAbort = () => leave(new IsopodError("client_gone"));
    const remainingMs = startedAt + limits.wallMs - clock.now();
    const cancel = clock.after(remainingMs, () => leave(limitError("wall_limit", "wallMs", limits)));
    this.#unwatch = () => {
      cancel();
      signal.removeEventListener("abort", onAbort);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort);
  }

  /** Its wait is over: an instance has it. */
  resolve(invocation: RunningInvocation): void {
    this.#end();
    this.#given.resolve(invocation);
  }

  /** Its wait is over: it gets none. */
  reject(error: IsopodError): void {
    this.#end();
    this.#given.reject(error);
  }

  #end(): void {
    this.#isOver = true;
    this.#unwatch?.();
  }
}

/** The line of one version. */
export class WaitingLine {
  readonly #queue: BoundedQueue<Waiting>;
  readonly #clock: Clock;
  readonly #onLong: () => void;
  /** Those that nothing watches, the one that has waited longest first; who is served leaves no trace but here. */
  #unwatched: Waiting[] = [];
  #isLookAsked = false;

  /**
   * @param lengthMax how many may wait at a time
   * @param onLong somebody waits for longer than was likely; called for each who does
   */
  constructor(lengthMax: number, clock: Clock, onLong: () => void) {
    this.#queue = new BoundedQueue(lengthMax);
    this.#clock = clock;
    this.#onLong = onLong;
  }

  /** How many wait. */
  get size(): number {
    return this.#queue.size;
  }

  /**
   * Joins the line; undefined when it is full. The promise rejects with `client_gone` or `wall_limit`.
   * @param isShort the wait is likely to be over at once: to be watched, it would cost more than all the rest of it
   */
  join(request: InvocationRequest, meter: Meter, isShort: boolean): Promise<RunningInvocation> | undefined {
    const waiting = new Waiting(request, meter);
    if (!this.#queue.push(waiting)) return undefined;
    if (isShort) {
      this.#unwatched.push(waiting);
      this.#lookAfter(SHORT_MS);
    } else {
      this.#watch(waiting);
    }
    return waiting.given;
  }

  /** Takes the one that has waited longest out of the line. */
  next(): Waiting | undefined {
    return this.#queue.shift();
  }

  /** Sends everybody away. */
  rejectAll(error: IsopodError): void {
    for (let waiting = this.next(); waiting !== undefined; waiting = this.next()) waiting.reject(error);
  }

  #watch(waiting: Waiting): void {
    waiting.watch(this.#clock, () => this.#queue.delete(waiting));
  }

  #lookAfter(ms: number): void {
    if (this.#isLookAsked) return;
    this.#isLookAsked = true;
    this.#clock.after(ms, () => this.#look());
  }

  #look(): void {
    this.#isLookAsked = false;
    const now = this.#clock.now();
    const still = this.#unwatched.filter(({ isOver }) => !isOver);
    const long = still.filter(({ meter }) => now - meter.startedAt >= SHORT_MS);
    this.#unwatched = still.slice(long.length);
    for (const waiting of long) this.#watch(waiting);
    const [next] = this.#unwatched;
    if (next !== undefined) this.#lookAfter(SHORT_MS - (now - next.meter.startedAt));
    for (const { isOver } of long) if (!isOver) this.#onLong();
  }
}
