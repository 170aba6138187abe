/**
 * The errors that a guest may give as its own: of the catalogue, those that a program can be guilty of.
 *
 * Whatever else it says has a code that accuses nobody but the program, so that no guest can speak as the platform.
 */
import { type ErrorCode, IsopodError, isErrorCode } from "../core/errors.ts";
import type { ResetReason } from "../wire/heads.ts";

/** Codes that a guest may give as the reason for a reset. */
const GUEST_CODES = new Set<ErrorCode>([
  ...(["uncaught_exception", "syntax_error", "unresolved_import", "invalid_result"] as const),
  // Of programs beside a guest, which says what they or their callers did wrong.
  ...(["init_failed", "dialect_error", "response_limit", "bad_request", "body_too_large"] as const),
]);

/** Codes that the guest of middlewares may give beside them. */
const HOOK_CODES = new Set<ErrorCode>([
  ...(["middleware_failed", "middleware_invalid", "middleware_limit", "middleware_timeout"] as const),
]);

/** After these the program cannot be trusted with another invocation, whatever it does. */
const ENDING_CODES = new Set<ErrorCode>(["dialect_error", "response_limit", "program_ended"]);

/** Whether an instance of which a guest has told `error` must not go on. */
export function endsInstance(error: IsopodError): boolean {
  return ENDING_CODES.has(error.code);
}

/** What the guest says it failed of; it may say only what a program, or with `hooks` a middleware, can be guilty of. */
export function errorFromGuest(reason: ResetReason, hooks = false): IsopodError {
  const { code, message, stack, line, column } = reason;
  const known =
    isErrorCode(code) && (GUEST_CODES.has(code) || (hooks && HOOK_CODES.has(code))) ? code : "program_ended";
  const position = line !== undefined && column !== undefined ? { line, column } : undefined;
  return new IsopodError(known, { message, stack, position });
}
