/** The queues of all projects: what is sent to them, who consumes them, and how much they hold. */
import type { DataQuotas } from "../core/binding.ts";
import type { Clock } from "../core/clock.ts";
import { IsopodError } from "../core/errors.ts";
import type {
  MessageOutcome,
  OutgoingMessage,
  QueueMessage,
  QueueSender,
  QueueView,
  TriggerObserver,
} from "../core/triggers.ts";
import type { Deliver, PlacedConsumer } from "./batch_call.ts";
import type { ConsumerOptions } from "./consumer.ts";
import { Consumers } from "./consumers.ts";
import { TRIGGER_LIMITS } from "./limits.ts";
import { bytesOf, type Messages, type StoredMessage } from "./messages.ts";
import { QueueCounts } from "./queue_counts.ts";
import { QueueSweep } from "./queue_sweep.ts";
import { checkSend } from "./send_checks.ts";

/** What queues take. */
export interface QueuesOptions {
  readonly messages: Messages;
  readonly clock: Clock;
  readonly deliver: Deliver;
  readonly quotas: DataQuotas;
  readonly observer: TriggerObserver;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** The queues. */
export class Queues implements QueueSender {
  readonly #options: QueuesOptions;
  readonly #consumers: Consumers;
  readonly #counts: QueueCounts;
  readonly #sweep: QueueSweep;

