/**
 * User ids for sandboxes, when the server is root: one for each that bubblewrap makes, a zygote's or a build's.
 *
 * Two of those never share a uid, so that limits which the kernel counts by uid, and signals, stay apart. What one
 * zygote forks has its uid, and is kept apart by namespaces of users and processes of its own; so is everything of a
 * server that is not root and has its own uid only.
 */

/** A range of user ids that nothing else on the machine uses. */
export interface UidRange {
  readonly first: number;
  readonly count: number;
}

/** The range when the configuration names none. */
export const DEFAULT_UIDS: UidRange = { first: 1_879_048_192, count: 4096 };

/** Hands out the ids of a range; the one that has been free for longest comes first. */
export class UidPool {
  readonly #free: number[];
  #next = 0;
  readonly #range: UidRange;

  constructor(range: UidRange) {
    if (range.first < 1000 || range.count < 1) {
      throw new Error(`Cannot use uids from ${range.first}: sandboxes need a range above 1000, never uid 0`);
    }
    this.#range = range;
    this.#free = [];
  }

  /** Takes an id. @throws {Error} when all are in use */
  take(): number {
    if (this.#next < this.#range.count) return this.#range.first + this.#next++;
    const uid = this.#free.shift();
    if (uid === undefined) throw new Error(`Cannot start a sandbox: all ${this.#range.count} uids are in use`);
    return uid;
  }

  /** Gives an id back, once nothing runs under it. */
  give(uid: number): void {
    this.#free.push(uid);
  }
}
