/**
 * A first-in, first-out queue that refuses instead of growing.
 *
 * `push` says whether there was room; the caller decides what a refusal means. Removal from the middle
 * (`delete`) exists because waiting callers hang up.
 */
export class BoundedQueue<T> {
  readonly capacity: number;
  #items = new Set<T>();

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.#items.size;
  }

  /** Appends `item`; false when the queue is full. An item stands in a queue at most once. */
  push(item: T): boolean {
    if (this.#items.size >= this.capacity) return false;
    this.#items.add(item);
    return true;
  }

  /** Takes the oldest item out, or undefined when the queue is empty. */
  shift(): T | undefined {
    for (const item of this.#items) {
      this.#items.delete(item);
      return item;
    }
    return undefined;
  }

  /** Removes `item` wherever it stands; false when it was not there. */
  delete(item: T): boolean {
    return this.#items.delete(item);
  }
}
