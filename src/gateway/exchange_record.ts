/** One request from its head to its last byte: what it is called, what is said about it afterwards, and to whom. */
import { errorBody, type IsopodError } from "../core/errors.ts";
import {
  type CacheUse,
  type InvocationEnd,
  type InvocationFigures,
  type InvocationObserver,
  type InvocationResponse,
  type LogLine,
  whenOver,
} from "../core/invocation.ts";
import type { Span } from "../core/middleware.ts";
import type { FinishedRequest, LogTail, Observer } from "../core/observer.ts";

/** The record of a request while it is answered, which its observer keeps afterwards. */
export class ExchangeRecord implements InvocationObserver, FinishedRequest {
  readonly requestId: string;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  target = "-";
  functionName: string | undefined;
  /** Of the function. */
  project: string | undefined;
  /** `sha256-<hex>` of the function's version. */
  version: string | undefined;
  programHash: string | undefined;
  /** Of the request that made this one, when it is a call from inside the server. */
  parentRequestId: string | undefined;
  status = 0;
  remoteAddress = "";
  readonly startedAt: number;
  durationMs = 0;
  /** Before it is over: of an answer that no invocation gives. */
  responseBytes = 0;
  cache: CacheUse | undefined;
  error: IsopodError | undefined;
  /** What is known of the cost, once the invocation is over. */
  figures: InvocationFigures | undefined;
  /** What middlewares took of its time; undefined when none ran. */
  spans: readonly Span[] | undefined;
  readonly #observer: Observer;
  readonly #startedAt: number;
  #tail: LogTail | undefined;
  #over = false;

  constructor(observer: Observer, requestId: string, method: string, host: string, path: string) {
    this.#observer = observer;
    this.requestId = requestId;
    this.method = method;
    this.host = host;
    this.path = path;
    this.#startedAt = performance.now();
    this.startedAt = Date.now();
  }

  /** A line of the program: to the log now, and the last ones to the record. */
  log(line: LogLine): void {
    this.#observer.log(this, line);
    this.#tail ??= this.#observer.tail();
    this.#tail.add(line);
  }

  /** Middlewares have told where time went. */
  timed(spans: readonly Span[]): void {
    this.spans = [...(this.spans ?? []), ...spans].slice(0, SPANS_MAX);
  }

  /** The invocation is over: its figures are known, however it ended. */
  ended({ figures }: InvocationEnd): void {
    this.figures = figures;
  }

  /** The answer is under way; its end finishes the record. */
  answered(response: InvocationResponse, status: number): void {
    this.status = status;
    this.cache = response.cache;
    whenOver(response, ({ error, figures }) => {
      // Of what the cache gave no invocation has told anything.
      this.responseBytes = figures.responseBytes;
      this.finish(error);
    });
  }

  /** Everything is over. */
  finish(error: IsopodError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.error = error;
    this.durationMs = performance.now() - this.#startedAt;
    if (this.figures !== undefined) this.responseBytes = this.figures.responseBytes;
    const tail = this.#tail;
    // Whoever keeps the record decides how long its lines stay.
    this.#tail = undefined;
    this.#observer.finished(this, tail);
    this.spans = undefined;
  }
}

/** Spans of one request that are kept. */
const SPANS_MAX = 64;

const PREFIX = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
/** The last two digits of an id. */
const DIGITS = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, "0"));
let counter = 0;
/** All of an id but its last two digits, which 256 ids in a row have in common. */
let start = `${PREFIX}00000000`;

/** A request id: unique over restarts and nodes, sortable within one server. */
export function newRequestId(): string {
  counter += 1;
  if ((counter & 0xff) === 0)
    start =
      PREFIX +
      Math.floor(counter / 256)
        .toString(16)
        .padStart(8, "0");
  return start + DIGITS[counter & 0xff];
}

/** Details of an error that the caller may see, as the body of an answer. */
export function errorResponse(
  error: IsopodError,
  requestId: string,
  headers: readonly (readonly [string, string])[],
): Response {
  const all: [string, string][] = [
    ["content-type", "application/json"],
    ["isopod-request-id", requestId],
    ...headers.map(([name, value]): [string, string] => [name, value]),
  ];
  const { retryAfterSeconds } = error.details;
  if (retryAfterSeconds !== undefined) all.push(["retry-after", String(Math.ceil(retryAfterSeconds))]);
  return new Response(JSON.stringify({ error: errorBody(error, requestId) }), { status: error.status, headers: all });
}
