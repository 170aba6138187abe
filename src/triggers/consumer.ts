/**
 * Delivers the messages of one queue to the function that consumes it: in batches, a few at a time. What becomes of each
 * message afterwards is `settling.ts`'s to do.
 *
 * Who delivers a message claims it first; two servers, or a server and what is left of one that died, never settle the
 * same delivery.
 */
import type { Clock } from "../core/clock.ts";
import type { TriggerObserver } from "../core/triggers.ts";
import type { BatchCall, Deliver, PlacedConsumer } from "./batch_call.ts";
import { TRIGGER_LIMITS } from "./limits.ts";
import { MessageWindow } from "./message_window.ts";
import type { Messages, StoredMessage } from "./messages.ts";
import { Settling } from "./settling.ts";

/** What consuming takes. */
export interface ConsumerOptions {
  readonly messages: Messages;
  readonly clock: Clock;
  readonly deliver: Deliver;
  readonly observer: TriggerObserver;
  /** Hears that the queue is empty and nothing of it is under way. */
  empty?(): void;
  /** A message has left the queue for good. */
  left(message: StoredMessage): void;
  /** Puts a message into another queue of the project. */
  hand(message: StoredMessage, to: string): Promise<void>;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** The consumer of one queue. */
export class Consumer {
  #rule: PlacedConsumer;
  readonly #options: ConsumerOptions;
  readonly #settling: Settling;
  readonly #call: Omit<BatchCall, "rule">;
  readonly #window: MessageWindow;
  readonly #batches = new Set<Promise<void>>();
  readonly #ender = new AbortController();
  /** What is being delivered here. */
  readonly #held = new Set<string>();
  #cancel: () => void = () => {};
  #looking: Promise<void> | undefined;
  #again = false;
  #closed = false;
  #pollAt = 0;

  constructor(rule: PlacedConsumer, options: ConsumerOptions) {
    this.#rule = rule;
    this.#options = options;
    this.#window = new MessageWindow({
      list: (after, limit) => options.messages.list(this.rule.project, this.rule.queue, after, limit),
      isHeld: (id) => this.#held.has(id),
    });
    const report = (message: string, more: Readonly<Record<string, unknown>>) => this.#report(message, more);
    this.#settling = new Settling({
      ...options,
      ...{ rule: () => this.rule, put: (id, at) => this.#window.put(id, at), report },
    });
    this.#call = { signal: this.#ender.signal, report };
    this.#wake();
  }

  get rule(): PlacedConsumer {
    return this.#rule;
  }

  set rule(rule: PlacedConsumer) {
    this.#rule = rule;
    this.#wake();
  }

  /** How many messages the function has in its hands. */
  get inFlight(): number {
    return this.#held.size;
  }

  /** Whether a message is being delivered. */
  holds(id: string): boolean {
    return this.#held.has(id);
  }

  /** Messages were sent, and can be delivered from these moments on. */
  sent(messages: readonly { readonly id: string; readonly visibleAt: number }[]): void {
    for (const { id, visibleAt } of messages) this.#window.sent(id, visibleAt);
    this.#wake();
  }

  /** Takes no more, and lets what is under way go on for up to `drainMs`; what is not done then is given back. */
  async close(drainMs: number): Promise<void> {
    this.#closed = true;
    this.#cancel();
    const end = this.#options.clock.after(drainMs, () => this.#ender.abort());
    if (drainMs === 0) this.#ender.abort();
    await this.#looking;
    await Promise.all(this.#batches);
    end();
  }

  /** There may be something to deliver. */
  #wake(): void {
    if (this.#closed) return;
    this.#again = true;
    this.#looking ??= this.#lookAll().finally(() => {
      this.#looking = undefined;
    });
  }

  async #lookAll(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false;
      try {
        await this.#look();
      } catch (error) {
        this.#report("A queue cannot be read", { cause: String(error) });
        this.#wakeIn(TRIGGER_LIMITS.pollMs);
      }
    }
  }

  /** Takes what can be delivered now, and says when to look again. */
  async #look(): Promise<void> {
    const { batchSize, batchWaitMs, concurrency } = this.rule;
    if (this.#batches.size >= concurrency) return;
    await this.#read(batchSize);
    const now = this.#options.clock.wallNow();
    const ready = this.#window.ready(now, batchSize);
    if (this.#window.isEmpty && this.#held.size === 0) this.#options.empty?.();
    if (ready === 0 || this.#closed) return this.#wakeAt(this.#window.soonestAt);
    const waitsUntil = this.#window.soonestAt + batchWaitMs;
    if (ready < batchSize && waitsUntil > now) return this.#wakeAt(waitsUntil);
    const ids = this.#window.take(ready);
    for (const id of ids) this.#held.add(id);
    const batch = this.#deliver(ids).finally(() => {
      this.#batches.delete(batch);
      this.#wake();
    });
    this.#batches.add(batch);
    this.#again = true;
  }

  /** Reads what it takes to deliver a batch; from time to time all of it, for what other servers have sent. */
  async #read(count: number): Promise<void> {
    const { clock } = this.#options;
    const since = clock.now();
    if (since >= this.#pollAt) this.#window.readAgain();
    await this.#window.fill(clock.wallNow(), count);
    if (since < this.#pollAt || !this.#window.isRead) return;
    const { pollMs, pollShare } = TRIGGER_LIMITS;
    this.#pollAt = clock.now() + Math.max(pollMs, pollShare * (clock.now() - since));
  }

  async #deliver(ids: readonly string[]): Promise<void> {
    try {
      const batch = await this.#claim(ids);
      if (batch.length > 0)
        await this.#settling.settle(batch, await this.#options.deliver({ ...this.#call, rule: this.rule }, batch));
    } catch (error) {
      this.#report("Messages cannot be settled; they are delivered again", { cause: String(error) });
      // When their leases are over; whoever reads the queue again sees so.
      this.#pollAt = 0;
    } finally {
      for (const id of ids) this.#held.delete(id);
    }
  }

  /** Has messages to itself: those that are still there, not too old, and not too many bytes together. */
  async #claim(ids: readonly string[]): Promise<StoredMessage[]> {
    const { messages, clock } = this.#options;
    const { project, queue, wallMs } = this.rule;
    const now = clock.wallNow();
    const until = now + wallMs + TRIGGER_LIMITS.leaseSlackMs;
    let bytes = 0;
    const claims = ids.map(async (id) => {
      const message = await messages.get(project, queue, id);
      if (message === undefined || (await this.#settling.hasEnded(message, now))) return undefined;
      const isTooMuch = bytes > 0 && bytes + message.bytes > TRIGGER_LIMITS.batchBytesMax;
      if (message.visibleAt > now || isTooMuch) return void this.#window.put(id, message.visibleAt);
      bytes += message.bytes;
      return await messages.claim(project, queue, message, until);
    });
    return (await Promise.all(claims)).filter((claim) => claim !== undefined);
  }

  #wakeAt(wallAt: number): void {
    const { clock } = this.#options;
    this.#wakeIn(Math.min(wallAt - clock.wallNow(), Math.max(0, this.#pollAt - clock.now())));
  }

  #wakeIn(ms: number): void {
    this.#cancel();
    if (!this.#closed) this.#cancel = this.#options.clock.after(Math.max(1, ms), () => this.#wake());
  }

  #report(message: string, more: Readonly<Record<string, unknown>>): void {
    const { project, functionName, queue } = this.rule;
    this.#options.report(message, { project, function: functionName, queue, ...more });
  }
}
