/**
 * Things of several owners in one room of so many bytes: those that nobody used longest leave first. Where there is no
 * more room, the owner that has most of it makes room, so that none can push another out.
 */
import { type Linked, RecencyList } from "./recency_list.ts";

/** Something that takes room. */
export interface Sharer<T> extends Linked<T> {
  readonly owner: string;
  readonly bytes: number;
}

interface Share<T extends Sharer<T>> {
  readonly list: RecencyList<T>;
  bytes: number;
}

/** The room. */
export class ShareList<T extends Sharer<T>> {
  readonly #bytesMax: number;
  readonly #left: (item: T) => void;
  readonly #shares = new Map<string, Share<T>>();
  #bytes = 0;

  /** @param left is told of each item that is there no more, removed or pushed out */
  constructor(bytesMax: number, left: (item: T) => void) {
    this.#bytesMax = bytesMax;
    this.#left = left;
  }

  /** Bytes that are taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes that an owner takes. */
  bytesOf(owner: string): number {
    return this.#shares.get(owner)?.bytes ?? 0;
  }

  /** Takes an item in; others leave for it. */
  add(item: T): void {
    const share = this.#shares.get(item.owner) ?? { list: new RecencyList<T>(), bytes: 0 };
    this.#shares.set(item.owner, share);
    share.list.push(item);
    share.bytes += item.bytes;
    this.#bytes += item.bytes;
    while (this.#bytes > this.#bytesMax) this.remove(this.#largest().list.oldest as T);
  }

  /** It was used: the others of its owner leave before it. */
  used(item: T): void {
    const share = this.#shares.get(item.owner);
    if (share === undefined || share.list.size < 2 || !share.list.has(item)) return;
    share.list.delete(item);
    share.list.push(item);
  }

  remove(item: T): void {
    const share = this.#shares.get(item.owner);
    if (share === undefined || !share.list.has(item)) return;
    share.list.delete(item);
    share.bytes -= item.bytes;
    this.#bytes -= item.bytes;
    if (share.list.size === 0) this.#shares.delete(item.owner);
    this.#left(item);
  }

  /** The item of an owner that was used longest ago. */
  oldest(owner: string): T | undefined {
    return this.#shares.get(owner)?.list.oldest;
  }

  /** The items of an owner; each may be removed on the way. */
  *of(owner: string): Generator<T> {
    for (let item = this.oldest(owner); item !== undefined; ) {
      const next: T | undefined = item.newer;
      yield item;
      item = next;
    }
  }

  #largest(): Share<T> {
    let largest: Share<T> | undefined;
    for (const share of this.#shares.values()) if (share.bytes > (largest?.bytes ?? -1)) largest = share;
    return largest as Share<T>;
  }
}
