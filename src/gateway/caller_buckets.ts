/**
 * The callers that admission knows: what each has running, and its token bucket.
 *
 * A caller is forgotten when nothing of it runs and its bucket is full again, and the one that has been idle longest
 * when too many are; so what is remembered is bounded by `idleMax` and by what may run or wait. The last, evicted
 * early, comes back with a full bucket: that costs many addresses, each of which had a bucket of its own anyway.
 */
import type { Clock } from "../core/clock.ts";
import { IsopodError } from "../core/errors.ts";
import { type Linked, RecencyList } from "../stdx/recency_list.ts";

/** A caller. */
export interface Bucket extends Linked<Bucket> {
  readonly key: string;
  /** Admitted and waiting requests; whoever changes it from or to 0 says so with `busy` and `idle`. */
  held: number;
  tokens: number;
  /** When `tokens` was right, by the clock. */
  at: number;
  /** Requests a second of the plan by which the caller last came. */
  rate: number | undefined;
}

/** Idle callers that are looked at, oldest first, for each one that becomes idle; more than one, so the list shrinks. */
const SWEEP = 2;
const RETRY_SECONDS_MAX = 3600;

/** The callers. */
export class Buckets {
  readonly #clock: Clock;
  readonly #idleMax: number;
  readonly #byKey = new Map<string, Bucket>();
  readonly #idle = new RecencyList<Bucket>();

  constructor(clock: Clock, idleMax: number) {
    this.#clock = clock;
    this.#idleMax = idleMax;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** The caller, new or known, its bucket as it is now. Must be made `busy` or `idle` before anything else happens. */
  at(key: string, rate: number | undefined): Bucket {
    const now = this.#clock.now();
    const known = this.#byKey.get(key);
    if (known !== undefined) {
      known.rate = rate;
      refill(known, now);
      return known;
    }
    const caller: Bucket = { key, held: 0, tokens: burstOf(rate), at: now, rate, older: undefined, newer: undefined };
    this.#byKey.set(key, caller);
    return caller;
  }

  /** Something of the caller's runs or waits: it is kept whatever comes. */
  busy(caller: Bucket): void {
    this.#idle.delete(caller);
  }

  /** Nothing of the caller's runs: it is kept until its bucket is full, or until too many have become idle after it. */
  idle(caller: Bucket): void {
    const now = this.#clock.now();
    this.#idle.delete(caller);
    this.#idle.push(caller);
    refill(caller, now);
    if (isFull(caller)) this.#forget(caller);
    for (let looked = 0; looked < SWEEP; looked++) {
      const oldest = this.#idle.oldest;
      if (oldest === undefined) return;
      refill(oldest, now);
      if (this.#idle.size <= this.#idleMax && !isFull(oldest)) return;
      this.#forget(oldest);
    }
  }

  #forget(caller: Bucket): void {
    this.#idle.delete(caller);
    this.#byKey.delete(caller.key);
  }
}

function burstOf(rate: number | undefined): number {
  return rate === undefined ? 0 : Math.max(1, rate);
}

function isFull(caller: Bucket): boolean {
  return caller.rate === undefined || caller.tokens >= burstOf(caller.rate);
}

function refill(caller: Bucket, now: number): void {
  if (caller.rate !== undefined) {
    const gained = ((now - caller.at) / 1000) * caller.rate;
    caller.tokens = Math.min(burstOf(caller.rate), caller.tokens + gained);
  }
  caller.at = now;
}

/**
 * Whether the caller's bucket holds a request; nothing is taken out of it.
 * @throws {IsopodError} `rate_limited`
 */
export function checkRate(caller: Bucket, planName: string): void {
  const rate = caller.rate;
  // The margin is for the rounding of many small refills.
  if (rate === undefined || caller.tokens > 1 - 1e-6) return;
  const seconds = rate > 0 ? Math.ceil((1 - caller.tokens) / rate) : RETRY_SECONDS_MAX;
  throw new IsopodError("rate_limited", {
    message: `Cannot admit the request: the caller is over ${rate} requests a second of plan "${planName}".`,
    limit: { name: "rate", value: rate },
    retryAfterSeconds: Math.min(Math.max(seconds, 1), RETRY_SECONDS_MAX),
  });
}
