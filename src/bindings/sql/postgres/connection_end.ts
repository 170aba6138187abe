/**
 * The end of a connection, for whoever waits for something of it: the client answers some of what was asked then, and not all.
 *
 * `Promise.race` would do, but for what it leaves behind: a promise that settles late keeps all that has ever waited for it.
 */

/** The end of one connection. */
export class ConnectionEnd {
  readonly #waiting = new Set<(error: Error) => void>();
  #error: Error | undefined;

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** It has ended; whoever waits is told, unless what he waits for came together with the end. */
  tell(error: Error): void {
    const ended = this.#error ?? error;
    this.#error = ended;
    setImmediate(() => {
      for (const reject of this.#waiting) reject(ended);
      this.#waiting.clear();
    });
  }

  /** What becomes of `work`, if that comes before the end. @throws {Error} of the work, or of the end */
  before<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#error !== undefined) {
        work.catch(() => {});
        return reject(this.#error);
      }
      this.#waiting.add(reject);
      const settle = <Value>(tell: (value: Value) => void) => {
        return (value: Value) => {
          this.#waiting.delete(reject);
          tell(value);
        };
      };
      work.then(settle(resolve), settle(reject));
    });
  }
}
