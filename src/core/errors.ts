/**
 * The catalogue of everything that Isopod tells a caller when it cannot answer.
 *
 * `user` kinds are the caller's or the program's to mend and carry details; `system` kinds are ours, the caller sees
 * one sentence and the request id, and the log has the rest. `docs/errors.md` is kept the same by a test.
 */

/** Whose mistake it is. */
export type ErrorKind = "user" | "system";

/** One entry of the catalogue. */
export interface ErrorRule {
  readonly status: number;
  readonly kind: ErrorKind;
  readonly sentence: string;
}

const user = (status: number, sentence: string): ErrorRule => ({ status, kind: "user", sentence });
const system = (status: number, sentence: string): ErrorRule => ({ status, kind: "system", sentence });

/** All errors by their code. */
export const ERROR_RULES = {
  bad_request: user(400, "The request is not of the form that was expected."),
  sql_error: user(400, "The statement cannot be run."),
  syntax_error: user(400, "The program cannot be parsed."),
  unresolved_import: user(400, "An import of the program cannot be resolved."),
  unauthorized: user(401, "The API key is not known, or its form is wrong."),
  run_not_allowed: user(403, "The caller's plan does not allow programs to be run."),
  not_pinned: user(403, "The caller's plan runs pinned programs only, and this one is not pinned."),
  forbidden: user(403, "The key does not allow this."),
  quota_exceeded: user(403, "The project has no more of what was asked for."),
  source_refused: user(403, "The program's address is not under an allowed source."),
  origin_refused: user(403, "The web page's origin may not call this server."),
  host_refused: user(403, "The Host header does not name this server."),
  egress_denied: user(403, "The outgoing request is not on the allow-list."),
  binding_denied: user(403, "The program does not hold this binding, or not for this."),
  not_found: user(404, "Nothing answers at this address."),
  version_unknown: user(404, "The function has no such version."),
  method_not_allowed: user(405, "The address exists, but not for this method."),
  body_timeout: user(408, "The request's body did not arrive in time."),
  version_ambiguous: user(409, "Several versions begin like this."),
  name_taken: user(409, "The name is taken."),
  route_taken: user(409, "The route is taken."),
  in_use: user(409, "It is in use, and cannot be deleted."),
  changed_meanwhile: user(412, "It has changed since it was read."),
  body_too_large: user(413, "The request's body is over its limit."),
  code_too_large: user(413, "The program's source is over its limit."),
  value_too_large: user(413, "The value is over its limit."),
  result_too_large: user(413, "The result is over its limit."),
  integrity_mismatch: user(422, "The program's hash is not the one that was asked for."),
  program_invalid: user(422, "The program cannot be deployed, because it does not load."),
  blobs_missing: user(422, "The deploy names contents that the server does not have."),
  rate_limited: user(429, "The caller is over the rate of its plan."),
  concurrency_limited: user(429, "The caller is over the concurrency of its plan."),
  call_depth: user(500, "Functions call one another deeper than the limit."),
  uncaught_exception: user(500, "The program threw."),
  init_failed: user(500, "The program failed while it was starting."),
  dialect_error: user(500, "The program broke the protocol of its dialect."),
  invalid_result: user(500, "The program's result cannot be sent as a response."),
  cpu_limit: user(500, "The program used more processor time than its limit."),
  memory_limit: user(500, "The program used more memory than its limit."),
  response_limit: user(500, "The program's response is over its limit."),
  log_limit: user(500, "The program wrote more log output than its limit."),
  subrequest_limit: user(500, "The program made more outgoing requests than its limit."),
  program_ended: user(500, "The program's process ended before it had answered."),
  sql_memory_limit: user(500, "The statement used more memory than its limit."),
  database_ended: user(500, "The database's process ended before it had answered."),
  binding_failed: user(502, "What is bound cannot be used now."),
  database_lost: user(502, "The database's connection ended before the call was done; nothing of it is there."),
  source_unavailable: user(502, "The program could not be fetched from its source."),
  middleware_failed: user(502, "A middleware failed."),
  middleware_invalid: user(502, "A middleware answered what cannot be used."),
  middleware_limit: user(502, "What a middleware was given or gave is over its limit."),
  egress_failed: user(502, "The outgoing request failed."),
  not_cached: user(504, "Nothing is kept that answers the request."),
  middleware_timeout: user(504, "A middleware took longer than its limit."),
  wall_limit: user(504, "The program ran longer than its limit."),
  sql_timeout: user(504, "The database worked longer than its limit."),
  database_full: user(507, "The database is at its largest size."),
  client_gone: user(499, "The caller hung up before the answer was complete."),
  internal: system(500, "Internal error."),
  overloaded: system(503, "The server has no room for the request now."),
  store_unavailable: system(503, "What is deployed cannot be changed now."),
  draining: system(503, "The server is shutting down."),
  start_failed: system(503, "No instance could be started."),
  protocol_error: system(500, "The instance broke the protocol and was ended."),
  store_unusable: system(500, "The store cannot be used."),
  storage_full: system(507, "The server's disk is full."),
} as const satisfies Record<string, ErrorRule>;

/** A code of the catalogue. */
export type ErrorCode = keyof typeof ERROR_RULES;

/** The limit that struck: its name in the API, its value and unit as in `core/limits.ts`. */
export interface StruckLimit {
  readonly name: string;
  readonly value: number;
}

/** Where in the caller's program the mistake is; both count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** What an error may carry beside its code. */
export interface ErrorDetails {
  /** What went wrong, in a sentence that names the action and the value; the catalogue's sentence when left out. */
  readonly message?: string | undefined;
  readonly limit?: StruckLimit | undefined;
  readonly position?: Position | undefined;
  /** The program's stack, for its own log. */
  readonly stack?: string | undefined;
  /** Seconds after which trying again may help; becomes `Retry-After`. */
  readonly retryAfterSeconds?: number | undefined;
  /** The methods that an address does answer; becomes `Allow`. */
  readonly allow?: readonly string[] | undefined;
  /** What only our log may see. */
  readonly cause?: unknown;
}

/** An error of the catalogue. */
export class IsopodError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, details: ErrorDetails = {}) {
    super(details.message ?? ERROR_RULES[code].sentence, { cause: details.cause });
    this.name = "IsopodError";
    this.code = code;
    this.details = details;
  }

  /** HTTP status of the code. */
  get status(): number {
    return ERROR_RULES[this.code].status;
  }

  /** Whose mistake it is. */
  get kind(): ErrorKind {
    return ERROR_RULES[this.code].kind;
  }
}

/** Whether `value` is a code of the catalogue. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(ERROR_RULES, value);
}

/** `value` as an error of the catalogue: as it is when it is one, else `internal` with `value` as its cause. */
export function toIsopodError(value: unknown): IsopodError {
  return value instanceof IsopodError ? value : new IsopodError("internal", { cause: value });
}

/** The `error` object of the API. */
export interface ErrorBody {
  readonly code: ErrorCode;
  readonly message: string;
  readonly request_id: string;
  readonly limit?: StruckLimit;
  readonly line?: number;
  readonly column?: number;
}

/** What a caller may see of `error`: everything of a user error, one sentence of a system error. */
export function errorBody(error: IsopodError, requestId: string): ErrorBody {
  const { limit, position } = error.details;
  return {
    code: error.code,
    message: error.kind === "user" ? error.message : ERROR_RULES[error.code].sentence,
    request_id: requestId,
    ...(limit && { limit }),
    ...(position && { line: position.line, column: position.column }),
  };
}
