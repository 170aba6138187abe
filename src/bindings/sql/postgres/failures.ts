/** What PostgreSQL and the way to it complain of, by the names of the catalogue. Nothing tells where the database is. */
import { IsopodError } from "../../../core/errors.ts";
import { Refusal } from "../database/refusal.ts";

/** Whether the whole transaction may be made again: what it read has changed, or two waited for one another. */
export function isWorthRetrying(error: unknown): boolean {
  return ["40001", "40P01"].includes(stateOf(error) ?? "");
}

/** An error as one of the catalogue. */
export function nameFailure(error: unknown): IsopodError {
  if (error instanceof IsopodError) return error;
  if (error instanceof Refusal) return new IsopodError(error.code, { message: error.message, limit: error.limit });
  const state = stateOf(error);
  const message = error instanceof Error ? error.message : String(error);
  if (state === undefined) return new IsopodError("database_ended", { cause: message });
  if (state === "53100") return new IsopodError("database_full", { cause: message });
  if (/^(08|57P0[123]|53)/.test(state)) {
    return new IsopodError("binding_failed", {
      message: "Cannot use the database: it takes no connection now",
      cause: message,
    });
  }
  if (/^28/.test(state) || state === "3D000") {
    return new IsopodError("binding_failed", {
      message: "Cannot use the database: it refuses who connects",
      cause: message,
    });
  }
  return new IsopodError("sql_error", { message: `Cannot run the statement: ${message} (${state})` });
}

/** SQLSTATE, five characters. */
function stateOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}
