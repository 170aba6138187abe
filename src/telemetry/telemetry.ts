/** All of telemetry, joined: one log and one sink, and what listens to the gateway and the pool. */
import type { Clock } from "../core/clock.ts";
import type { LogLine } from "../core/invocation.ts";
import type { Observer } from "../core/observer.ts";
import { createAccessLog } from "./access_log.ts";
import { createInvocations, type Invocations } from "./invocations.ts";
import { createLog, createStderrSink, type Log, parseLogLevel } from "./log.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { createObserver } from "./observer.ts";

/** The parts. */
export interface Telemetry {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly invocations: Invocations;
  readonly observer: Observer;
  /** A line that belongs to no request. */
  report(line: LogLine, fields: Readonly<Record<string, unknown>>): void;
}

/** What the gauges read of a pool. */
export interface PoolFigures {
  readonly instances: number;
  readonly prewarmed: number;
  readonly invocations: number;
}

/** Creates it. @throws {Error} when `logLevel` is none */
export function createTelemetry(clock: Clock, logLevel: string | undefined): Telemetry {
  const sink = createStderrSink(clock);
  const log = createLog({ clock, level: parseLogLevel(logLevel), sink });
  const metrics = createMetrics();
  const invocations = createInvocations();
  const access = createAccessLog({ sink, clock, sample: logLevel === "silent" ? 0 : 1 });
  const observer = createObserver({ log, access, metrics, invocations });
  return { log, metrics, invocations, observer, report: (line, fields) => log[line.level](line.text, fields) };
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
