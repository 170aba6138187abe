/**
 * Which messages of a queue are delivered next. Of those that were seen in the store the soonest are kept here, by id and
 * time alone and a bounded number; what has no room is read again when its time comes.
 *
 * The store is read in the order in which messages were sent, a page at a time, and no further than is needed: a long
 * queue is not read to its end to deliver its first messages.
 */
import { TRIGGER_LIMITS } from "./limits.ts";
import type { StoredMessage } from "./messages.ts";

/** What a window takes. */
export interface MessageWindowOptions {
  /** Messages behind an id, in their order. */
  list(after: string | undefined, limit: number): Promise<readonly StoredMessage[]>;
  /** Whether a message is in somebody's hands. */
  isHeld(id: string): boolean;
}

interface Entry {
  readonly id: string;
  readonly visibleAt: number;
}

/** The window. */
export class MessageWindow {
  readonly #options: MessageWindowOptions;
  /** The soonest first. */
  readonly #entries: Entry[] = [];
  readonly #times = new Map<string, number>();
  /** When the soonest is due of those that had no room. */
  #horizon = Number.POSITIVE_INFINITY;
  #isReading = true;
  /** As far as the queue has been read. */
  #cursor: string | undefined;
  /** Something came in behind the cursor, which the page that is read just now may lack. */
  #isBehind = false;

  constructor(options: MessageWindowOptions) {
    this.#options = options;
  }

  /** When somebody has to look again: the time of the soonest. */
  get soonestAt(): number {
    return Math.min(this.#entries[0]?.visibleAt ?? Number.POSITIVE_INFINITY, this.#horizon);
  }

  /** Whether the queue has been read to its end. */
  get isRead(): boolean {
    return !this.#isReading;
  }

  /** Whether there is nothing to deliver, now or later. */
  get isEmpty(): boolean {
    return this.isRead && this.soonestAt === Number.POSITIVE_INFINITY;
  }

  /** How many can be delivered at `now`, up to `count`. */
  ready(now: number, count: number): number {
    let found = 0;
    while (found < count && (this.#entries[found]?.visibleAt ?? Number.POSITIVE_INFINITY) <= now) found += 1;
    return found;
  }

  /** Reads the queue from its beginning, for what others have put into it. */
  readAgain(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    this.#cursor = undefined;
    this.#horizon = Number.POSITIVE_INFINITY;
  }

  /** A message was sent. */
  sent(id: string, visibleAt: number): void {
    if (!this.#isReading || (this.#cursor !== undefined && id <= this.#cursor)) this.put(id, visibleAt);
    else this.#isBehind = true;
  }

  /** A message can be delivered from a moment on. */
  put(id: string, visibleAt: number): void {
    this.#drop(id);
    this.#entries.splice(this.#indexOf(visibleAt, id), 0, { id, visibleAt });
    this.#times.set(id, visibleAt);
    if (this.#entries.length <= TRIGGER_LIMITS.windowMax) return;
    const last = this.#entries.pop() as Entry;
    this.#times.delete(last.id);
    this.#horizon = Math.min(this.#horizon, last.visibleAt);
  }

  /** The soonest `count`, which are in the window no more. */
  take(count: number): string[] {
    const taken = this.#entries.splice(0, count).map(({ id }) => id);
    for (const id of taken) this.#times.delete(id);
    return taken;
  }

  /** Reads on until so many can be delivered, or the queue's end. */
  async fill(now: number, count: number): Promise<void> {
    if (this.#horizon <= now) this.readAgain();
    while (this.#isReading && this.ready(now, count) < count) {
      this.#isBehind = false;
      const page = await this.#options.list(this.#cursor, TRIGGER_LIMITS.pageMax);
      for (const { id, visibleAt } of page) if (!this.#options.isHeld(id)) this.put(id, visibleAt);
      this.#cursor = page.at(-1)?.id ?? this.#cursor;
      if (page.length === 0 && !this.#isBehind) this.#isReading = false;
      // Other queues, and requests, have their turn between two pages.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  #drop(id: string): void {
    const visibleAt = this.#times.get(id);
    if (visibleAt === undefined) return;
    this.#times.delete(id);
    this.#entries.splice(this.#indexOf(visibleAt, id), 1);
  }

  /** Where a message stands, or would. */
  #indexOf(visibleAt: number, id: string): number {
    let [from, to] = [0, this.#entries.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      const entry = this.#entries[middle] as Entry;
      if (entry.visibleAt < visibleAt || (entry.visibleAt === visibleAt && entry.id < id)) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
