/** The queues of all projects: what is sent to them, who consumes them, and how much they hold. */
import type { DataQuotas } from "../core/binding.ts";
import type { Clock } from "../core/clock.ts";
import { IsopodError } from "../core/errors.ts";
import type { OutgoingMessage, QueueMessage, QueueSender, QueueView } from "../core/triggers.ts";
import type { Deliver, PlacedConsumer } from "./batch_call.ts";
import { Consumer } from "./consumer.ts";
import { bytesOf, checkSend, type Messages, type StoredMessage } from "./messages.ts";

/** What queues take. */
export interface QueuesOptions {
  readonly messages: Messages;
  readonly clock: Clock;
  readonly deliver: Deliver;
  readonly quotas: DataQuotas;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** The queues. */
export class Queues implements QueueSender {
  readonly #options: QueuesOptions;
  readonly #consumers = new Map<string, Consumer>();
  /** Bytes by project: counted once, and kept from then on. */
  readonly #bytes = new Map<string, Promise<{ bytes: number }>>();
  #closed = false;

  constructor(options: QueuesOptions) {
    this.#options = options;
  }

  /** Delivers to these consumers from now on. */
  async replace(consumers: readonly PlacedConsumer[], drainMs: number): Promise<void> {
    const wanted = new Map(consumers.map((rule) => [`${rule.project}\n${rule.queue}`, rule]));
    const over: Promise<void>[] = [];
    for (const [key, consumer] of this.#consumers) {
      if (wanted.has(key)) continue;
      this.#consumers.delete(key);
      over.push(consumer.close(drainMs));
    }
    for (const [key, rule] of wanted) {
      const known = this.#consumers.get(key);
      if (known === undefined) this.#consumers.set(key, this.#consumer(rule));
      else known.rule = rule;
    }
    await Promise.all(over);
  }

  /** Delivers to this consumer until its queue is empty. */
  consumeWhileFilled(rule: PlacedConsumer): void {
    if (this.#closed) return;
    const key = `${rule.project}\n${rule.queue}`;
    const known = this.#consumers.get(key);
    if (known !== undefined) {
      known.rule = rule;
      return known.wake();
    }
    const consumer = this.#consumer(rule, () => {
      if (this.#consumers.get(key) === consumer) this.#consumers.delete(key);
      consumer.stop();
    });
    this.#consumers.set(key, consumer);
  }

  #consumer(rule: PlacedConsumer, empty?: () => void): Consumer {
    const { messages, clock, deliver, report } = this.#options;
    const left = (project: string, message: StoredMessage, to: string | undefined) => this.#left(project, message, to);
    return new Consumer(rule, { messages, clock, deliver, left, report, ...(empty && { empty }) });
  }

  async send(project: string, queue: string, messages: readonly OutgoingMessage[]): Promise<string[]> {
    checkSend(messages);
    return this.put(project, queue, messages);
  }

  /** Puts messages in that the server itself has bounded. @throws {IsopodError} `quota_exceeded` */
  async put(project: string, queue: string, messages: readonly OutgoingMessage[]): Promise<string[]> {
    const counted = await this.#counted(project);
    const bytes = messages.reduce((sum, { body }) => sum + bytesOf(body), 0);
    const value = this.#options.quotas.bytesMax("queue", project);
    if (counted.bytes + bytes > value) {
      throw new IsopodError("quota_exceeded", {
        message: `Cannot send: the project may keep ${value} bytes in queues (queueBytesMax), and this would be more`,
        limit: { name: "queueBytesMax", value },
      });
    }
    counted.bytes += bytes;
    const now = this.#options.clock.wallNow();
    try {
      return await Promise.all(messages.map((message) => this.#options.messages.add(project, queue, message, now)));
    } catch (error) {
      this.#bytes.delete(project);
      throw error;
    } finally {
      this.#consumers.get(`${project}\n${queue}`)?.wake();
    }
  }

  async views(project: string): Promise<QueueView[]> {
    const { messages } = this.#options;
    const consumed = [...this.#consumers.values()].filter(({ rule }) => rule.project === project);
    const names = new Set([...consumed.map(({ rule }) => rule.queue), ...(await messages.names(project))]);
    return await Promise.all(
      [...names].sort().map(async (name) => {
        const found = { messages: 0, bytes: 0, oldestAt: undefined as number | undefined };
        for await (const message of messages.all(project, name)) {
          found.messages += 1;
          found.bytes += message.bytes;
          found.oldestAt ??= message.sentAt;
        }
        const consumer = this.#consumers.get(`${project}\n${name}`)?.rule.functionName;
        return { name, ...found, consumer };
      }),
    );
  }

  async peek(project: string, queue: string, limit: number): Promise<QueueMessage[]> {
    const found = await this.#options.messages.list(project, queue, undefined, limit);
    return found.map(({ revision: _revision, bytes: _bytes, ...message }) => message);
  }

  /** Removes all messages of a queue, or hands them on to another; how many. */
  async empty(project: string, queue: string, to: string | undefined): Promise<number> {
    const { messages } = this.#options;
    let count = 0;
    for await (const message of messages.all(project, queue)) {
      if (to !== undefined) await this.#left(project, message, to);
      if (!(await messages.remove(project, queue, message))) continue;
      if (to === undefined) await this.#left(project, message, undefined);
      count += 1;
    }
    return count;
  }

  async removeProject(project: string): Promise<void> {
    for (const name of await this.#options.messages.names(project)) await this.empty(project, name, undefined);
    this.#bytes.delete(project);
  }

  async close(drainMs: number): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#consumers.values()].map((consumer) => consumer.close(drainMs)));
    this.#consumers.clear();
  }

  /** A message leaves its queue: for another one, or for good. */
  async #left(project: string, message: StoredMessage, to: string | undefined): Promise<void> {
    const { type, body, bytes } = message;
    if (to !== undefined) {
      await this.#options.messages.add(project, to, { type, body, delayMs: 0 }, this.#options.clock.wallNow());
      this.#consumers.get(`${project}\n${to}`)?.wake();
      return;
    }
    const counted = await this.#counted(project);
    counted.bytes -= bytes;
  }

  #counted(project: string): Promise<{ bytes: number }> {
    let counting = this.#bytes.get(project);
    if (counting === undefined) {
      counting = this.#count(project);
      this.#bytes.set(project, counting);
      counting.catch(() => this.#bytes.delete(project));
    }
    return counting;
  }

  async #count(project: string): Promise<{ bytes: number }> {
    const { messages } = this.#options;
    const counted = { bytes: 0 };
    for (const name of await messages.names(project)) {
      for await (const { bytes } of messages.all(project, name)) counted.bytes += bytes;
    }
    return counted;
  }
}
