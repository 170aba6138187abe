/**
 * Calls of deployed functions from inside the server: by other functions, by schedules, by queues. Never through the
 * network, and never past the callee's own limits.
 *
 * The gateway implements it, which knows what is deployed; bindings and triggers use it.
 */
import type { FunctionVersion } from "./function.ts";
import type { Body, Entry, HeaderList, InvocationEnd, InvocationResponse, LogLine } from "./invocation.ts";
import type { Limits } from "./limits.ts";

/** How many calls of functions by functions may stand upon one another. */
export const CALL_DEPTH_MAX = 8;

/** Who hears what becomes of a call, beside its answer. */
export interface CallObserver {
  /** The version that answers: one of those that the alias stands for. */
  chosen?(version: FunctionVersion): void;
  /** The function has written a line. */
  log?(line: LogLine): void;
  /** Everything about the invocation is over, also when it failed before it had answered; never for a static file. */
  ended?(end: InvocationEnd): void;
}

/** A call. */
export interface InternalCall {
  readonly project: string;
  readonly functionName: string;
  /** Which of the function's aliases; `production` when left out. */
  readonly alias?: string | undefined;
  /** Whatever names one version, in the place of an alias. */
  readonly version?: string | undefined;
  /** The id of the request; a new one when left out. */
  readonly requestId?: string | undefined;
  /** The id of the request on whose behalf the call is made. */
  readonly parentRequestId?: string | undefined;
  /** Who calls, such as `function:cart` or `schedule:nightly`: for the access log, and the callee's `Isopod-Caller`. */
  readonly source: string;
  readonly method: string;
  /** Absolute. Its host leads nowhere; where its path is on a route of the function, that says the path's parameters. */
  readonly url: string;
  readonly headers: HeaderList;
  readonly body: Body;
  /** How the function is entered; by its `fetch` when left out. */
  readonly entry?: Entry | undefined;
  /** The export that is called, with `entry` being `rpc`. */
  readonly exportName?: string | undefined;
  /** `ctx.args`, as JSON text. No request from outside can set it. */
  readonly argsJson?: string | undefined;
  /** Of the caller's plan: the lower of these and the callee's count. */
  readonly limits?: Partial<Limits> | undefined;
  readonly observer?: CallObserver | undefined;
  /** How many calls stand above this one: 1 for one that an invocation from outside makes. */
  readonly depth: number;
  /** When the caller ends, in milliseconds since the Unix epoch; the callee ends no later. */
  readonly deadline?: number | undefined;
  /** Fires when the caller ends or gives the call up; the callee ends at once. */
  readonly signal: AbortSignal;
}

/** The port. */
export interface FunctionCaller {
  /**
   * Calls a function; the answer's body streams.
   * @throws {IsopodError} `not_found`, `call_depth`, or what ended the callee before it had answered
   */
  call(call: InternalCall): Promise<InvocationResponse>;
}
