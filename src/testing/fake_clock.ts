/** A clock that stands still until a test turns it. */
import type { Clock } from "../core/clock.ts";

interface Timer {
  at: number;
  readonly periodMs: number | undefined;
  readonly callback: () => void;
}

/** The clock. */
export class FakeClock implements Clock {
  #now = 0;
  readonly #timers = new Set<Timer>();

  /** Timers that have been set and neither fired for the last time nor been cancelled. */
  get pending(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now;
  }

  wallNow(): number {
    return 1_700_000_000_000 + this.#now;
  }

  after(delayMs: number, callback: () => void): () => void {
    return this.#set({ at: this.#now + Math.max(0, delayMs), periodMs: undefined, callback });
  }

  every(periodMs: number, callback: () => void): () => void {
    return this.#set({ at: this.#now + periodMs, periodMs, callback });
  }

  /** Turns the clock by `ms`: what falls due in between happens at its time, and promises settle after each. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (let next = this.#next(until); next !== undefined; next = this.#next(until)) {
      this.#now = next.at;
      if (next.periodMs === undefined) this.#timers.delete(next);
      else next.at += next.periodMs;
      next.callback();
      await settle();
    }
    this.#now = until;
    await settle();
  }

  #set(timer: Timer): () => void {
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  #next(until: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.at <= until && (next === undefined || timer.at < next.at)) next = timer;
    }
    return next;
  }
}

/** Lets everything happen that does not wait for time: a few turns of the event loop. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
