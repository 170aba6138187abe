/** One request from its head to its last byte: what it is called, what is said about it afterwards, and to whom. */
import { type ErrorBody, errorBody, type IsopodError } from "../core/errors.ts";
import type { InvocationFigures, InvocationResponse, LogLine } from "../core/invocation.ts";

/** A finished request, for the access log, the metrics and the memory of invocations. */
export interface FinishedRequest {
  readonly requestId: string;
  readonly method: string;
  readonly host: string;
  /** Without the query. */
  readonly path: string;
  readonly status: number;
  readonly durationMs: number;
  readonly responseBytes: number;
  readonly remoteAddress: string;
  /** The function's name, the codeless endpoint, or `-`. */
  readonly target: string;
  readonly functionName: string | undefined;
  readonly programHash: string | undefined;
  readonly startedAt: number;
  readonly error: IsopodError | undefined;
  readonly errorBody: ErrorBody | undefined;
  readonly figures: InvocationFigures | undefined;
  readonly logs: readonly LogLine[];
}

/** Who hears of finished requests and of what is our mistake. */
export interface GatewayObserver {
  finished(request: FinishedRequest): void;
  /** A program's line; `requestId` names the invocation. */
  log(requestId: string, target: string, line: LogLine): void;
}

/** Lines of one invocation that are kept for its record, and how long all of them together may be. */
const LOG_LINES_MAX = 256;
const LOG_LENGTH_MAX = 64 * 1024;

/** The record of a request while it is answered. */
export class ExchangeRecord {
  readonly requestId: string;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  target = "-";
  functionName: string | undefined;
  programHash: string | undefined;
  status = 0;
  remoteAddress = "";
  readonly #observer: GatewayObserver;
  readonly #startedAt: number;
  readonly #startedWallAt: number;
  #logs: LogLine[] = [];
  #logLength = 0;
  #over = false;

  constructor(observer: GatewayObserver, requestId: string, method: string, host: string, path: string) {
    this.#observer = observer;
    this.requestId = requestId;
    this.method = method;
    this.host = host;
    this.path = path;
    this.#startedAt = performance.now();
    this.#startedWallAt = Date.now();
  }

  /** A line of the program: to the log now, and to the record. The record keeps the last ones. */
  log(line: LogLine): void {
    this.#observer.log(this.requestId, this.target, line);
    this.#logs.push(line);
    this.#logLength += line.text.length;
    while (this.#logs.length > LOG_LINES_MAX || (this.#logLength > LOG_LENGTH_MAX && this.#logs.length > 1)) {
      this.#logLength -= (this.#logs.shift() as LogLine).text.length;
    }
  }

  /** The answer is under way; its end finishes the record. */
  answered(response: InvocationResponse, status: number): void {
    this.status = status;
    response.ended.then(({ error, figures }) => this.finish(error, figures));
  }

  /** Everything is over. */
  finish(error: IsopodError | undefined, figures: InvocationFigures | undefined): void {
    if (this.#over) return;
    this.#over = true;
    const { requestId, method, host, path, status, remoteAddress, target, functionName, programHash } = this;
    this.#observer.finished({
      ...{ requestId, method, host, path, status, remoteAddress, target, functionName, programHash },
      durationMs: performance.now() - this.#startedAt,
      startedAt: this.#startedWallAt,
      responseBytes: figures?.responseBytes ?? 0,
      error,
      errorBody: error && errorBody(error, requestId),
      figures,
      logs: this.#logs,
    });
    this.#logs = [];
  }
}

const PREFIX = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
let counter = 0;

/** A request id: unique over restarts and nodes, sortable within one server. */
export function newRequestId(): string {
  counter += 1;
  return PREFIX + counter.toString(16).padStart(10, "0");
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
