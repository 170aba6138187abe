/** Followers of the log store that have read everything; while there are any, somebody looks for what other servers write. */
import type { Clock } from "../core/clock.ts";

/** What a follower may wait for what another server has written. */
const LOOK_PERIOD_MS = 200;

/** Those that wait. */
export class LogWaiters {
  readonly #clock: Clock;
  readonly #look: () => void;
  readonly #waiting = new Set<() => void>();
  #stopLooking: (() => void) | undefined;
  #writes = 0;

  /** `look` calls `wakeAll` when another server has written something. */
  constructor(clock: Clock, look: () => void) {
    this.#clock = clock;
    this.#look = look;
  }

  /** Changes whenever something was written. */
  get writes(): number {
    return this.#writes;
  }

  /** Resolves when more has been written, or the signal fires. */
  moreOrEnd(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => {
      this.#waiting.delete(wake);
      signal.removeEventListener("abort", wake);
      if (this.#waiting.size === 0) this.#rest();
      resolve();
    };
    this.#waiting.add(wake);
    this.#stopLooking ??= this.#clock.every(LOOK_PERIOD_MS, this.#look);
    signal.addEventListener("abort", wake);
    if (signal.aborted) wake();
    return promise;
  }

  wakeAll(): void {
    this.#writes += 1;
    for (const wake of [...this.#waiting]) wake();
  }

  #rest(): void {
    this.#stopLooking?.();
    this.#stopLooking = undefined;
  }
}
