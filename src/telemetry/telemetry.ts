/** All of telemetry, joined: one log and one sink, and what listens to the gateway and the pool. */
import type { Clock } from "../core/clock.ts";
import type { LogLine } from "../core/invocation.ts";
import type { LogStore } from "../core/log_store.ts";
import type { FinishedRequest, Observer } from "../core/observer.ts";
import { createAccessLog } from "./access_log.ts";
import { createInvocations, type Invocations } from "./invocations.ts";
import { createLog, createStderrSink, type Log, parseLogLevel } from "./log.ts";
import { openLogStore, type WritableLogStore } from "./log_store.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { createObserver } from "./observer.ts";

/** Queues whose depth is shown. */
const QUEUES_MAX = 1000;

/** The parts. */
export interface Telemetry {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly invocations: Invocations;
  readonly observer: Observer;
  readonly logs: LogStore;
  /** A line that belongs to no request; with a `function` among its fields, that function's. */
  report(line: LogLine, fields: Readonly<Record<string, unknown>>): void;
  /** Writes what is pending and closes the log store. */
  close(): Promise<void>;
}

/** What telemetry is made of. */
export interface TelemetryOptions {
  readonly clock: Clock;
  /** `ISOPOD_LOG`. */
  readonly logLevel: string | undefined;
  /** Whether stderr has requests, and what programs wrote; it has when left out, and the level is not `silent`. */
  readonly requestLog?: boolean | undefined;
  /** Hears of each request that no route takes. */
  readonly unrouted?: ((request: FinishedRequest) => void) | undefined;
  /** Where the log store lies, and how much it keeps. */
  readonly logs: { readonly directory: string; readonly bytesMax: number; readonly ageMs: number };
}

/** What the gauges read of a pool. */
export interface PoolFigures {
  readonly instances: number;
  readonly prewarmed: number;
  readonly invocations: number;
}

/** Creates it. @throws {Error} when `logLevel` is none, or the log store cannot be opened */
export function createTelemetry(options: TelemetryOptions): Telemetry {
  const { clock, logLevel, requestLog = true, unrouted, logs: bounds } = options;
  const sink = createStderrSink(clock);
  const log = createLog({ clock, level: parseLogLevel(logLevel), sink });
  const programLog = requestLog ? log : createLog({ clock, level: "silent", sink });
  const metrics = createMetrics();
  const invocations = createInvocations();
  const access = createAccessLog({ sink, clock, sample: requestLog && logLevel !== "silent" ? 1 : 0 });
  const say = (line: LogLine, fields: Readonly<Record<string, unknown>>) => log[line.level](line.text, fields);
  const logs = openLogStore({ ...bounds, clock, report: say });
  const observer = createObserver({ log, programLog, access, metrics, invocations, logs, unrouted });
  return {
    ...{ log, metrics, invocations, observer, logs },
    report(line, fields) {
      say(line, fields);
      reportFunction(logs, line, fields);
    },
    close: () => logs.close(),
  };
}

/** What a function's instance says outside of invocations is the function's; all else is the server's own. */
function reportFunction(logs: WritableLogStore, line: LogLine, fields: Readonly<Record<string, unknown>>): void {
  const text = (value: unknown) => (typeof value === "string" ? value : undefined);
  const functionName = text(fields["function"]);
  if (functionName === undefined) return;
  const [project, version] = [text(fields["project"]), text(fields["version"])];
  logs.line({ requestId: "", target: functionName, functionName, programHash: undefined, project, version }, line);
}

/** Shows on `/metrics` how much the response cache keeps. */
export function gaugeCache(metrics: Metrics, bytes: () => number): void {
  metrics.gauge({
    name: "isopod_cache_bytes",
    help: "Memory that cached answers take.",
    labels: [],
    read: () => [{ labels: {}, value: bytes() }],
  });
}

/** Shows what a pool is doing on `/metrics`. */
export function gaugePool(metrics: Metrics, read: () => PoolFigures): void {
  metrics.gauge({
    name: "isopod_instances",
    help: "Instances now: all of them, and those that are prewarmed.",
    labels: ["state"],
    read: () => [
      { labels: { state: "all" }, value: read().instances },
      { labels: { state: "prewarmed" }, value: read().prewarmed },
    ],
  });
  metrics.gauge({
    name: "isopod_invocations",
    help: "Invocations that run now.",
    labels: [],
    read: () => [{ labels: {}, value: read().invocations }],
  });
}

/** Shows how full queues are on `/metrics`. */
export function gaugeQueues(metrics: Metrics, read: () => readonly { queue: string; messages: number }[]): void {
  metrics.gauge({
    name: "isopod_queue_depth",
    help: "Messages in each queue that has been used or looked at since the server has started.",
    labels: ["queue"],
    read: () =>
      read()
        .slice(0, QUEUES_MAX)
        .map(({ queue, messages }) => ({ labels: { queue }, value: messages })),
  });
}

/** Gauges what became of invocations that nobody waits for, by their outcome. */
export function gaugeInvocations(metrics: Metrics, read: () => Readonly<Record<string, number>>): void {
  metrics.gauge({
    name: "isopod_async_invocations",
    help: "Invocations that nobody waits for, since the server started: accepted, succeeded, failed attempts, given up.",
    labels: ["outcome"],
    read: () => Object.entries(read()).map(([outcome, value]) => ({ labels: { outcome }, value })),
  });
}
