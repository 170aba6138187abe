/**
 * One request and its response over one connection: streaming both ways, with the clocks that bound it.
 *
 * The response's body waits for its reader: at most `BODY_BUFFER_BYTES` and one read of the socket stand in memory.
 * Only a response that ended as its framing said it would closes the body; everything else errors it.
 */
import type { Clock } from "../../core/clock.ts";
import type { HeaderList } from "../../core/invocation.ts";
import { deferred } from "../../stdx/deferred.ts";
import type { Connection } from "./connections.ts";
import { PhaseTimeout } from "./failure.ts";
import { responseHeaders } from "./response_headers.ts";

const BODY_BUFFER_BYTES = 64 * 1024;
/** Informational responses (103 and the like) before the one that counts; they go to nobody. */
const INFORMATIONAL_MAX = 16;

/** What goes out. */
export interface ExchangeRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: HeaderList;
  readonly body: AsyncIterable<Uint8Array> | null;
}

/** What bounds an exchange, and who is told. */
export interface ExchangeOptions {
  readonly clock: Clock;
  /** From the start to the response's head, in milliseconds. */
  readonly headTimeoutMs: number;
  /** Between two reads of the body while somebody wants more, in milliseconds. */
  readonly responseIdleMs: number;
  /** Ends the exchange; its reason is the error. */
  readonly signal: AbortSignal;
  /** Called with the size of each piece of the body; what it throws ends the exchange. */
  received(bytes: number): void;
  /** What the reader of the body sees instead of `error`. */
  explain(error: unknown): Error;
  /** Called once, when the exchange is over; `complete` when the connection may be used again. */
  over(complete: boolean): void;
}

/** The head of a response. */
export interface ExchangeHead {
  readonly status: number;
  readonly headers: HeaderList;
}

type Dispatch = Parameters<Connection["client"]["dispatch"]>;
type Handler = Dispatch[1];
type Controller = Parameters<NonNullable<Handler["onRequestStart"]>>[0];

/** One exchange, under way from its construction on. */
export class Exchange {
  /** Rejects with what went wrong before the head was there, unexplained. */
  readonly head: Promise<ExchangeHead>;
  readonly body: ReadableStream<Uint8Array>;
  readonly #options: ExchangeOptions;
  readonly #head = deferred<ExchangeHead>();
  readonly #abort = (): void => this.end(this.#options.signal.reason);
  #sink: ReadableStreamDefaultController<Uint8Array> | undefined;
  #controller: Controller | undefined;
  #cancelTimer: () => void;
  #lastRead = 0;
  #informational = 0;
  #over = false;
  #told: (() => void) | undefined;

  constructor(connection: Connection, request: ExchangeRequest, options: ExchangeOptions) {
    this.#options = options;
    this.head = this.#head.promise;
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (sink) => {
          this.#sink = sink;
        },
        pull: () => this.#resume(),
        cancel: (reason) => this.end(reason),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: BODY_BUFFER_BYTES }),
    );
    const { clock, headTimeoutMs, signal } = options;
    this.#cancelTimer = clock.after(headTimeoutMs, () => this.end(new PhaseTimeout("no response came in time")));
    signal.addEventListener("abort", this.#abort, { once: true });
    if (signal.aborted) this.#abort();
    else connection.client.dispatch(dispatchOptions(request), this.#handler());
  }

  /** Ends the exchange unless it is over: the connection is closed, and whoever waits gets `error`. */
  end(error: unknown): void {
    if (this.#settle(false)) this.#fail(error);
  }

  /** Calls `listener` once the exchange is over, at once when it is. */
  whenOver(listener: () => void): void {
    if (this.#over) listener();
    else this.#told = listener;
  }

  #handler(): Handler {
    return {
      onRequestStart: (controller) => {
        this.#controller = controller;
      },
      onResponseStart: (controller, status) => this.#start(controller, status),
      onResponseData: (controller, chunk) => this.#data(controller, chunk),
      onResponseEnd: () => {
        if (this.#settle(true)) this.#sink?.close();
      },
      onResponseError: (_controller, error) => this.end(error),
    };
  }

  #start(controller: Controller, status: number): void {
    if (this.#over) return;
    if (status < 200) {
      if (++this.#informational > INFORMATIONAL_MAX)
        this.end(new Error("Cannot wait for the response: too many before it"));
      return;
    }
    this.#cancelTimer();
    this.#lastRead = this.#options.clock.now();
    this.#watchIdle(this.#options.responseIdleMs);
    this.#head.resolve({ status, headers: responseHeaders(controller.rawHeaders) });
  }

  #data(controller: Controller, chunk: Uint8Array): void {
    if (this.#over) return;
    this.#lastRead = this.#options.clock.now();
    try {
      this.#options.received(chunk.length);
    } catch (error) {
      this.end(error);
      return;
    }
    this.#sink?.enqueue(chunk);
    if ((this.#sink?.desiredSize ?? 0) <= 0) controller.pause();
  }

  #resume(): void {
    if (this.#over || this.#controller?.paused !== true) return;
    this.#lastRead = this.#options.clock.now();
    this.#controller.resume();
  }

  /** Time in which nobody wants more does not count: a guest may read as slowly as its own limits let it. */
  #watchIdle(afterMs: number): void {
    const { clock, responseIdleMs } = this.#options;
    this.#cancelTimer = clock.after(afterMs, () => {
      if (this.#controller?.paused === true) this.#lastRead = clock.now();
      const left = responseIdleMs - (clock.now() - this.#lastRead);
      if (left <= 0) this.end(new PhaseTimeout("the response stopped coming"));
      else this.#watchIdle(left);
    });
  }

  /** Whether this call is the one that ended the exchange. */
  #settle(complete: boolean): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#cancelTimer();
    this.#options.signal.removeEventListener("abort", this.#abort);
    this.#options.over(complete);
    this.#told?.();
    return true;
  }

  #fail(error: unknown): void {
    this.#head.reject(error);
    try {
      this.#sink?.error(this.#options.explain(error));
    } catch {
      // The reader has cancelled; nobody waits for the error.
    }
  }
}

function dispatchOptions(request: ExchangeRequest): Dispatch[0] {
  return {
    path: request.path,
    method: request.method as Dispatch[0]["method"],
    headers: request.headers.flat(),
    body: request.body as NonNullable<Dispatch[0]["body"]> | null,
  };
}
