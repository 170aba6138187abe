/**
 * One line for each request that was answered, or for a share of them, as JSON in batches.
 *
 * The line is put together by hand, since it is on every request's way; only what callers wrote is escaped.
 */
import type { Clock } from "../core/clock.ts";
import type { Span } from "../core/middleware.ts";
import type { FinishedRequest } from "../core/observer.ts";
import type { LineSink } from "./line_sink.ts";

/** What the line says of a request. */
export type AccessEntry = Pick<
  FinishedRequest,
  | "requestId"
  | "method"
  | "host"
  | "path"
  | "status"
  | "durationMs"
  | "responseBytes"
  | "remoteAddress"
  | "target"
  | "cache"
  | "spans"
  | "error"
>;

/** How the access log writes. */
export interface AccessLogOptions {
  readonly sink: LineSink;
  readonly clock: Clock;
  /** The share of requests that are logged, 0 to 1; failures of the server (5xx) always are, unless it is 0. */
  readonly sample: number;
  /** A number from 0 to 1; `Math.random` when left out. */
  readonly random?: () => number;
}

/** The access log. */
export interface AccessLog {
  write(entry: AccessEntry): void;
}

const TEXT_LENGTH_MAX = 1024;

/** Creates an access log. */
export function createAccessLog({ sink, clock, sample, random = Math.random }: AccessLogOptions): AccessLog {
  let time = Number.NaN;
  let lineStart = "";
  /** Date formatting is most of a line's cost, and many lines are of one millisecond. */
  const startOf = (now: number): string => {
    if (now === time) return lineStart;
    time = now;
    lineStart = `{"level":"info","time":"${new Date(now).toISOString()}","access":true,"request_id":`;
    return lineStart;
  };
  const quoteWhat = quoteLast();
  const quoteWho = quoteLast();
  return {
    write(entry) {
      if (sample <= 0 || (sample < 1 && entry.status < 500 && random() >= sample)) return;
      const error = entry.error === undefined ? "" : `,"error":${quote(entry.error.code)}`;
      const cache = entry.cache === undefined ? "" : `,"cache":"${entry.cache}"`;
      const spans = entry.spans === undefined ? "" : `,"spans":${spansOf(entry.spans)}`;
      const { requestId, method, host, path, status, durationMs, responseBytes, remoteAddress, target } = entry;
      sink.write(
        `${startOf(clock.wallNow()) + quote(requestId)},"method":${quoteWhat(method, ',"host":', host, ',"path":', path)}` +
          `,"status":${status},"ms":${Math.round(durationMs * 1000) / 1000},"bytes":${responseBytes}` +
          `,"remote":${quoteWho(remoteAddress, ',"target":', target, "", undefined)}${cache}${spans}${error}}`,
      );
    },
  };
}

/** Names and times alone: what middlewares say beside them is for who looks at the one request. */
function spansOf(spans: readonly Span[]): string {
  const told = spans.map(({ name, durationMs }) => `[${quote(name)},${Math.round(durationMs * 1000) / 1000}]`);
  return `[${told.join(",")}]`;
}

/** Text without quotes, backslashes and control characters needs no escaping; nearly all is such. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** Quotes up to three texts with what stands between them; asked for the same ones again, as is usual, it knows. */
function quoteLast() {
  let first: string | undefined;
  let second: string | undefined;
  let third: string | undefined;
  let quoted = "";
  return (one: string, between: string, other: string, after: string, last: string | undefined): string => {
    if (one === first && other === second && last === third) return quoted;
    first = one;
    second = other;
    third = last;
    quoted = quote(one) + between + quote(other) + after + (last === undefined ? "" : quote(last));
    return quoted;
  };
}

function quote(text: string): string {
  const bounded = text.length > TEXT_LENGTH_MAX ? text.slice(0, TEXT_LENGTH_MAX) : text;
  return PLAIN.test(bounded) ? `"${bounded}"` : JSON.stringify(bounded);
}
