/** What SQLite and the disk complain of, by the names of the catalogue. */
import { IsopodError } from "./errors.ts";

const BUSY = 5;
const FULL = 13;

/** An error of SQLite or of the disk as one of the catalogue; our own as they are. */
export function nameFailure(error: unknown, path: string): IsopodError {
  if (error instanceof IsopodError) return error;
  const { errcode, code } = error as { errcode?: number; code?: string };
  const primary = (errcode ?? 0) & 0xff;
  if (primary === FULL || code === "ENOSPC" || code === "EDQUOT") {
    return new IsopodError("storage_full", { message: `Cannot use ${path}: the disk is full.`, cause: error });
  }
  if (primary === BUSY) {
    return new IsopodError("overloaded", {
      message: `Cannot use ${path}: another process has locked it.`,
      cause: error,
    });
  }
  const why = error instanceof Error ? error.message : String(error);
  return new IsopodError("store_unusable", { message: `Cannot use ${path}: ${why}.`, cause: error });
}
