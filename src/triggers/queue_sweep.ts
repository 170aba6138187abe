/** From time to time drops what is too old where nobody comes to messages, such as dead letters. */
import type { Clock } from "../core/clock.ts";
import { TRIGGER_LIMITS } from "./limits.ts";
import type { Messages, StoredMessage } from "./messages.ts";

/** What sweeping takes. */
export interface QueueSweepOptions {
  readonly messages: Messages;
  readonly clock: Clock;
  /** Consumers drop what is too old themselves. */
  isConsumed(project: string, queue: string): boolean;
  drop(project: string, queue: string, message: StoredMessage): Promise<boolean>;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** Sweeps until it is closed. */
export class QueueSweep {
  readonly #options: QueueSweepOptions;
  readonly #cancel: () => void;
  #sweeping: Promise<void> | undefined;
  #closed = false;

  constructor(options: QueueSweepOptions) {
    this.#options = options;
    this.#cancel = options.clock.every(TRIGGER_LIMITS.sweepMs, () => {
      this.#sweeping ??= this.#sweep()
        .catch((error) => options.report("Queues cannot be swept", { cause: String(error) }))
        .finally(() => {
          this.#sweeping = undefined;
        });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#sweeping;
  }

  async #sweep(): Promise<void> {
    const { messages, isConsumed } = this.#options;
    for (const project of await messages.projects()) {
      for (const queue of await messages.names(project)) {
        if (!this.#closed && !isConsumed(project, queue)) await this.#sweepOne(project, queue);
      }
    }
  }

  async #sweepOne(project: string, queue: string): Promise<void> {
    const { messages, clock, drop, report } = this.#options;
    let count = 0;
    for await (const page of messages.pages(project, queue)) {
      const before = clock.wallNow() - TRIGGER_LIMITS.retentionMs;
      const old = page.filter(({ sentAt }) => sentAt < before);
      count += old.length;
      await Promise.all(old.map((message) => drop(project, queue, message)));
      // They are in the order in which they were sent.
      if (old.length === 0 || this.#closed) break;
    }
    if (count > 0) report("Messages were too old and were dropped", { project, queue, messages: count });
  }
}
