/** The consumers of all queues: those that what is deployed names, and those that are there while there is something to deliver. */

import type { PlacedConsumer } from "./batch_call.ts";
import { Consumer, type ConsumerOptions } from "./consumer.ts";

/** What consumers take. */
export interface ConsumersOptions {
  /** What a consumer of this queue takes. */
  optionsFor(rule: PlacedConsumer): ConsumerOptions;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** The consumers. */
export class Consumers {
  readonly #options: ConsumersOptions;
  readonly #byQueue = new Map<string, Consumer>();
  #closed = false;

  constructor(options: ConsumersOptions) {
    this.#options = options;
  }

  /** Who delivers the messages of a queue. */
  of(project: string, queue: string): Consumer | undefined {
    return this.#byQueue.get(keyOf(project, queue));
  }

  /** Those of a project. */
  ofProject(project: string): Consumer[] {
    return [...this.#byQueue.values()].filter(({ rule }) => rule.project === project);
  }

  /** Delivers to these from now on; those that are none any more finish what they have. */
  async replace(rules: readonly PlacedConsumer[], drainMs: number): Promise<void> {
    const wanted = new Map<string, PlacedConsumer>();
    for (const rule of rules) {
      const key = keyOf(rule.project, rule.queue);
      const first = wanted.get(key);
      if (first === undefined) wanted.set(key, rule);
      else this.#reportTwice(rule, first);
    }
    const over: Promise<void>[] = [];
    for (const [key, consumer] of this.#byQueue) {
      if (wanted.has(key)) continue;
      this.#byQueue.delete(key);
      over.push(consumer.close(drainMs));
    }
    for (const [key, rule] of wanted) {
      const known = this.#byQueue.get(key);
      if (known === undefined) this.#byQueue.set(key, new Consumer(rule, this.#options.optionsFor(rule)));
      else known.rule = rule;
    }
    await Promise.all(over);
  }

  /** Delivers to this one until its queue is empty. */
  whileFilled(rule: PlacedConsumer): void {
    if (this.#closed) return;
    const key = keyOf(rule.project, rule.queue);
    const known = this.#byQueue.get(key);
    if (known !== undefined) {
      known.rule = rule;
      return;
    }
    const empty = () => {
      if (this.#byQueue.get(key) === consumer) this.#byQueue.delete(key);
      void consumer.close(0);
    };
    const consumer = new Consumer(rule, { ...this.#options.optionsFor(rule), empty });
    this.#byQueue.set(key, consumer);
  }

  /** Takes no more, and lets what is under way go on for up to `drainMs`. */
  async close(drainMs: number): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#byQueue.values()].map((consumer) => consumer.close(drainMs)));
    this.#byQueue.clear();
  }

  #reportTwice({ project, queue, functionName }: PlacedConsumer, first: PlacedConsumer): void {
    this.#options.report("A queue has two consumers: the first one gets its messages", {
      ...{ project, queue, function: functionName, first: first.functionName },
    });
  }
}

function keyOf(project: string, queue: string): string {
  return `${project}\n${queue}`;
}
