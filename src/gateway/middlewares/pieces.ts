/** Small parts of a request's way through its middlewares. */
import { IsopodError } from "../../core/errors.ts";
import type { InvocationEnd, InvocationRequest } from "../../core/invocation.ts";
import type { Limits } from "../../core/limits.ts";

/** A request whose members are its own. */
export function plain(request: InvocationRequest): InvocationRequest {
  const { requestId, method, url, headers, body, params, argsJson, exportName, entry, depth } = request;
  const { signal, observer, partial, webSocket } = request;
  return {
    ...{ requestId, method, url, headers, body, params, argsJson, exportName, entry, depth },
    ...{ signal, observer, partial, webSocket },
  };
}

/** How a function and what followed it ended, as one. */
export function joined(own: InvocationEnd, after: InvocationEnd): InvocationEnd {
  const error = own.error ?? after.error;
  const figures = {
    ...own.figures,
    wallMs: own.figures.wallMs + after.figures.wallMs,
    responseBytes: after.figures.responseBytes,
    logBytes: own.figures.logBytes + after.figures.logBytes,
  };
  return error === undefined ? { figures } : { error, figures };
}

/** A time, without digits that say nothing. */
export function short(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** The error of a request that took too long, with the limit that was set and not what the hooks had left of it. */
export function ownWallLimit(error: IsopodError, { wallMs }: Limits): IsopodError {
  const { limit } = error.details;
  if (error.code !== "wall_limit" || limit?.name !== "wallMs") return error;
  const message = error.message.replace(`= ${limit.value}`, `= ${wallMs}`);
  return new IsopodError("wall_limit", { ...error.details, message, limit: { ...limit, value: wallMs } });
}
