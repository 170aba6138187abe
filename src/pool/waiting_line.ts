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

/** An invocation that waits for an instance. */
export interface Waiting {
  readonly request: InvocationRequest;
  readonly meter: Meter;
  /** Its wait is over: an instance has it. */
  resolve(invocation: RunningInvocation): void;
  /** Its wait is over: it gets none. */
  reject(error: IsopodError): void;
}

/** The line of one version. */
export class WaitingLine {
  readonly #queue: BoundedQueue<Waiting>;
  readonly #clock: Clock;

  /** @param lengthMax how many may wait at a time */
  constructor(lengthMax: number, clock: Clock) {
    this.#queue = new BoundedQueue(lengthMax);
    this.#clock = clock;
  }

  /** How many wait. */
  get size(): number {
    return this.#queue.size;
  }

  /** Joins the line; undefined when it is full. The promise rejects with `client_gone` or `wall_limit`. */
  join(request: InvocationRequest, meter: Meter): Promise<RunningInvocation> | undefined {
    const { promise, resolve, reject } = Promise.withResolvers<RunningInvocation>();
    const waiting: Waiting = {
      request,
      meter,
      resolve: (invocation) => {
        stop();
        resolve(invocation);
      },
      reject: (error) => {
        stop();
        reject(error);
      },
    };
    if (!this.#queue.push(waiting)) return undefined;
    const leave = (error: IsopodError) => {
      this.#queue.delete(waiting);
      waiting.reject(error);
    };
    const onAbort = () => leave(new IsopodError("client_gone"));
    const remainingMs = meter.startedAt + meter.limits.wallMs - this.#clock.now();
    const cancel = this.#clock.after(remainingMs, () => leave(limitError("wall_limit", "wallMs", meter.limits)));
    const stop = () => {
      cancel();
      request.signal.removeEventListener("abort", onAbort);
    };
    request.signal.addEventListener("abort", onAbort);
    return promise;
  }

  /** Takes the one that has waited longest out of the line. */
  next(): Waiting | undefined {
    return this.#queue.shift();
  }

  /** Sends everybody away. */
  rejectAll(error: IsopodError): void {
    for (let waiting = this.next(); waiting !== undefined; waiting = this.next()) waiting.reject(error);
  }
}
