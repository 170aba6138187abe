/** Brings what the gateway observes to the log, the access log, the log store, the metrics and the memory of invocations. */
import type { IsopodError } from "../core/errors.ts";
import type { Span } from "../core/middleware.ts";
import type { FinishedRequest, Observer } from "../core/observer.ts";
import type { AccessLog } from "./access_log.ts";
import type { Invocations } from "./invocations.ts";
import type { Log } from "./log.ts";
import type { WritableLogStore } from "./log_store.ts";
import type { Metrics } from "./metrics.ts";

/** Where it all goes. */
export interface ObserverParts {
  readonly log: Log;
  /** For what is the programs' own: their lines, and their errors. */
  readonly programLog: Log;
  readonly access: AccessLog;
  readonly metrics: Metrics;
  readonly invocations: Invocations;
  readonly logs: WritableLogStore;
  /** Hears of each request that no route takes. */
  readonly unrouted: ((request: FinishedRequest) => void) | undefined;
}

/** Creates the observer. */
export function createObserver(parts: ObserverParts): Observer {
  const { log, programLog, access, metrics, invocations, logs, unrouted } = parts;
  return {
    tail: () => invocations.tail(),
    log(source, line) {
      const { target, requestId } = source;
      programLog[line.level](line.text, { source: "program", target, requestId });
      logs.line(source, line);
    },
    finished(request, tail) {
      const { requestId, error, target, status, durationMs, cache, spans } = request;
      metrics.request(target, status, durationMs / 1000);
      if (cache !== undefined) metrics.cached(cache);
      if (spans !== undefined) countHooks(spans);
      access.write(request);
      invocations.record(request, tail);
      logs.finished(request);
      if (error !== undefined) reportError(error, requestId, target);
      if (unrouted !== undefined && target === "-" && (status === 404 || status === 405)) unrouted(request);
    },
  };

  /** Spans that middlewares name themselves are for who looks at the one request. */
  function countHooks(spans: readonly Span[]): void {
    for (const { name, middleware, durationMs } of spans) {
      const isHook = name === `${middleware}.before` || name === `${middleware}.after`;
      if (isHook) metrics.hook(name, durationMs / 1000);
    }
  }

  function reportError(error: IsopodError, requestId: string, target: string): void {
    metrics.error(error.code);
    const { limit, stack, cause } = error.details;
    if (limit !== undefined) metrics.limitStruck(limit.name);
    if (error.kind === "system") log.error(error.message, { code: error.code, target, requestId, cause });
    else if (error.status >= 500)
      programLog.warn(error.message, { code: error.code, target, requestId, ...(stack && { stack }) });
  }
}
