/**
 * Records as lines of JSON, the form in which they are stored: what programs and callers wrote is bounded here.
 *
 * A line begins with its id and holds no line feed but its last byte, whatever a program wrote: JSON escapes them.
 */
import { errorBody, type IsopodError } from "../core/errors.ts";
import type { LogLine } from "../core/invocation.ts";
import type { LogGap, LogItem, LogOrigin, LogRecord } from "../core/log_store.ts";
import type { FinishedRequest, LogSource } from "../core/observer.ts";

/** The most characters of a record's text; more than our guests send in a line. */
export const TEXT_LENGTH_MAX = 48 * 1024;
const NAME_LENGTH_MAX = 1024;

/** The most bytes of a line: a text of nothing but control characters, six bytes each, and two long names. */
export const LINE_BYTES_MAX = 6 * (TEXT_LENGTH_MAX + 4 * NAME_LENGTH_MAX);

/** A line of a program that waits to be written. */
export class PendingLine {
  readonly source: LogSource;
  readonly timeMs: number;
  readonly level: LogLine["level"];
  readonly text: string;
  readonly cut: number;

  constructor(source: LogSource, timeMs: number, { level, text }: LogLine) {
    this.source = source;
    this.timeMs = timeMs;
    this.level = level;
    this.cut = Math.max(0, text.length - TEXT_LENGTH_MAX);
    // The copy does not keep the message alive that a short text was cut from.
    this.text = this.cut === 0 ? text : Buffer.from(text.slice(0, TEXT_LENGTH_MAX)).toString();
  }
}

/** Stands for records that were refused, where the first of them would have stood. */
export class PendingGap {
  readonly origin: LogOrigin;
  readonly timeMs: number;
  count = 0;

  constructor(origin: LogOrigin, timeMs: number) {
    this.origin = origin;
    this.timeMs = timeMs;
  }
}

/** Whose the records of `source` are. */
export function originOf({ project, functionName, version, programHash }: LogSource): LogOrigin {
  return { project, function: functionName, version, program: programHash };
}

/** The gap after the record before `id`; its own is that of the last one that it stands for. */
export function gapRecord(id: number, { origin, timeMs, count }: PendingGap): LogGap {
  return { id: id + count - 1, time_ms: timeMs, kind: "missing", missing: count, reason: "overload", ...origin };
}

/** The record of a program's line. */
export function lineRecord(id: number, { source, timeMs, level, text, cut }: PendingLine): LogRecord {
  return {
    id,
    time_ms: timeMs,
    kind: "line",
    level,
    ...originOf(source),
    request_id: source.requestId || undefined,
    text: text.toWellFormed(),
    cut: cut === 0 ? undefined : cut,
  };
}

/** The record of an invocation that is over. One literal, since there is one a request: spreads cost more than it does. */
export function invocationRecord(id: number, request: FinishedRequest): LogRecord {
  const { status, figures, error } = request;
  const method = bounded(request.method);
  const path = bounded(request.path);
  return {
    id,
    time_ms: endOf(request),
    kind: "invocation",
    level: status >= 500 ? "error" : status >= 400 ? "warn" : "info",
    project: request.project,
    function: request.functionName,
    version: request.version,
    program: request.programHash,
    request_id: request.requestId,
    parent_request_id: request.parentRequestId,
    text: `${method} ${path} ${status}`,
    code: error?.code,
    limit: error?.details.limit,
    method,
    path,
    status,
    duration_ms: rounded(request.durationMs),
    wall_ms: figures && rounded(figures.wallMs),
    cpu_ms: figures && rounded(figures.cpuMs),
    memory_bytes: figures?.memoryBytes || undefined,
    response_bytes: request.responseBytes,
    log_bytes: figures?.logBytes,
    egress_calls: figures?.subrequests,
    cold: figures?.cold,
  };
}

/** The record of why an invocation failed: the program's stack where it has one, of our own faults one sentence. */
export function failureRecord(id: number, request: FinishedRequest, error: IsopodError): LogRecord {
  const { limit, stack } = error.details;
  const { message } = errorBody(error, request.requestId);
  const whole = stack === undefined ? message : stack.includes(message) ? stack : `${message}\n${stack}`;
  const text = whole.slice(0, TEXT_LENGTH_MAX);
  return {
    id,
    time_ms: endOf(request),
    kind: limit === undefined ? "error" : "limit",
    level: error.code === "client_gone" ? "info" : "error",
    ...originOf(request),
    request_id: request.requestId,
    text: text.toWellFormed(),
    cut: whole.length === text.length ? undefined : whole.length - text.length,
    ...{ code: error.code, limit },
  };
}

/** One item as its line, without the line's end. */
export function encodeItem(item: LogItem): string {
  return JSON.stringify(item);
}

/** The item of a line; undefined when it is none. */
export function decodeItem(line: string): LogItem | undefined {
  try {
    const item = JSON.parse(line) as LogItem | null;
    return typeof item?.id === "number" && typeof item.kind === "string" ? item : undefined;
  } catch {
    return undefined;
  }
}

const BEGINNING = '{"id":';
const COMMA = 44;
const ID_DIGITS_MAX = 17;

/** The id of the line that begins at `start`; NaN when there is none. */
export function idOfLine(lines: Buffer, start: number): number {
  const digits = start + BEGINNING.length;
  const end = lines.indexOf(COMMA, digits);
  if (end < 0 || end === digits || end - digits > ID_DIGITS_MAX) return Number.NaN;
  return Number(lines.toString("latin1", digits, end));
}

/** Whether an item stands for others. */
export function isGap(item: LogItem): item is LogGap {
  return item.kind === "missing";
}

function endOf({ startedAt, durationMs }: FinishedRequest): number {
  return Math.round(startedAt + durationMs);
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function bounded(text: string): string {
  return text.length > NAME_LENGTH_MAX ? text.slice(0, NAME_LENGTH_MAX).toWellFormed() : text;
}
