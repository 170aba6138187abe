/**
 * A list in order of arrival from whose middle and front items leave at once.
 *
 * `Map` and `Set` keep the order too, but walk over everything that was deleted in front of the first item each time
 * it is asked for, which a churn of many addresses turns into microseconds. An item stands in one list at most.
 */

/** What an item carries for the list that it stands in; both ends are undefined outside one. */
export interface Linked<T> {
  older: T | undefined;
  newer: T | undefined;
}

/** The list. */
export class RecencyList<T extends Linked<T>> {
  #oldest: T | undefined;
  #newest: T | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get oldest(): T | undefined {
    return this.#oldest;
  }

  /** Whether `item` stands in this list. */
  has(item: T): boolean {
    return item.older !== undefined || item === this.#oldest;
  }

  /** Appends an item that stands in no list. */
  push(item: T): void {
    item.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = item;
    else this.#newest.newer = item;
    this.#newest = item;
    this.#size += 1;
  }

  /** Takes `item` out, if it stands in the list. */
  delete(item: T): void {
    if (!this.has(item)) return;
    if (item.older === undefined) this.#oldest = item.newer;
    else item.older.newer = item.newer;
    if (item.newer === undefined) this.#newest = item.older;
    else item.newer.older = item.older;
    item.older = undefined;
    item.newer = undefined;
    this.#size -= 1;
  }
}
