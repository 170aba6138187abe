/**
 * Things of several owners in one room of so many bytes: those that nobody used longest leave first. Where there is no
 * more room, the owner that takes most of it makes room, so that none can push another out.
 *
 * What is still arriving takes room as it grows, and gives it back when there is nothing else to push out.
 */
import { type Linked, RecencyList } from "./recency_list.ts";

/** Something that takes room. */
export interface Sharer<T> extends Linked<T> {
  readonly owner: string;
  readonly bytes: number;
}

/** Room for something whose size is not known yet. */
export interface Reservation {
  /** Takes `bytes` more; false when the room was lost, now or before. */
  grow(bytes: number): boolean;
  /** Gives it back. */
  end(): void;
}

interface Held {
  bytes: number;
  lost(): void;
}

interface Share<T extends Sharer<T>> {
  readonly list: RecencyList<T>;
  readonly held: Set<Held>;
  bytes: number;
}

/** The bounds of a room. */
export interface RoomSize {
  readonly bytesMax: number;
  /** Of one owner; all of it when left out. */
  readonly ownerBytesMax?: number;
}

/** The room. */
export class ShareList<T extends Sharer<T>> {
  readonly #bytesMax: number;
  readonly #ownerBytesMax: number;
  readonly #left: (item: T) => void;
  readonly #shares = new Map<string, Share<T>>();
  #bytes = 0;

  /** @param left is told of each item that is there no more, removed or pushed out */
  constructor({ bytesMax, ownerBytesMax = bytesMax }: RoomSize, left: (item: T) => void) {
    this.#bytesMax = bytesMax;
    this.#ownerBytesMax = ownerBytesMax;
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

  /** Takes an item in; others leave for it, or it leaves at once where it is larger than the room. */
  add(item: T): void {
    const share = this.#shareOf(item.owner);
    share.list.push(item);
    this.#take(share, item.bytes);
  }

  /** Room for what is still arriving; `lost` is told, at most once, that it was taken away again. */
  reserve(owner: string, lost: () => void): Reservation {
    const share = this.#shareOf(owner);
    const held: Held = { bytes: 0, lost };
    share.held.add(held);
    return {
      grow: (bytes) => {
        if (!share.held.has(held)) return false;
        held.bytes += bytes;
        this.#take(share, bytes);
        return share.held.has(held);
      },
      end: () => this.#giveUp(owner, share, share.held.delete(held) ? held.bytes : 0),
    };
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
    this.#giveUp(item.owner, share, item.bytes);
    this.#left(item);
  }

  /** The items of an owner; each may be removed on the way. */
  *of(owner: string): Generator<T> {
    for (let item = this.#shares.get(owner)?.list.oldest; item !== undefined; ) {
      const next: T | undefined = item.newer;
      yield item;
      item = next;
    }
  }

  #shareOf(owner: string): Share<T> {
    let share = this.#shares.get(owner);
    if (share === undefined) {
      share = { list: new RecencyList<T>(), held: new Set(), bytes: 0 };
      this.#shares.set(owner, share);
    }
    return share;
  }

  #take(share: Share<T>, bytes: number): void {
    share.bytes += bytes;
    this.#bytes += bytes;
    while (share.bytes > this.#ownerBytesMax) this.#makeRoom(share);
    while (this.#bytes > this.#bytesMax) this.#makeRoom(this.#largest());
  }

  /** What is there already leaves before what is still arriving. */
  #makeRoom(share: Share<T>): void {
    const { oldest } = share.list;
    if (oldest !== undefined) return this.remove(oldest);
    let first: Held | undefined;
    for (const held of share.held) if (held.bytes > (first?.bytes ?? 0)) first = held;
    if (first === undefined) throw new Error("Cannot make room: bytes are counted that nothing takes");
    share.held.delete(first);
    share.bytes -= first.bytes;
    this.#bytes -= first.bytes;
    first.lost();
  }

  #giveUp(owner: string, share: Share<T>, bytes: number): void {
    share.bytes -= bytes;
    this.#bytes -= bytes;
    if (share.list.size + share.held.size === 0 && this.#shares.get(owner) === share) this.#shares.delete(owner);
  }

  #largest(): Share<T> {
    let largest: Share<T> | undefined;
    for (const share of this.#shares.values()) if (share.bytes > (largest?.bytes ?? -1)) largest = share;
    return largest as Share<T>;
  }
}
