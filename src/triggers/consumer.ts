/**
 * Delivers the messages of one queue to the function that consumes it: in batches, a few at a time, again with growing
 * delays when it fails, and at last to the dead letters.
 */
import type { Clock } from "../core/clock.ts";
import { toIsopodError } from "../core/errors.ts";
import { type Deliver, type Delivered, fateOf, type PlacedConsumer } from "./batch_call.ts";
import { TRIGGER_LIMITS } from "./limits.ts";
import type { Messages, StoredMessage } from "./messages.ts";

/** What consuming takes. */
export interface ConsumerOptions {
  readonly messages: Messages;
  readonly clock: Clock;
  readonly deliver: Deliver;
  /** Hears that the queue is empty and nothing of it is under way. */
  empty?(): void;
  /** A message has left the queue, for good or to the dead letters. */
  left(project: string, message: StoredMessage, to: string | undefined): Promise<void>;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** The consumer of one queue. */
export class Consumer {
  rule: PlacedConsumer;
  readonly #options: ConsumerOptions;
  readonly #batches = new Set<Promise<void>>();
  readonly #ender = new AbortController();
  /** What is being delivered here; nobody else has it either. */
  readonly #inHand = new Set<string>();
  #cancel: () => void = () => {};
  #looking: Promise<void> | undefined;
  #again = false;
  #closed = false;
  /** Where the next look goes on. */
  #after: string | undefined;

  constructor(rule: PlacedConsumer, options: ConsumerOptions) {
    this.rule = rule;
    this.#options = options;
    this.wake();
  }

  /** There may be something to deliver. */
  wake(): void {
    if (this.#closed) return;
    this.#again = true;
    this.#looking ??= this.#lookAll().finally(() => {
      this.#looking = undefined;
    });
  }

  /** Takes no more. */
  stop(): void {
    this.#closed = true;
    this.#cancel();
  }

  /** Takes no more, and lets what is under way go on for up to `drainMs`. */
  async close(drainMs: number): Promise<void> {
    this.stop();
    const end = this.#options.clock.after(drainMs, () => this.#ender.abort());
    if (drainMs === 0) this.#ender.abort();
    await this.#looking;
    await Promise.all(this.#batches);
    end();
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
    const { ready, soonest } = await this.#ready(batchSize);
    const now = this.#options.clock.wallNow();
    const oldest = ready[0];
    const isEmpty = soonest === Number.POSITIVE_INFINITY && this.#inHand.size === 0 && !this.#again;
    if (oldest === undefined && isEmpty) this.#options.empty?.();
    if (oldest === undefined) return this.#wakeIn(Math.min(TRIGGER_LIMITS.pollMs, soonest - now));
    const waitsUntil = Math.max(oldest.sentAt, oldest.attempts === 0 ? oldest.visibleAt : 0) + batchWaitMs;
    if (ready.length < batchSize && waitsUntil > now) return this.#wakeIn(waitsUntil - now);
    const batch = this.#deliver(ready).finally(() => {
      this.#batches.delete(batch);
      this.wake();
    });
    this.#batches.add(batch);
    this.#again = true;
  }

  /** Messages that can be seen now, from where the last look ended, and once around. */
  async #ready(count: number): Promise<{ readonly ready: StoredMessage[]; readonly soonest: number }> {
    const { messages, clock } = this.#options;
    const { project, queue } = this.rule;
    const ready: StoredMessage[] = [];
    let soonest = Number.POSITIVE_INFINITY;
    const from = this.#after;
    for (let after = from, round = 0; round < 2; ) {
      const page = await messages.list(project, queue, after, Math.min(TRIGGER_LIMITS.scanMax, 4 * count));
      const now = clock.wallNow();
      for (const message of page) {
        if (round === 1 && from !== undefined && message.id > from) return { ready, soonest };
        after = message.id;
        if (this.#inHand.has(message.id)) continue;
        if (now - message.sentAt > TRIGGER_LIMITS.retentionMs) await this.#expire(message);
        else if (message.visibleAt > now) soonest = Math.min(soonest, message.visibleAt);
        else ready.push(message);
        if (ready.length < count) continue;
        this.#after = after;
        return { ready, soonest };
      }
      if (page.length > 0) continue;
      // The end: the rest stands before where this look began.
      this.#after = undefined;
      after = undefined;
      round += from === undefined ? 2 : 1;
    }
    return { ready, soonest };
  }

  async #deliver(found: readonly StoredMessage[]): Promise<void> {
    const { messages, clock } = this.#options;
    const { project, queue, wallMs } = this.rule;
    const until = clock.wallNow() + wallMs + TRIGGER_LIMITS.leaseSlackMs;
    for (const { id } of found) this.#inHand.add(id);
    try {
      const claims = await Promise.all(found.map((message) => messages.claim(project, queue, message, until)));
      const batch = claims.filter((claim) => claim !== undefined);
      if (batch.length === 0) return;
      const delivered = await this.#call(batch);
      await Promise.all(batch.map((message) => this.#settle(message, delivered)));
    } catch (error) {
      this.#report("Messages cannot be settled; they are delivered again", { cause: String(error) });
    } finally {
      for (const { id } of found) this.#inHand.delete(id);
    }
  }

  /** What the function has said of each message; undefined when it failed. */
  async #call(batch: readonly StoredMessage[]): Promise<Delivered | undefined> {
    try {
      const delivered = await this.#options.deliver(this.rule, batch, this.#ender.signal);
      if (delivered.threw) this.#failed({ code: "uncaught_exception", messages: batch.length });
      return delivered;
    } catch (error) {
      const { code, message } = toIsopodError(error);
      this.#failed({ code, reason: message, messages: batch.length });
      return undefined;
    }
  }

  async #settle(message: StoredMessage, delivered: Delivered | undefined): Promise<void> {
    const { messages, clock, left } = this.#options;
    const { project, queue, deadLetter } = this.rule;
    const fate = fateOf(message, delivered, this.rule);
    if (fate === "done") {
      if (await messages.remove(project, queue, message)) await left(project, message, undefined);
    } else if (fate === "dead") {
      const { id, attempts } = message;
      this.#report("A message has failed for the last time", { id, attempts, deadLetter });
      await left(project, message, deadLetter);
      await messages.remove(project, queue, message);
    } else {
      const { attempts, inMs } = fate;
      await messages.giveBack(project, queue, { ...message, attempts }, clock.wallNow() + inMs);
    }
  }

  async #expire(message: StoredMessage): Promise<void> {
    const { project, queue } = this.rule;
    if (!(await this.#options.messages.remove(project, queue, message))) return;
    this.#report("A message is too old and was dropped", { id: message.id });
    await this.#options.left(project, message, undefined);
  }

  #failed(fields: Readonly<Record<string, unknown>>): void {
    this.#report("A batch of messages has failed", fields);
  }

  #wakeIn(ms: number): void {
    this.#cancel();
    if (!this.#closed) this.#cancel = this.#options.clock.after(Math.max(1, ms), () => this.wake());
  }

  #report(message: string, more: Readonly<Record<string, unknown>>): void {
    const { project, functionName, queue } = this.rule;
    this.#options.report(message, { project, function: functionName, queue, ...more });
  }
}
