/**
 * One line for each request that was answered, or for a share of them, as JSON in batches.
 *
 * The line is put together by hand, since it is on every request's way; only what callers wrote is escaped.
 */
import type { Clock } from "../core/clock.ts";
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
  let second = Number.NaN;
  let secondText = "";
  /** Date formatting is most of a line's cost; the first part is the same for a second. */
  const timeText = (now: number): string => {
    const whole = Math.floor(now / 1000);
    if (whole !== second) {
      second = whole;
      secondText = new Date(whole * 1000).toISOString().slice(0, 20);
    }
    return `${secondText}${String(Math.floor(now - whole * 1000)).padStart(3, "0")}Z`;
  };
  return {
    write(entry) {
      if (sample <= 0 || (sample < 1 && entry.status < 500 && random() >= sample)) return;
      const error = entry.error === undefined ? "" : `,"error":${quote(entry.error.code)}`;
      sink.write(
        `{"level":"info","time":"${timeText(clock.wallNow())}","access":true,"request_id":${quote(entry.requestId)}` +
          `,"method":${quote(entry.method)},"host":${quote(entry.host)},"path":${quote(entry.path)}` +
          `,"status":${entry.status},"ms":${Math.round(entry.durationMs * 1000) / 1000},"bytes":${entry.responseBytes}` +
          `,"remote":${quote(entry.remoteAddress)},"target":${quote(entry.target)}${error}}`,
      );
    },
  };
}

/** Text without quotes, backslashes and control characters needs no escaping; nearly all is such. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

function quote(text: string): string {
  const bounded = text.length > TEXT_LENGTH_MAX ? text.slice(0, TEXT_LENGTH_MAX) : text;
  return PLAIN.test(bounded) ? `"${bounded}"` : JSON.stringify(bounded);
}
