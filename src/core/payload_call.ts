/**
 * Calls of a function by a payload and not by a request, as the invoke API makes them: which call of `function_caller.ts`
 * that is, and how those look that nobody waits for.
 *
 * A function of any engine gets the payload as a POST. `ctx.args.lambda` says what is known of the invocation; no request
 * from outside can set it.
 */
import type { CallObserver, FunctionCaller } from "./function_caller.ts";
import type { InvocationResponse } from "./invocation.ts";
import type { Limits } from "./limits.ts";

/** A call by a payload. */
export interface PayloadCall {
  readonly project: string;
  readonly functionName: string;
  /** One of the function's aliases; `production` when neither this nor `version` is said. */
  readonly alias?: string | undefined;
  /** Whatever names one version. */
  readonly version?: string | undefined;
  readonly requestId: string;
  readonly payload: Uint8Array;
  /** What `ctx.args.lambda` says, as JSON text. */
  readonly toldJson: string;
}

/** What else a caller who waits may say. */
export interface PayloadCallOptions {
  readonly source: string;
  readonly signal: AbortSignal;
  readonly limits?: Partial<Limits> | undefined;
  readonly observer?: CallObserver | undefined;
}

/** An invocation that nobody waits for. */
export interface QueuedInvocation extends PayloadCall {
  /** Of the plan by which it was taken. */
  readonly limits?: Partial<Limits> | undefined;
  /** Attempts after the first. */
  readonly retries: number;
  /** When it is given up, in milliseconds after it was taken. */
  readonly ageMsMax: number;
}

/** What became of invocations that nobody waits for, since the server started. */
export interface AsyncFigures {
  readonly accepted: number;
  readonly succeeded: number;
  /** Attempts. */
  readonly failed: number;
  /** Given up: failed for the last time, or too old. */
  readonly dead: number;
}

/** Takes invocations that nobody waits for. */
export interface AsyncInvoker {
  /** Takes one, durable when it resolves. @throws {IsopodError} `quota_exceeded` */
  enqueue(invocation: QueuedInvocation): Promise<void>;
}

/** Calls the function. @throws {IsopodError} what ended it before it had answered */
export function callByPayload(
  caller: FunctionCaller,
  { project, functionName, alias, version, requestId, payload, toldJson }: PayloadCall,
  { source, signal, limits, observer }: PayloadCallOptions,
): Promise<InvocationResponse> {
  // Many a program that serves HTTP takes no body without its length.
  const headers = [
    ["content-type", "application/json"],
    ["content-length", String(payload.length)],
  ] as const;
  return caller.call({
    ...{ project, functionName, alias, version, requestId, source, signal, limits, observer },
    ...{ method: "POST", url: `http://${functionName}/`, headers, body: payload, depth: 0 },
    argsJson: `{"lambda":${toldJson}}`,
  });
}
