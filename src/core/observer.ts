/**
 * The observer port: who hears of what requests did. The gateway tells, telemetry listens.
 *
 * Calls are on every request's way and must be cheap. What is given is made for the listener, who may keep it.
 */
import type { IsopodError } from "./errors.ts";
import type { CacheUse, InvocationFigures, LogLine } from "./invocation.ts";
import type { Span } from "./middleware.ts";

/** A request that is over. */
export interface FinishedRequest {
  readonly requestId: string;
  readonly method: string;
  readonly host: string;
  /** Without the query, which may hold secrets; of an event what has sent it, such as `schedule:nightly`. */
  readonly path: string;
  /** Status that was sent. */
  readonly status: number;
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number;
  /** From the request's head to the last byte of its answer. */
  readonly durationMs: number;
  readonly responseBytes: number;
  readonly remoteAddress: string;
  /** The function's name, the codeless endpoint, or `-`. */
  readonly target: string;
  readonly functionName: string | undefined;
  readonly programHash: string | undefined;
  /** Of the function; undefined when it is not known. */
  readonly project?: string | undefined;
  /** `sha256-<hex>` of the function's version; undefined when it is not known. */
  readonly version?: string | undefined;
  /** What the response cache did for it; undefined when it did nothing. */
  readonly cache?: CacheUse | undefined;
  /** What middlewares took of its time; undefined when none ran. */
  readonly spans?: readonly Span[] | undefined;
  /** Id of the request that made this one, of a call from inside the server. */
  readonly parentRequestId?: string | undefined;
  /** Why it failed; also when the answer had begun. */
  readonly error: IsopodError | undefined;
  readonly figures: InvocationFigures | undefined;
}

/** The request that a line was written by, as far as it is known by then. */
export type LogSource = Pick<
  FinishedRequest,
  "requestId" | "target" | "functionName" | "programHash" | "project" | "version"
>;

/** The end of one request's log, bounded. */
export interface LogTail {
  add(line: LogLine): void;
  readonly lines: readonly LogLine[];
  readonly length: number;
  readonly cut: boolean;
  /** Lines that left before the first one. */
  readonly missing: number;
}

/** The port. */
export interface Observer {
  /** A tail for a request whose program has begun to log. */
  tail(): LogTail;
  /** A program's line, when it was written. */
  log(source: LogSource, line: LogLine): void;
  finished(request: FinishedRequest, tail: LogTail | undefined): void;
}
