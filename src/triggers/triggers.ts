/**
 * Everything that calls functions by itself, joined: what is deployed says which schedules and consumers there are, and
 * invocations that nobody waits for are taken from outside.
 *
 * What they remember stands in a store of its own, apart from the control plane's.
 */
import type { DataQuotas } from "../core/binding.ts";
import type { Clock } from "../core/clock.ts";
import { type Deployment, PRODUCTION, type RoutedFunction } from "../core/deployment.ts";
import type { FunctionVersion } from "../core/function.ts";
import type { FunctionCaller } from "../core/function_caller.ts";
import type { Store } from "../core/store.ts";
import type {
  OutgoingMessage,
  QueueMessage,
  QueueView,
  ScheduleView,
  TriggerAdmin,
  TriggerObserver,
} from "../core/triggers.ts";
import { AsyncInvocations } from "./async_invocations.ts";
import { callConsumer, type PlacedConsumer } from "./batch_call.ts";
import { Messages } from "./messages.ts";
import { Queues } from "./queues.ts";
import { type PlacedSchedule, ScheduleRecords } from "./schedule_records.ts";
import { Scheduler } from "./scheduler.ts";

/** What triggers take. */
export interface TriggersOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly caller: FunctionCaller;
  readonly quotas: DataQuotas;
  readonly observer: TriggerObserver;
  newRequestId(): string;
  /** Hears what went wrong, or was missed, where nobody waits. */
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

const COMPACT_MS = 60_000;
const DRAIN_MS = 10_000;

/** The triggers. */
export class FunctionTriggers implements TriggerAdmin {
  readonly #options: TriggersOptions;
  readonly #records: ScheduleRecords;
  readonly #scheduler: Scheduler;
  readonly #queues: Queues;
  /** Invocations that nobody waits for. */
  readonly invocations: AsyncInvocations;
  readonly #cancelCompact: () => void;

  constructor(options: TriggersOptions) {
    const { store, clock, report } = options;
    this.#options = options;
    this.#records = new ScheduleRecords(store);
    this.#scheduler = new Scheduler({ ...options, records: this.#records });
    const deliver = callConsumer.bind(undefined, options.caller);
    this.#queues = new Queues({ ...options, messages: new Messages(store, "queues"), deliver });
    this.invocations = new AsyncInvocations(options);
    // Nobody follows this store: what was is of no use.
    this.#cancelCompact = clock.every(COMPACT_MS, () => {
      store
        .compact(Number.MAX_SAFE_INTEGER)
        .catch((error) => report("The triggers' store cannot be compacted", { cause: String(error) }));
    });
  }

  /** Goes by what is deployed from now on. */
  async deployed(deployment: Deployment): Promise<void> {
    const { functions } = deployment;
    const schedules: PlacedSchedule[] = [];
    const consumers: PlacedConsumer[] = [];
    // In one order, whoever was deployed last: of two that want the same queue the same one gets it.
    const versions = [...functions.values()].map(currentOf).filter((version) => version?.triggers !== undefined);
    for (const version of versions.toSorted((first, second) => ((first?.key ?? "") < (second?.key ?? "") ? -1 : 1))) {
      if (version?.triggers === undefined) continue;
      const { project, name, limits, triggers } = version;
      const owner = { project, functionName: name, wallMs: limits.wallMs };
      schedules.push(...triggers.schedules.map((rule) => ({ ...rule, ...owner })));
      consumers.push(...triggers.consumers.map((rule) => ({ ...rule, ...owner })));
    }
    await Promise.all([
      this.#scheduler.replace(schedules),
      this.#queues.replace(consumers, DRAIN_MS),
      this.invocations.deployed(deployment),
    ]);
  }

  schedules(project: string): Promise<readonly ScheduleView[]> {
    return this.#scheduler.views(project);
  }

  runSchedule(project: string, functionName: string, name: string): Promise<string> {
    return this.#scheduler.runNow(project, functionName, name);
  }

  queues(project: string): Promise<readonly QueueView[]> {
    return this.#queues.views(project);
  }

  /** How many messages wait in each queue, by project and queue, as far as anybody has asked. */
  depths(): readonly { readonly queue: string; readonly messages: number }[] {
    return this.#queues.depths();
  }

  peek(project: string, queue: string, limit: number): Promise<readonly QueueMessage[]> {
    return this.#queues.peek(project, queue, limit);
  }

  purge(project: string, queue: string): Promise<number> {
    return this.#queues.empty(project, queue, undefined);
  }

  redrive(project: string, queue: string, to: string): Promise<number> {
    return this.#queues.empty(project, queue, to);
  }

  send(project: string, queue: string, messages: readonly OutgoingMessage[]): Promise<string[]> {
    return this.#queues.send(project, queue, messages);
  }

  async removeProject(project: string): Promise<void> {
    const parts = [this.#queues, this.invocations, this.#records];
    await Promise.all(parts.map((part) => part.removeProject(project)));
  }

  /** Lets what runs go on for up to `drainMs`, then ends it, and closes the store. */
  async close(drainMs: number): Promise<void> {
    this.#cancelCompact();
    await Promise.all([this.#scheduler, this.#queues, this.invocations].map((part) => part.close(drainMs)));
    await this.#options.store.close();
  }
}

/** The version whose triggers count: of those that production stands for, the one with the largest share. */
function currentOf({ aliases }: RoutedFunction): FunctionVersion | undefined {
  const targets = aliases.get(PRODUCTION)?.targets ?? [];
  return targets.toSorted((first, second) => second.weight - first.weight)[0]?.version;
}
