/** Bounds how many fetches are under way at a time; the others wait in their turn, a bounded number of them. */
import { IsopodError } from "../../core/errors.ts";
import { BoundedQueue } from "../../stdx/bounded_queue.ts";
import { type Deferred, deferred } from "../../stdx/deferred.ts";

/** The slots. */
export class FetchSlots {
  readonly #waiting: BoundedQueue<Deferred<void>>;
  #free: number;

  constructor(count: number, waitingMax: number) {
    this.#free = count;
    this.#waiting = new BoundedQueue(waitingMax);
  }

  /**
   * Waits for a slot.
   * @throws {IsopodError} `overloaded` when too many wait; the signal's reason when it fires.
   */
  async take(signal: AbortSignal): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    const turn = deferred<void>();
    if (!this.#waiting.push(turn)) throw new IsopodError("overloaded", { retryAfterSeconds: 1 });
    const onAbort = (): void => {
      if (this.#waiting.delete(turn)) turn.reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await turn.promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Gives a slot back to whoever waits longest. */
  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next.resolve();
  }
}
