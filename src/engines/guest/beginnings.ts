/**
 * Begins the invocations that have come together. One that computes holds up those behind it, and would hold up the answers
 * of those before it as well: after some work what has been answered leaves, and the others begin behind that.
 */

/** Work after which answers leave, in milliseconds. */
const WORK_MS = 2;

/** How a guest goes on later. */
export interface BeginningsOptions {
  /** Writes what has been answered. */
  flush(): void;
  /** Calls back in another task. */
  later(callback: () => void): void;
}

/** The invocations that are to begin. */
export class Beginnings {
  readonly #options: BeginningsOptions;
  #waiting: (() => void)[] = [];
  /** Since answers have last left. */
  #workedMs = 0;
  #isPaused = false;

  constructor(options: BeginningsOptions) {
    this.#options = options;
  }

  /** Has `begin` called once all frames of this chunk have been read: a small body is there as a whole then. */
  add(begin: () => void): void {
    queueMicrotask(() => {
      if (this.#isPaused) this.#waiting.push(begin);
      else this.#begin(begin);
    });
  }

  #begin(begin: () => void): void {
    const startedAt = performance.now();
    begin();
    this.#workedMs += performance.now() - startedAt;
    if (this.#workedMs < WORK_MS) return;
    this.#isPaused = true;
    this.#options.later(() => this.#goOn());
  }

  #goOn(): void {
    this.#options.flush();
    this.#workedMs = 0;
    this.#isPaused = false;
    while (!this.#isPaused) {
      const begin = this.#waiting.shift();
      if (begin === undefined) return;
      this.#begin(begin);
    }
  }
}
