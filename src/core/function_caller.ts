/**
 * Calls of deployed functions from inside the server: by other functions, by schedules, by queues. Never through the
 * network, and never past the callee's own limits.
 *
 * The gateway implements it, which knows what is deployed; bindings and triggers use it.
 */
import type { Body, Entry, HeaderList, InvocationResponse } from "./invocation.ts";

/** How many calls of functions by functions may stand upon one another. */
export const CALL_DEPTH_MAX = 8;

/** A call. */
export interface InternalCall {
  readonly project: string;
  readonly functionName: string;
  /** Which of the function's aliases; `production` when left out. */
  readonly alias?: string | undefined;
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
