/** One request handled by one instance, as the gateway and the pool speak of it. */
import type { BindingGrant } from "./binding_kinds.ts";
import type { BrowserProgram } from "./browser_program.ts";
import type { EgressGrant, FunctionVersion, MiddlewareChain, Program } from "./function.ts";
import type { Limits } from "./limits.ts";
import type { Span } from "./middleware.ts";
import type { WasmProgram } from "./wasm_program.ts";

/** Header names and values in the order of the message; names in lower case. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

/** A body: whole when it is known to be, else a stream that is read once. */
export type Body = Uint8Array | ReadableStream<Uint8Array> | null;

/** A line that a program wrote, or that the platform says about it. */
export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly text: string;
}

/** What happens to an invocation while it runs; every member is optional to the caller. */
export interface InvocationObserver {
  /** A line was written to the console or to stderr. */
  log?(line: LogLine): void;
  /** Middlewares have told where time went. */
  timed?(spans: readonly Span[]): void;
  /** Everything about it is over, also when it failed before it had answered. */
  ended?(end: InvocationEnd): void;
}

/** The path parameters of a route that has none: always this object, so that the usual request is told by identity. */
export const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze(Object.create(null));

/**
 * How a function is entered when it is not by a request: `rpc` calls an export with the arguments in the body, and
 * `scheduled` and `queue` call these members of the default export with the event in the body. With `event` the body
 * is the event that the request would be made; with `hook` it is the function's middlewares that are asked.
 */
export type Entry = "rpc" | "scheduled" | "queue" | "event" | "hook";

/** What an invocation is asked to do. */
export interface InvocationRequest {
  readonly requestId: string;
  readonly method: string;
  /** Absolute URL, as the caller wrote it. */
  readonly url: string;
  readonly headers: HeaderList;
  readonly body: Body;
  /** Path parameters of the route. */
  readonly params: Readonly<Record<string, string>>;
  /** `ctx.args`: any JSON value, as JSON text; undefined when there is none. */
  readonly argsJson?: string | undefined;
  /** Calls this export of the function with `argsJson` as its parameters, and not its handler. */
  readonly exportName?: string | undefined;
  /** How the function is entered, when it is not by its handler. */
  readonly entry?: Entry | undefined;
  /** How many calls of functions stand above this one; 0 when left out. */
  readonly depth?: number | undefined;
  /** Fires when the caller hangs up; the invocation is ended at once. May be made when it is first asked for. */
  readonly signal: AbortSignal;
  readonly observer?: InvocationObserver | undefined;
  /** Whether output from before a failure is wanted: the answer then begins, and is cut off after it. */
  readonly partial?: boolean | undefined;
  /** Set when the request asks for a WebSocket: the socket's far end, once the function has accepted. */
  readonly webSocket?: boolean | undefined;
}

/** What the invocation cost, known at its end. */
export interface InvocationFigures {
  readonly wallMs: number;
  readonly cpuMs: number;
  /** 0 when it was over before anybody measured. */
  readonly memoryBytes: number;
  readonly responseBytes: number;
  readonly logBytes: number;
  readonly subrequests: number;
  /** Whether it waited for an instance: a program for one that was not prewarmed, a function for one that had to load it. */
  readonly cold: boolean;
}

/** How an invocation ended. */
export interface InvocationEnd {
  /** Why it failed; undefined when the answer was complete. */
  readonly error?: import("./errors.ts").IsopodError;
  readonly figures: InvocationFigures;
}

/** A message of a WebSocket. */
export type SocketMessage = string | Uint8Array;

/** The two directions of a WebSocket that a function has accepted. */
export interface InvocationSocket {
  /** Hands the client's message to the function; false when the function is not keeping up and must not be sent more. */
  send(message: SocketMessage): boolean;
  /** The client closed. */
  close(code: number, reason: string): void;
  /** Sets who receives what the function sends; called once, before anything is delivered. */
  listen(peer: {
    message(message: SocketMessage): void;
    close(code: number, reason: string): void;
    /** The function can be sent more, after `send` said that it could not. */
    writable(): void;
  }): void;
  /** Says that `bytes` of the function's messages have left, so that it may send as many again. */
  drained(bytes: number): void;
}

/**
 * What the response cache did for an answer: gave what it kept, fresh (`hit`), stale (`stale`) or after asking
 * (`revalidated`), gave what another request was being answered (`collapsed`), or keeps it (`miss`).
 */
export type CacheUse = "hit" | "stale" | "revalidated" | "collapsed" | "miss";

/** The answer of an invocation, from its head on. */
export interface InvocationResponse {
  readonly status: number;
  readonly headers: HeaderList;
  /** Errors when the invocation is ended before its body is complete. */
  readonly body: Body;
  /** In the place of `body` where it is long and there as a whole: it is sent without being copied for its client. */
  readonly blob?: Blob | undefined;
  /** Whether the program was a script: its body is what it writes, as it writes it. */
  readonly script: boolean;
  readonly socket?: InvocationSocket | undefined;
  /** What the response cache did for it; undefined when it did nothing. */
  readonly cache?: CacheUse | undefined;
  /** How everything about the invocation ended, when that is known already: who looks need not wait for `ended`. */
  readonly over?: InvocationEnd | undefined;
  /** Settles when everything about the invocation is over; never rejects. */
  readonly ended: Promise<InvocationEnd>;
}

/** Calls `then` with the end of `response`'s invocation: now, when it is over. */
export function whenOver(response: InvocationResponse, then: (end: InvocationEnd) => void): void {
  const { over } = response;
  if (over === undefined) response.ended.then(then);
  else then(over);
}

/** What is to be run: a version of a function, or a program that came with the request. */
export type Target =
  | { readonly kind: "function"; readonly version: FunctionVersion; readonly limits: Limits }
  | {
      readonly kind: "program";
      /** Of the caller's key. */
      readonly project: string;
      /** Name of the caller's plan. */
      readonly plan: string;
      readonly program: Program | WasmProgram | BrowserProgram;
      readonly env: Readonly<Record<string, string>>;
      readonly egress: EgressGrant;
      readonly bindings: ReadonlyMap<string, BindingGrant>;
      readonly limits: Limits;
      /** What the plan runs around it; undefined where it runs nothing. */
      readonly middlewares?: MiddlewareChain | undefined;
    };

/**
 * Runs invocations. The gateway's view of everything behind it.
 *
 * Errors are `IsopodError`s: `overloaded` when there is no room, the limit that struck, `client_gone` when the
 * signal fired, `uncaught_exception` when the program threw before it answered.
 */
export interface Invoker {
  invoke(target: Target, request: InvocationRequest): Promise<InvocationResponse>;
}
