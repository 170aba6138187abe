/** What becomes of messages after a delivery: they are done, are tried again later, or go to the dead letters. */
import type { Clock } from "../core/clock.ts";
import type { MessageOutcome, TriggerObserver } from "../core/triggers.ts";
import type { Delivered, PlacedConsumer, Verdicts } from "./batch_call.ts";
import { TRIGGER_LIMITS } from "./limits.ts";
import type { Messages, StoredMessage } from "./messages.ts";

/** What settling takes. */
export interface SettlingOptions {
  readonly messages: Messages;
  readonly clock: Clock;
  readonly observer: TriggerObserver;
  rule(): PlacedConsumer;
  /** A message can be delivered again from a moment on. */
  put(id: string, visibleAt: number): void;
  /** A message has left the queue for good. */
  left(message: StoredMessage): void;
  /** Puts a message into another queue of the project. */
  hand(message: StoredMessage, to: string): Promise<void>;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** Settles the messages of one queue. */
export class Settling {
  readonly #options: SettlingOptions;

  constructor(options: SettlingOptions) {
    this.#options = options;
  }

  /** Settles what was delivered. */
  async settle(batch: readonly StoredMessage[], delivered: Delivered): Promise<void> {
    const settleOne = (message: StoredMessage): Promise<void> => {
      if (delivered === "failed") return this.#settleOne(message, {});
      if ("verdicts" in delivered) return this.#settleOne(message, delivered.verdicts);
      // As if it had not been delivered.
      return this.#giveBack({ ...message, attempts: message.attempts - 1 }, delivered.postponedMs);
    };
    await Promise.all(batch.map(settleOne));
  }

  /** Whether a message is not to be delivered any more; it is gone then. */
  async hasEnded(message: StoredMessage, now: number): Promise<boolean> {
    const { report } = this.#options;
    const { id } = message;
    if (message.visibleAt > now) return false;
    if (now - message.sentAt > TRIGGER_LIMITS.retentionMs) {
      if (await this.#remove(message, "expired")) report("A message is too old and was dropped", { id });
      return true;
    }
    // Its last delivery has ended with the server, and nobody was there to say so.
    if (message.attempts <= this.#options.rule().retries) return false;
    await this.#bury(message);
    return true;
  }

  async #settleOne(message: StoredMessage, said: Verdicts): Promise<void> {
    const { retries, retryDelayMs } = this.#options.rule();
    const verdict = Object.hasOwn(said, message.id) ? said[message.id] : null;
    if (verdict === "ack") return void (await this.#remove(message, "done"));
    if (message.attempts > retries) return await this.#bury(message);
    const isAsked = typeof verdict === "number" && verdict >= 0;
    const waitMs = isAsked ? verdict * 1000 : retryDelayMs * 2 ** (message.attempts - 1);
    await this.#giveBack(message, Math.min(TRIGGER_LIMITS.delayMsMax, waitMs));
    this.#count("retried");
  }

  async #giveBack(message: StoredMessage, waitMs: number): Promise<void> {
    const { messages, clock, put, rule } = this.#options;
    const { project, queue } = rule();
    const visibleAt = clock.wallNow() + waitMs;
    if (await messages.giveBack(project, queue, message, visibleAt)) put(message.id, visibleAt);
  }

  /** To the dead letters, or nowhere. */
  async #bury(message: StoredMessage): Promise<void> {
    const { hand, report, rule } = this.#options;
    const { deadLetter } = rule();
    if (deadLetter !== undefined) await hand(message, deadLetter);
    if (!(await this.#remove(message, deadLetter === undefined ? "dropped" : "dead"))) return;
    const { id, attempts } = message;
    report("A message has failed for the last time", { id, attempts, deadLetter });
  }

  async #remove(message: StoredMessage, outcome: MessageOutcome): Promise<boolean> {
    const { messages, left, rule } = this.#options;
    const { project, queue } = rule();
    const isRemoved = await messages.remove(project, queue, message);
    if (isRemoved) {
      left(message);
      this.#count(outcome);
    }
    return isRemoved;
  }

  #count(outcome: MessageOutcome): void {
    const { project, queue } = this.#options.rule();
    this.#options.observer.messages(`${project}/${queue}`, outcome, 1);
  }
}
