/**
 * What the Lambda API answers when it cannot do what was asked: AWS's exceptions, by the names that its SDKs know, in the
 * form in which they read them (`x-amzn-ErrorType`, and a body of `Type` and `Message`).
 *
 * Source: the API reference of AWS Lambda, "Common Errors" and the errors of each action.
 */
import { type ErrorCode, errorBody, IsopodError, type StruckLimit } from "../../core/errors.ts";

/** The exceptions that are used, and their statuses. */
const STATUS = {
  AccessDeniedException: 403,
  IncompleteSignatureException: 403,
  InvalidSignatureException: 403,
  MissingAuthenticationTokenException: 403,
  UnrecognizedClientException: 403,
  InvalidParameterValueException: 400,
  InvalidRequestContentException: 400,
  CodeStorageExceededException: 400,
  AliasLimitExceededException: 400,
  ResourceNotFoundException: 404,
  UnknownOperationException: 404,
  ResourceConflictException: 409,
  PreconditionFailedException: 412,
  RequestTooLargeException: 413,
  UnsupportedMediaTypeException: 415,
  TooManyRequestsException: 429,
  ServiceException: 500,
} as const;

/** The name of an exception. */
export type LambdaErrorType = keyof typeof STATUS;

/** An exception of the API. */
export class LambdaError extends Error {
  override readonly name = "LambdaError";
  readonly type: LambdaErrorType;
  /** The reason of a `TooManyRequestsException`. */
  readonly reason: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(type: LambdaErrorType, message: string, more: { reason?: string; retryAfterSeconds?: number } = {}) {
    super(message);
    this.type = type;
    this.reason = more.reason;
    this.retryAfterSeconds = more.retryAfterSeconds;
  }
}

/** @throws {LambdaError} `InvalidParameterValueException` */
export function invalid(message: string): never {
  throw new LambdaError("InvalidParameterValueException", message);
}

/** Whose mistake each of our own errors is, in AWS's terms; what is not here is ours. */
const TYPES: Partial<Record<ErrorCode, LambdaErrorType>> = {
  bad_request: "InvalidParameterValueException",
  syntax_error: "InvalidParameterValueException",
  unresolved_import: "InvalidParameterValueException",
  program_invalid: "InvalidParameterValueException",
  integrity_mismatch: "InvalidParameterValueException",
  blobs_missing: "InvalidParameterValueException",
  code_too_large: "InvalidParameterValueException",
  value_too_large: "InvalidParameterValueException",
  unauthorized: "UnrecognizedClientException",
  forbidden: "AccessDeniedException",
  quota_exceeded: "CodeStorageExceededException",
  not_found: "ResourceNotFoundException",
  version_unknown: "ResourceNotFoundException",
  version_ambiguous: "InvalidParameterValueException",
  name_taken: "ResourceConflictException",
  route_taken: "ResourceConflictException",
  in_use: "ResourceConflictException",
  changed_meanwhile: "PreconditionFailedException",
  body_too_large: "RequestTooLargeException",
  body_timeout: "InvalidRequestContentException",
  rate_limited: "TooManyRequestsException",
  concurrency_limited: "TooManyRequestsException",
  overloaded: "TooManyRequestsException",
};

/** What a limit that struck is called in the `Reason` of a `TooManyRequestsException`. */
function reasonOf(code: ErrorCode, limit: StruckLimit | undefined): string {
  if (limit?.name === "reservedConcurrency") return "ReservedFunctionConcurrentInvocationLimitExceeded";
  return code === "rate_limited" ? "CallerRateLimitExceeded" : "ConcurrentInvocationLimitExceeded";
}

/** `error` as an exception of the API. */
export function toLambdaError(error: unknown): LambdaError {
  if (error instanceof LambdaError) return error;
  if (!(error instanceof IsopodError)) return new LambdaError("ServiceException", "Internal error.");
  const { code, details } = error;
  const { message } = errorBody(error, "");
  const type = TYPES[code] ?? "ServiceException";
  const retry = details.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: details.retryAfterSeconds };
  if (type !== "TooManyRequestsException") return new LambdaError(type, message, retry);
  return new LambdaError(type, message, { retryAfterSeconds: 1, ...retry, reason: reasonOf(code, details.limit) });
}

/** The answer that says it. */
export function failureResponse(error: LambdaError, requestId: string): Response {
  const { type, message, reason, retryAfterSeconds } = error;
  const isServer = STATUS[type] >= 500;
  const body = { Type: isServer ? "Service" : "User", Message: message, message, ...(reason && { Reason: reason }) };
  const headers: [string, string][] = [
    ["content-type", "application/json"],
    ["x-amzn-errortype", type],
    ["x-amzn-requestid", requestId],
  ];
  if (retryAfterSeconds !== undefined) headers.push(["retry-after", String(Math.ceil(retryAfterSeconds))]);
  return new Response(JSON.stringify(body), { status: STATUS[type], headers });
}
