/**
 * The states of a runtime that speaks AWS's Runtime API, and which call is allowed in which; names, answers and texts are
 * those of AWS's own Runtime Interface Emulator.
 */

/** A state. */
export type RuntimeState =
  | "RuntimeStarted"
  | "RuntimeInitError"
  | "RuntimeReady"
  | "RuntimeRunning"
  | "RuntimeInvocationResponse"
  | "RuntimeInvocationErrorResponse"
  | "RuntimeResponseSent";

/** What an error is answered with. */
export interface ApiError {
  readonly status: number;
  readonly errorType: string;
  readonly errorMessage: string;
}

/** From which states a state may be entered. A runtime that runs may ask again, and is given the same event again. */
const ENTERED_FROM: Readonly<Record<RuntimeState, readonly RuntimeState[]>> = {
  RuntimeStarted: [],
  RuntimeInitError: ["RuntimeStarted"],
  RuntimeReady: ["RuntimeStarted", "RuntimeReady", "RuntimeRunning", "RuntimeResponseSent"],
  RuntimeRunning: ["RuntimeReady"],
  RuntimeInvocationResponse: ["RuntimeRunning"],
  RuntimeInvocationErrorResponse: ["RuntimeRunning"],
  RuntimeResponseSent: ["RuntimeInvocationResponse", "RuntimeInvocationErrorResponse"],
};

/** Why a runtime in state `from` may not go to `to`; undefined when it may. */
export function transitionError(from: RuntimeState, to: RuntimeState): ApiError | undefined {
  if (ENTERED_FROM[to].includes(from)) return undefined;
  return {
    status: 403,
    errorType: "InvalidStateTransition",
    errorMessage: `Transition from ${from} to ${to} failed for runtime. Error: State transition is not allowed`,
  };
}

/** The request names an invocation that is not the present one. */
export const INVALID_REQUEST_ID: ApiError = {
  status: 400,
  errorType: "InvalidRequestID",
  errorMessage: "Invalid request ID",
};

/** The request asks for another mode than `streaming`. */
export const INVALID_RESPONSE_MODE: ApiError = {
  status: 400,
  errorType: "InvalidFunctionResponseMode",
  errorMessage: "Invalid function response mode",
};

/** The answer was cut off. */
export const TRUNCATED: ApiError = {
  status: 400,
  errorType: "TruncatedHTTPRequest",
  errorMessage: "HTTP request detected as truncated",
};

/** The answer is over its limit. */
export function tooLarge(bytesMax: number): ApiError {
  return {
    status: 413,
    errorType: "RequestEntityTooLarge",
    errorMessage: `Exceeded maximum allowed payload size (${bytesMax} bytes).`,
  };
}
