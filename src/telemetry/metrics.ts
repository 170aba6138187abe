/**
 * The server's metrics, in Prometheus' text format.
 *
 * prom-client keeps the registry, the seldom counters and the gauges. What every request counts is kept here as plain
 * numbers and handed to the registry when somebody asks: an observation is tens of nanoseconds instead of hundreds.
 * Label values are bounded: statuses by class, functions by their number (`other` from then on), codes and limits by
 * their catalogues. prom-client's default metrics are left out, as half of them are wrong under Bun.
 */
import { Counter, Gauge, Registry } from "prom-client";
import type { ErrorCode } from "../core/errors.ts";
import type { CacheUse } from "../core/invocation.ts";
import type { TriggerObserver } from "../core/triggers.ts";
import { LabelValues, Timings } from "./timings.ts";

/** One value of a gauge, with the labels that it was declared with. */
export interface GaugeValue {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A gauge that is read when somebody asks for the metrics. */
export interface GaugeRule {
  /** Begins with `isopod_`. */
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  read(): readonly GaugeValue[];
}

/** The metrics. */
export interface Metrics {
  /**
   * Counts a request that was answered.
   * @param target the function's name, or the endpoint, such as `/run`.
   * @param seconds from its head to the last byte of its answer.
   */
  request(target: string, status: number, seconds: number): void;
  /** Counts an answer for which the response cache did something. */
  cached(use: CacheUse): void;
  /** Counts a hook of a middleware, by its name, and how long it took. */
  hook(name: string, seconds: number): void;
  /** Counts an error that a caller was told, or that cut an answer off. */
  error(code: ErrorCode): void;
  /** Counts a limit that ended or refused something, by its name in the API. */
  limitStruck(name: string): void;
  /** Counts an instance that was started, and how long it took. */
  instanceStarted(engine: string, seconds: number): void;
  /** Counts an instance that ended, by why. */
  instanceEnded(engine: string, reason: string): void;
  /** Counts what became of schedules and of messages. */
  readonly triggers: TriggerObserver;
  /** Adds a gauge. @throws {Error} when its name is taken. */
  gauge(rule: GaugeRule): void;
  /** The text for a scrape, and its content type. */
  expose(): Promise<{ readonly contentType: string; readonly text: string }>;
}

const LABEL_VALUES_MAX = 64;
/** Schedules, and queues, that are counted one by one; the rest are `other`. */
const TRIGGERS_MAX = 1000;

/** Creates metrics with nothing counted. */
export function createMetrics(): Metrics {
  return new PromMetrics();
}

class PromMetrics implements Metrics {
  readonly #registry = new Registry();
  readonly #requests = new Timings(
    "isopod_request_duration_seconds",
    "Time from a request's head to its answer's last byte.",
    "target",
    "status",
  );
  readonly #starts = new Timings("isopod_instance_start_seconds", "Time to start an instance.", "engine");
  readonly #hooks = new Timings("isopod_middleware_duration_seconds", "Time of one hook of a middleware.", "hook");
  readonly #errors = this.#counter("isopod_errors_total", "Errors by their code.", ["code"]);
  readonly #limits = this.#counter("isopod_limits_struck_total", "Limits that ended or refused something.", ["limit"]);
  readonly #ends = this.#counter("isopod_instances_ended_total", "Instances that ended, by why.", ["engine", "reason"]);
  readonly #cached: Record<CacheUse, number> = { hit: 0, stale: 0, revalidated: 0, collapsed: 0, miss: 0 };
  readonly triggers: TriggerObserver = this.#countTriggers();
  readonly #engines = new LabelValues(LABEL_VALUES_MAX);
  readonly #limitNames = new LabelValues(LABEL_VALUES_MAX);
  readonly #reasons = new LabelValues(LABEL_VALUES_MAX);

  constructor() {
    this.#requests.register(this.#registry);
    this.#starts.register(this.#registry);
    this.#hooks.register(this.#registry);
    const answers: Counter = new Counter({
      name: "isopod_cache_answers_total",
      help: "Answers that the response cache gave or took, by what it did.",
      labelNames: ["use"],
      registers: [this.#registry],
      collect: () => {
        answers.reset();
        for (const [use, count] of Object.entries(this.#cached)) answers.inc({ use }, count);
      },
    });
    const bytes = (): readonly GaugeValue[] => [{ labels: {}, value: process.memoryUsage.rss() }];
    this.gauge({
      name: "isopod_resident_memory_bytes",
      help: "Resident memory of the server.",
      labels: [],
      read: bytes,
    });
    const cpu = (): readonly GaugeValue[] => {
      const { user, system } = process.cpuUsage();
      return [{ labels: {}, value: (user + system) / 1e6 }];
    };
    this.gauge({ name: "isopod_cpu_seconds", help: "Processor time of the server so far.", labels: [], read: cpu });
  }

  request(target: string, status: number, seconds: number): void {
    this.#requests.observe(target, status, seconds);
  }

  cached(use: CacheUse): void {
    this.#cached[use] += 1;
  }

  hook(name: string, seconds: number): void {
    this.#hooks.observe(name, 0, seconds);
  }

  error(code: ErrorCode): void {
    this.#errors.inc({ code });
  }

  limitStruck(name: string): void {
    this.#limits.inc({ limit: this.#limitNames.bounded(name) });
  }

  instanceStarted(engine: string, seconds: number): void {
    this.#starts.observe(this.#engines.bounded(engine), 0, seconds);
  }

  instanceEnded(engine: string, reason: string): void {
    this.#ends.inc({ engine: this.#engines.bounded(engine), reason: this.#reasons.bounded(reason) });
  }

  gauge({ name, help, labels, read }: GaugeRule): void {
    const gauge = new Gauge({
      name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      collect: () => {
        gauge.reset();
        for (const { labels: values, value } of read()) gauge.set({ ...values }, value);
      },
    });
  }

  async expose(): Promise<{ readonly contentType: string; readonly text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  #countTriggers(): TriggerObserver {
    const [schedules, queues] = [new LabelValues(TRIGGERS_MAX), new LabelValues(TRIGGERS_MAX)];
    const runs = this.#counter("isopod_schedule_runs_total", "Times that schedules were due, by what became of them.", [
      "schedule",
      "outcome",
    ]);
    const messages = this.#counter("isopod_queue_messages_total", "Messages of queues, by what became of them.", [
      "queue",
      "outcome",
    ]);
    return {
      scheduled: (schedule, outcome, count = 1) => runs.inc({ schedule: schedules.bounded(schedule), outcome }, count),
      messages: (queue, outcome, count) => messages.inc({ queue: queues.bounded(queue), outcome }, count),
    };
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }
}
