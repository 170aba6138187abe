/** Reads a watch step by step, keeps what it has told, and checks what every watch promises. */
import type { Store, StoreEvent, StoreKey } from "../core/store.ts";

/** A watch in the hands of a test. */
export class Follower implements AsyncDisposable {
  /** What the watch says that stands: values by key, in JSON. */
  readonly state = new Map<string, { value: Uint8Array; revision: number }>();
  /** The revision that has been told last, `sync` included: where a later watch may resume. */
  reached: number | undefined;
  resets = 0;
  #iterator: AsyncIterator<StoreEvent>;
  #ending = new AbortController();
  #growing: boolean;

  constructor(store: Store, prefix: StoreKey, from?: number) {
    this.reached = from;
    this.#growing = from !== undefined;
    this.#iterator = store.watch(prefix, { from, signal: this.#ending.signal })[Symbol.asyncIterator]();
  }

  /** The next event; undefined at the watch's end. */
  async next(): Promise<StoreEvent | undefined> {
    const { done, value } = await this.#iterator.next();
    if (done) return undefined;
    this.#take(value as StoreEvent);
    return value as StoreEvent;
  }

  /** Reads up to and with the event that `matches`; returns all that were read. @throws {Error} at the watch's end */
  async until(matches: (event: StoreEvent) => boolean): Promise<StoreEvent[]> {
    const events: StoreEvent[] = [];
    for (;;) {
      const event = await this.next();
      if (event === undefined) throw new Error(`The watch has ended after ${JSON.stringify(events)}`);
      events.push(event);
      if (matches(event)) return events;
    }
  }

  /** Reads up to `sync`; returns the events before it. */
  async untilSync(): Promise<StoreEvent[]> {
    return (await this.until(({ type }) => type === "sync")).slice(0, -1);
  }

  /** Reads up to `revision`, if the watch is not that far yet; returns all that were read. */
  async untilRevision(revision: number): Promise<StoreEvent[]> {
    if (this.reached !== undefined && this.reached >= revision) return [];
    return this.until((event) => event.type !== "reset" && event.revision >= revision);
  }

  /** Ends the watch by its signal. */
  end(): void {
    this.#ending.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
    await this.#iterator.return?.();
  }

  #take(event: StoreEvent): void {
    if (event.type === "reset") {
      this.state.clear();
      this.resets += 1;
      this.#growing = false;
      return;
    }
    const least = (this.reached ?? 0) + (event.type === "sync" ? 0 : 1);
    if (this.#growing && event.revision < least) {
      throw new Error(`A watch told revision ${event.revision} after ${this.reached}`);
    }
    if (event.type === "sync") this.#growing = true;
    if (this.#growing) this.reached = event.revision;
    if (event.type === "put") {
      this.state.set(JSON.stringify(event.key), { value: event.value, revision: event.revision });
    } else if (event.type === "delete") {
      this.state.delete(JSON.stringify(event.key));
    }
  }
}
