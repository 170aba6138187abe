/** How far a watch has come, and who waits for it to come further: "a deploy is visible to the next request". */
import type { Clock } from "../../core/clock.ts";
import { IsopodError } from "../../core/errors.ts";

/** How long a change may take to come back over the watch. */
const REACH_MS_MAX = 10_000;

/** The revision that has been reached. */
export class ReachedRevision {
  readonly #clock: Clock;
  readonly #waiting = new Set<{ readonly revision: number; resolve(): void }>();
  #revision = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The revision up to which everything is known. */
  get revision(): number {
    return this.#revision;
  }

  /** Everything up to `revision` is known now. */
  advance(revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
    for (const waiter of this.#waiting) {
      if (waiter.revision > this.#revision) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
  }

  /** Resolves when `revision` is reached. @throws {IsopodError} `store_unavailable` when that takes too long */
  wait(revision: number): Promise<void> {
    if (this.#revision >= revision) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const waiter = {
        revision,
        resolve: () => {
          cancel();
          resolve();
        },
      };
      const cancel = this.#clock.after(REACH_MS_MAX, () => {
        this.#waiting.delete(waiter);
        reject(new IsopodError("store_unavailable", { cause: `revision ${revision} did not come back` }));
      });
      this.#waiting.add(waiter);
    });
  }
}
