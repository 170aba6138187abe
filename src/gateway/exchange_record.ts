/** One request from its head to its last byte: what it is called, what is said about it afterwards, and to whom. */
import { errorBody, type IsopodError } from "../core/errors.ts";
import type {
  InvocationEnd,
  InvocationFigures,
  InvocationObserver,
  InvocationResponse,
  LogLine,
} from "../core/invocation.ts";
import type { LogTail, Observer } from "../core/observer.ts";

/** The record of a request while it is answered. */
export class ExchangeRecord implements InvocationObserver {
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
  status = 0;
  remoteAddress = "";
  readonly #observer: Observer;
  readonly #startedAt: number;
  readonly #startedWallAt: number;
  #tail: LogTail | undefined;
  #figures: InvocationFigures | undefined;
  #over = false;

  constructor(observer: Observer, requestId: string, method: string, host: string, path: string) {
    this.#observer = observer;
    this.requestId = requestId;
    this.method = method;
    this.host = host;
    this.path = path;
    this.#startedAt = performance.now();
    this.#startedWallAt = Date.now();
  }

  /** A line of the program: to the log now, and the last ones to the record. */
  log(line: LogLine): void {
    this.#observer.log(this, line);
    this.#tail ??= this.#observer.tail();
    this.#tail.add(line);
  }

  /** The invocation is over: its figures are known, however it ended. */
  ended({ figures }: InvocationEnd): void {
    this.#figures = figures;
  }

  /** The answer is under way; its end finishes the record. */
  answered(response: InvocationResponse, status: number): void {
    this.status = status;
    response.ended.then(({ error }) => this.finish(error));
  }

  /** What is known of the cost, once the invocation is over. */
  get figures(): InvocationFigures | undefined {
    return this.#figures;
  }

  /** Everything is over. */
  finish(error: IsopodError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    const figures = this.#figures;
    const { requestId, method, host, path, status, remoteAddress, target } = this;
    const { functionName, programHash, project, version } = this;
    const durationMs = performance.now() - this.#startedAt;
    const responseBytes = figures?.responseBytes ?? 0;
    const startedAt = this.#startedWallAt;
    this.#observer.finished(
      {
        ...{ requestId, method, host, path, status, startedAt, durationMs, responseBytes, remoteAddress },
        ...{ target, functionName, programHash, project, version, error, figures },
      },
      this.#tail,
    );
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
