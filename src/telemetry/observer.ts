/** Brings what the gateway observes to the log, the access log, the metrics and the memory of invocations. */
import type { IsopodError } from "../core/errors.ts";
import type { Observer } from "../core/observer.ts";
import type { AccessLog } from "./access_log.ts";
import type { Invocations } from "./invocations.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/** Where it all goes. */
export interface ObserverParts {
  readonly log: Log;
  readonly access: AccessLog;
  readonly metrics: Metrics;
  readonly invocations: Invocations;
}

/** Creates the observer. */
export function createObserver({ log, access, metrics, invocations }: ObserverParts): Observer {
  return {
    tail: () => invocations.tail(),
    log: (requestId, target, line) => log[line.level](line.text, { source: "program", target, requestId }),
    finished(request, tail) {
      const { requestId, error, target, status, durationMs } = request;
      metrics.request(target, status, durationMs / 1000);
      access.write(request);
      invocations.record(request, tail);
      if (error !== undefined) reportError(error, requestId, target);
    },
  };

  function reportError(error: IsopodError, requestId: string, target: string): void {
    metrics.error(error.code);
    const { limit, stack, cause } = error.details;
    if (limit !== undefined) metrics.limitStruck(limit.name);
    if (error.kind === "system") log.error(error.message, { code: error.code, target, requestId, cause });
    else if (error.status >= 500)
      log.warn(error.message, { code: error.code, target, requestId, ...(stack && { stack }) });
  }
}
