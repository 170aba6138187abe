/**
 * What a function did wrong, as its caller is told: an answer of 200 with `X-Amz-Function-Error`, and what is wrong in the
 * payload. What this server did wrong is no such answer.
 */
import { type ErrorCode, type IsopodError, toIsopodError } from "../../core/errors.ts";
import { PAYLOAD_BYTES_MAX } from "./invocation_request.ts";

/** What a function did wrong. */
export interface FunctionFailure {
  /** `Handled` when the function has said so by itself. */
  readonly kind: "Handled" | "Unhandled";
  readonly payload: Uint8Array;
  /** What its log ends with; undefined when the function has said by itself what is wrong. */
  readonly logLine?: string;
}

/** The codes of what a function does wrong, with what AWS calls it where it has a word. */
const FAULTS: Partial<Record<ErrorCode, string>> = {
  uncaught_exception: "Error",
  syntax_error: "Runtime.UserCodeSyntaxError",
  unresolved_import: "Runtime.ImportModuleError",
  invalid_result: "Runtime.InvalidResult",
  init_failed: "Runtime.InitError",
  dialect_error: "Runtime.InvalidResponse",
  program_ended: "Runtime.ExitError",
  memory_limit: "Runtime.OutOfMemory",
  wall_limit: "Sandbox.Timedout",
  cpu_limit: "Isopod.CpuLimit",
  response_limit: "Function.ResponseSizeTooLarge",
  log_limit: "Isopod.LogLimit",
  subrequest_limit: "Isopod.SubrequestLimit",
  call_depth: "Isopod.CallDepth",
  protocol_error: "Runtime.ExitError",
};

/** What a function did that ended with `thrown`. @throws `thrown` when that is no mistake of the function */
export function failureOf(thrown: unknown, requestId: string): FunctionFailure {
  const error = toIsopodError(thrown);
  const errorType = FAULTS[error.code];
  if (errorType === undefined) throw thrown;
  const description = describe(error);
  const { errorMessage, ofPlatform } = description;
  if (ofPlatform === true) {
    return unhandled({ errorType, errorMessage: `RequestId: ${requestId} Error: ${errorMessage}` }, errorMessage);
  }
  return unhandled({ errorType, ...description }, error.message);
}

/** The function has answered more than an invocation may. */
export function tooLarge(): FunctionFailure {
  const errorMessage = `Response payload size exceeded maximum allowed payload size (${PAYLOAD_BYTES_MAX} bytes).`;
  return unhandled({ errorType: "Function.ResponseSizeTooLarge", errorMessage }, errorMessage);
}

/** The function has answered with the status of an error. */
export function answeredError(status: number, body: Uint8Array, isJsonAnswer: boolean): FunctionFailure {
  if (isJsonAnswer && body.length > 0) return { kind: "Handled", payload: body };
  const errorMessage = new TextDecoder().decode(body.subarray(0, 64 * 1024)) || `The function answered ${status}`;
  return { kind: "Handled", payload: jsonOf({ errorType: `HttpStatus${status}`, errorMessage }) };
}

function unhandled(payload: object, logLine: string): FunctionFailure {
  return { kind: "Unhandled", payload: jsonOf(payload), logLine };
}

function jsonOf(payload: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(payload));
}

interface Description {
  readonly errorMessage: string;
  readonly errorType?: string;
  readonly trace?: readonly string[];
  /** Whether the platform says so, and not the function. */
  readonly ofPlatform?: boolean;
}

function describe({ code, message, details }: IsopodError): Description {
  if (code === "wall_limit") {
    const seconds = ((details.limit?.value ?? 0) / 1000).toFixed(2);
    return { errorMessage: `Task timed out after ${seconds} seconds`, ofPlatform: true };
  }
  if (code === "protocol_error") return { errorMessage: "Runtime exited", ofPlatform: true };
  if (code !== "uncaught_exception") return { errorMessage: message, ofPlatform: true };
  const [, errorType, errorMessage = message] = /^([A-Za-z_$][\w.$]*): ([\s\S]*)$/.exec(message) ?? [];
  const trace = details.stack?.split("\n").map((line) => line.trim());
  return { errorMessage, ...(errorType && { errorType }), ...(trace && { trace }) };
}
