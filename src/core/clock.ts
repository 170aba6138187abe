/**
 * Time as a dependency, so that tests can turn it.
 *
 * `now` is monotonic and for measuring; `wallNow` is the calendar's and for what people read.
 */
export interface Clock {
  /** Milliseconds since an arbitrary start; never goes backwards. */
  now(): number;
  /** Milliseconds since the Unix epoch. */
  wallNow(): number;
  /** Calls `callback` once after `delayMs`; the returned function cancels. Never keeps the process alive. */
  after(delayMs: number, callback: () => void): () => void;
  /** Calls `callback` every `periodMs` until cancelled. Never keeps the process alive. */
  every(periodMs: number, callback: () => void): () => void;
}

/** The longest that a timer of the platform waits; one that is to wait longer would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  after(delayMs, callback) {
    if (delayMs > TIMER_MS_MAX) {
      let cancel = systemClock.after(TIMER_MS_MAX, () => {
        cancel = systemClock.after(delayMs - TIMER_MS_MAX, callback);
      });
      return () => cancel();
    }
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
  every(periodMs, callback) {
    const timer = setInterval(callback, periodMs);
    timer.unref();
    return () => clearInterval(timer);
  },
};
