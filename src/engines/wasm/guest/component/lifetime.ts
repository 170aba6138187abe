/** How long an invocation of a component lasts, and what ends with it: every wait, every request that it made. */

/** What a function of WASI gives back as an error: jco hands `payload` to the component. */
export class Failure {
  readonly payload: unknown;

  constructor(payload: unknown) {
    this.payload = payload;
  }
}

/** A component has done what no correct one does; it ends as by a trap. */
export class ComponentTrap extends Error {
  override name = "ComponentTrap";
}

/** The lifetime of one invocation. */
export class Lifetime {
  readonly #ending = new AbortController();
  readonly #waiting = new Set<(reason: unknown) => void>();

  /** Fires at the end. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** What `promise` gives; rejects when the invocation ends before. */
  wait<T>(promise: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#ending.signal.aborted) return reject(this.#ending.signal.reason);
      this.#waiting.add(reject);
      promise.then(resolve, reject).finally(() => this.#waiting.delete(reject));
    });
  }

  /** Ends it: who waits is told so, and its stack unwinds. */
  end(reason: unknown): void {
    this.#ending.abort(reason);
    for (const reject of this.#waiting) reject(reason);
    this.#waiting.clear();
  }
}
