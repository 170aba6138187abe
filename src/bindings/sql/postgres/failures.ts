/** What PostgreSQL and the way to it complain of, by the names of the catalogue. Nothing tells where the database is. */
import { IsopodError } from "../../../core/errors.ts";
import { Refusal } from "../database/refusal.ts";
import type { SqlGrant } from "../grant.ts";

const READ_ONLY = "25006";
/** CockroachDB's word for a commit of which it does not know what became. */
const COMPLETION_UNKNOWN = "40003";

/** Whether the whole transaction may be made again: what it read has changed, or two waited for one another. */
export function isWorthRetrying(error: unknown): boolean {
  return ["40001", "40P01"].includes(stateOf(error) ?? "");
}

/** Whether it tells that the connection has ended, or is about to: with 57P01 and its like the server says so just before. */
export function isEnd(error: unknown): boolean {
  if (error instanceof IsopodError || error instanceof Refusal) return false;
  const state = stateOf(error);
  return state === undefined || /^(080|57P)/.test(state);
}

/** The connection ended before the end of the transaction was asked for: nothing of it is there. */
export class NotCommitted extends Error {
  constructor(cause: unknown) {
    super("the connection ended before the transaction did", { cause });
  }
}

/** Whether the database takes no changes from anybody now, as one that another has taken the place of. */
export function isStandby(error: unknown): boolean {
  return stateOf(error) === READ_ONLY;
}

/** An error of a call that has a connection. */
export function nameFailure(error: unknown, mode: SqlGrant["mode"]): IsopodError {
  if (error instanceof IsopodError) return error;
  if (error instanceof Refusal) return new IsopodError(error.code, { message: error.message, limit: error.limit });
  if (error instanceof NotCommitted) {
    return new IsopodError("database_lost", { cause: stateOf(error.cause) ?? codeOf(error.cause) });
  }
  const state = stateOf(error);
  if (isEnd(error) || state === COMPLETION_UNKNOWN) {
    return new IsopodError("database_ended", {
      message: "The database's connection ended before it had answered: nobody knows whether the call was done",
      cause: state ?? codeOf(error),
    });
  }
  const message = `Cannot run the statement: ${(error as Error).message} (${state})`;
  if (state === READ_ONLY) return new IsopodError(mode === "read" ? "binding_denied" : "binding_failed", { message });
  return new IsopodError(state === "53100" ? "database_full" : "sql_error", { message });
}

/** An error of connecting; what a server says then may tell who and where it is. */
export function nameConnectFailure(error: unknown): IsopodError {
  if (error instanceof IsopodError) return error;
  const state = stateOf(error);
  const why =
    state === undefined
      ? "it cannot be reached"
      : /^(28|3D000|42501)/.test(state)
        ? "it refuses who connects"
        : "it takes no connection now";
  return new IsopodError("binding_failed", {
    message: `Cannot use the database: ${why}`,
    cause: state ?? codeOf(error),
  });
}

/** SQLSTATE, five characters. */
function stateOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && code !== "EPIPE" ? code : undefined;
}

/** What the platform calls it, such as ECONNREFUSED; its text has the address in it. */
function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === "string" ? code.slice(0, 64) : "the connection has failed";
}
