/**
 * Admission: who may start a request now. A token bucket and a concurrency bound a caller, and one bound for the
 * server with a bounded first-in, first-out queue in front of it.
 *
 * A request that is refused costs its caller no token. Who waits counts against its caller's concurrency, so one
 * caller cannot fill the queue beyond its own share. Nothing here reads a request.
 */
export { callerKeyOfAddress } from "./caller_address.ts";

import type { Clock } from "../core/clock.ts";
import { IsopodError } from "../core/errors.ts";
import { LIMIT_RULES } from "../core/limits.ts";
import type { Plan } from "../core/plan.ts";
import { assert } from "../stdx/assert.ts";
import { BoundedQueue } from "../stdx/bounded_queue.ts";
import { type Bucket, Buckets, checkRate } from "./caller_buckets.ts";

/** What admission needs to know of a plan. */
export type AdmissionPlan = Pick<Plan, "name" | "ratePerSecond" | "limits">;

/** The server's own bounds. */
export interface AdmissionOptions {
  readonly clock: Clock;
  /** Requests that are admitted at the same time. */
  readonly admittedMax: number;
  /** Requests that wait for one of those to end. */
  readonly waitingMax: number;
  /** How long one waits before it is refused, in milliseconds. */
  readonly waitMsMax: number;
  /** Callers that are remembered while nothing of theirs runs. */
  readonly idleCallersMax: number;
}

/** A place among the admitted requests. */
export interface Lease extends Disposable {
  /** Gives the place back; further calls do nothing. */
  release(): void;
}

/** How full admission is. */
export interface AdmissionFigures {
  readonly admitted: number;
  readonly waiting: number;
  /** Callers that are remembered, idle ones included. */
  readonly callers: number;
}

/** Admits requests. */
export interface Admission {
  /**
   * Admits one request of `callerKey`: at once when there is room, else when its turn in the queue has come.
   * @throws {IsopodError} at once `rate_limited`, `concurrency_limited`, or `overloaded` when the queue is full or
   * admission is closed; the promise rejects with `overloaded` after the longest wait, and with `client_gone` when
   * the sender hangs up.
   */
  admit(callerKey: string, plan: AdmissionPlan, sender: Sender): Lease | Promise<Lease>;
  figures(): AdmissionFigures;
  /** Refuses everybody who waits, and whoever comes from now on, as `draining`. Leases that are held stay good. */
  close(): void;
}

/** Who sent the request; the signal fires when they hang up, and is asked for only when they must wait. */
export interface Sender {
  readonly signal: AbortSignal;
}

interface Waiter {
  readonly caller: Bucket;
  admit(lease: Lease): void;
  refuse(error: IsopodError): void;
}

/** Creates an admission. */
export function createAdmission(options: AdmissionOptions): Admission {
  return new BoundedAdmission(options);
}

class BoundedAdmission implements Admission {
  readonly #options: AdmissionOptions;
  readonly #callers: Buckets;
  readonly #queue: BoundedQueue<Waiter>;
  #admitted = 0;
  #closed = false;

  constructor(options: AdmissionOptions) {
    assert(options.admittedMax > 0, "at least one request is admitted");
    this.#options = options;
    this.#callers = new Buckets(options.clock, options.idleCallersMax);
    this.#queue = new BoundedQueue(options.waitingMax);
  }

  admit(callerKey: string, plan: AdmissionPlan, sender: Sender): Lease | Promise<Lease> {
    if (this.#closed) throw new IsopodError("draining", { retryAfterSeconds: 1 });
    const caller = this.#callers.at(callerKey, plan.ratePerSecond);
    const waits = this.#admitted >= this.#options.admittedMax;
    try {
      checkRate(caller, plan.name);
      checkConcurrency(caller, plan);
      if (waits && this.#queue.size >= this.#queue.capacity) {
        throw new IsopodError("overloaded", { retryAfterSeconds: 1 });
      }
    } catch (error) {
      if (caller.held === 0) this.#callers.idle(caller);
      throw error;
    }
    if (caller.rate !== undefined) caller.tokens -= 1;
    if (caller.held === 0) this.#callers.busy(caller);
    caller.held += 1;
    if (waits) return this.#wait(caller, sender.signal);
    this.#admitted += 1;
    return new HeldLease(this, caller);
  }

  figures(): AdmissionFigures {
    return { admitted: this.#admitted, waiting: this.#queue.size, callers: this.#callers.size };
  }

  close(): void {
    this.#closed = true;
    for (let waiter = this.#queue.shift(); waiter !== undefined; waiter = this.#queue.shift()) {
      waiter.refuse(new IsopodError("draining", { retryAfterSeconds: 1 }));
    }
  }

  /** For leases: `caller`'s place is free; whoever waits longest gets it. */
  giveBack(caller: Bucket): void {
    this.#letGo(caller);
    const next = this.#queue.shift();
    if (next === undefined) this.#admitted -= 1;
    else next.admit(new HeldLease(this, next.caller));
  }

  #wait(caller: Bucket, signal: AbortSignal): Promise<Lease> {
    const { promise, resolve, reject } = Promise.withResolvers<Lease>();
    const settle = (): void => {
      cancelTimer();
      signal.removeEventListener("abort", onAbort);
    };
    const waiter: Waiter = {
      caller,
      admit: (lease) => {
        settle();
        resolve(lease);
      },
      refuse: (error) => {
        settle();
        this.#queue.delete(waiter);
        this.#letGo(caller);
        reject(error);
      },
    };
    const onAbort = (): void => waiter.refuse(new IsopodError("client_gone"));
    const cancelTimer = this.#options.clock.after(this.#options.waitMsMax, () => {
      waiter.refuse(new IsopodError("overloaded", { retryAfterSeconds: 1 }));
    });
    this.#queue.push(waiter);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    return promise;
  }

  #letGo(caller: Bucket): void {
    caller.held -= 1;
    if (caller.held === 0) this.#callers.idle(caller);
  }
}

class HeldLease implements Lease {
  readonly #admission: BoundedAdmission;
  #caller: Bucket | undefined;

  constructor(admission: BoundedAdmission, caller: Bucket) {
    this.#admission = admission;
    this.#caller = caller;
  }

  release(): void {
    const caller = this.#caller;
    if (caller === undefined) return;
    this.#caller = undefined;
    this.#admission.giveBack(caller);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

function checkConcurrency(caller: Bucket, plan: AdmissionPlan): void {
  const most = plan.limits.concurrencyMax ?? LIMIT_RULES.concurrencyMax.default;
  if (caller.held < most) return;
  throw new IsopodError("concurrency_limited", {
    message: `Cannot admit the request: the caller has ${most} others running, the most of plan "${plan.name}".`,
    limit: { name: "concurrencyMax", value: most },
    retryAfterSeconds: 1,
  });
}