  constructor(options: QueuesOptions) {
    this.#options = options;
    this.#consumers = new Consumers({ optionsFor: (rule) => this.#consumerOptions(rule), report: options.report });
    this.#counts = new QueueCounts(options.messages, options.clock);
    this.#sweep = new QueueSweep({
      ...options,
      isConsumed: (project, queue) => this.#consumers.of(project, queue) !== undefined,
      drop: (project, queue, message) => this.#takeOut(project, queue, message, undefined, "expired"),
    });
  }

  /** Delivers to these consumers from now on; those that are none any more finish what they have. */
  async replace(consumers: readonly PlacedConsumer[], drainMs: number): Promise<void> {
    await this.#consumers.replace(consumers, drainMs);
  }

  /** Delivers to this consumer until its queue is empty. */
  consumeWhileFilled(rule: PlacedConsumer): void {
    this.#consumers.whileFilled(rule);
  }

  async send(project: string, queue: string, messages: readonly OutgoingMessage[]): Promise<string[]> {
    checkSend(messages);
    return this.put(project, queue, messages);
  }

  /** Puts messages in that the server itself has bounded. @throws {IsopodError} `quota_exceeded` */
  async put(project: string, queue: string, messages: readonly OutgoingMessage[]): Promise<string[]> {
    const { clock, quotas, observer } = this.#options;
    const bytes = messages.reduce((sum, { body }) => sum + bytesOf(body), 0);
    const value = quotas.bytesMax("queue", project);
    const asked = { project, queue, messages: messages.length, bytes };
    // What other servers have taken out may make room.
    const room =
      (await this.#counts.take(asked, value)) ?? (await this.#counts.take(asked, value, TRIGGER_LIMITS.countAgeMsMax));
    if (room === undefined) {
      throw new IsopodError("quota_exceeded", {
        message: `Cannot send: the project may keep ${value} bytes in queues (queueBytesMax), and this would be more`,
        limit: { name: "queueBytesMax", value },
      });
    }
    const now = clock.wallNow();
    try {
      const ids = await Promise.all(messages.map((each) => this.#options.messages.add(project, queue, each, now)));
      const sent = ids.map((id, at) => ({ id, visibleAt: now + (messages[at]?.delayMs ?? 0) }));
      this.#consumers.of(project, queue)?.sent(sent);
      observer.messages(`${project}/${queue}`, "sent", messages.length);
      return ids;
    } catch (error) {
      this.#counts.forget(project);
      throw error;
    } finally {
      room.settled();
    }
  }

  async views(project: string): Promise<QueueView[]> {
    const counts = await this.#counts.of(project, TRIGGER_LIMITS.countAgeMsMax);
    const consumed = this.#consumers.ofProject(project);
    const names = new Set([...consumed.map(({ rule }) => rule.queue), ...counts.keys()]);
    return await Promise.all(
      [...names].sort().map(async (name) => {
        const [oldest] = await this.#options.messages.list(project, name, undefined, 1);
        const consumer = this.#consumers.of(project, name);
        return {
          ...{ name, messages: counts.get(name)?.messages ?? 0, bytes: counts.get(name)?.bytes ?? 0 },
          ...{ inFlight: consumer?.inFlight ?? 0, oldestAt: oldest?.sentAt },
          ...{ consumer: consumer?.rule.functionName, deadLetter: consumer?.rule.deadLetter },
        };
      }),
    );
  }

  /** How many messages wait in each queue that has been counted. */
  depths(): readonly { readonly queue: string; readonly messages: number }[] {
    return this.#counts.all();
  }

  async peek(project: string, queue: string, limit: number): Promise<QueueMessage[]> {
    const found = await this.#options.messages.list(project, queue, undefined, limit);
    return found.map(({ revision: _revision, bytes: _bytes, ...message }) => message);
  }

  /**
   * Removes all messages of a queue, or hands those that are not being delivered on to another; how many.
   * @throws {IsopodError} `bad_request` for the queue itself, `not_found` where `to` is a queue of nobody
   */
  async empty(project: string, queue: string, to: string | undefined): Promise<number> {
    if (to === queue) {
      throw new IsopodError("bad_request", { message: `Cannot move messages: "${queue}" is where they are already` });
    }
    if (to !== undefined) await this.#checkKnown(project, to);
    let count = 0;
    for await (const page of this.#options.messages.pages(project, queue)) {
      const consumer = this.#consumers.of(project, queue);
      const free = page.filter(({ id }) => to === undefined || consumer?.holds(id) !== true);
      const gone = await Promise.all(free.map((message) => this.#takeOut(project, queue, message, to)));
      count += gone.filter((isGone) => isGone).length;
    }
    return count;
  }

  /** Messages that nobody takes are dropped after some days: a mistyped name must not cost them. */
  async #checkKnown(project: string, queue: string): Promise<void> {
    if (this.#consumers.of(project, queue) !== undefined) return;
    if ((await this.#options.messages.list(project, queue, undefined, 1)).length > 0) return;
    throw new IsopodError("not_found", {
      message: `There is no queue "${queue}": no function takes its messages, and it holds none.`,
    });
  }

  async removeProject(project: string): Promise<void> {
    for (const name of await this.#options.messages.names(project)) {
      for await (const page of this.#options.messages.pages(project, name)) {
        await Promise.all(page.map((message) => this.#takeOut(project, name, message, undefined)));
      }
    }
    this.#counts.forget(project);
  }

  async close(drainMs: number): Promise<void> {
    await Promise.all([this.#sweep.close(), this.#consumers.close(drainMs)]);
  }

  #consumerOptions({ project, queue }: PlacedConsumer): ConsumerOptions {
    return {
      ...this.#options,
      left: ({ bytes }: StoredMessage) => this.#counts.add(project, queue, -1, -bytes),
      hand: (message: StoredMessage, to: string) => this.#hand(project, message, to),
    };
  }

  async #takeOut(
    project: string,
    queue: string,
    message: StoredMessage,
    to: string | undefined,
    outcome: MessageOutcome = "removed",
  ): Promise<boolean> {
    if (to !== undefined) await this.#hand(project, message, to);
    if (!(await this.#options.messages.remove(project, queue, message))) return false;
    this.#counts.add(project, queue, -1, -message.bytes);
    this.#options.observer.messages(`${project}/${queue}`, outcome, 1);
    return true;
  }

  async #hand(project: string, message: StoredMessage, to: string): Promise<void> {
    const now = this.#options.clock.wallNow();
    // It keeps its id: who tries again after a crash does not make two of it.
    if (!(await this.#options.messages.move(project, to, message, now))) return;
    this.#counts.add(project, to, 1, message.bytes);
    this.#consumers.of(project, to)?.sent([{ id: message.id, visibleAt: now }]);
  }
}
