/** What SQLite complains of, by the names of the catalogue, and what is tried again. */
import { IsopodError } from "../../core/errors.ts";
import { storeClosed } from "../../core/store_rules.ts";

/** How long opening waits for others that open, and a write for the writes of other processes. */
export const BUSY_MS_MAX = 10_000;
const RETRY_MS_MAX = 8;

const BUSY = 5;
const IO_ERROR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANNOT_OPEN = 14;
const NOT_A_DATABASE = 26;
/** The index of the log could not grow: what a full disk looks like there. */
const IO_ERROR_SHM_SIZE = IO_ERROR | (19 << 8);

/**
 * Runs `attempt` again while another process has the lock that it needs, without holding up the event loop.
 * @throws {IsopodError} `overloaded` when that takes too long; then nothing has been done
 */
export async function whileBusy<T>(attempt: () => T): Promise<T> {
  const until = performance.now() + BUSY_MS_MAX;
  for (;;) {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error)) throw nameFailure(error, "Cannot use the store");
      if (performance.now() > until) {
        throw new IsopodError("overloaded", {
          message: `Cannot use the store: another process has locked it for ${BUSY_MS_MAX} ms.`,
          cause: error,
        });
      }
    }
    await Bun.sleep(1 + Math.random() * (RETRY_MS_MAX - 1));
  }
}

/** Whether another connection has the lock that was needed; nothing has been done then. */
export function isBusy(error: unknown): boolean {
  return primaryCode(error) === BUSY;
}

/** Whether `error`, of a commit, leaves open if the transaction will be there after a restart. */
export function leavesOpen(error: unknown): boolean {
  return primaryCode(error) === IO_ERROR && errorCode(error) !== IO_ERROR_SHM_SIZE;
}

/** An error of SQLite, or of a full disk, as one of the catalogue; others as they are. */
export function nameFailure(error: unknown, action: string): unknown {
  const code = primaryCode(error);
  const { code: name = "", message } = error as NodeJS.ErrnoException;
  if (code === FULL || errorCode(error) === IO_ERROR_SHM_SIZE || name === "ENOSPC") {
    return new IsopodError("storage_full", { message: `${action}: the disk is full.`, cause: error });
  }
  if (code === CORRUPT || code === NOT_A_DATABASE) return damaged(action, message, error);
  if (name === "ERR_INVALID_STATE") return storeClosed();
  if (code === CANNOT_OPEN || code === IO_ERROR) return unusable(action, message, error);
  return error;
}

/** Whatever went wrong while the store was opened, as an error of the catalogue that names the file. */
export function nameOpening(error: unknown, path: string): IsopodError {
  const action = `Cannot open the store ${path}`;
  const named = nameFailure(error, action);
  return named instanceof IsopodError ? named : unusable(action, String((error as Error).message), error);
}

/** The error of a file that is no whole database. */
export function damaged(action: string, what: string, cause?: unknown): IsopodError {
  return unusable(action, `the file is damaged (${what}); put a copy of it in its place`, cause);
}

function unusable(action: string, why: string, cause: unknown): IsopodError {
  return new IsopodError("store_unusable", { message: `${action}: ${why}.`, cause });
}

function errorCode(error: unknown): number | undefined {
  return (error as { errcode?: number } | undefined)?.errcode;
}

function primaryCode(error: unknown): number | undefined {
  const code = errorCode(error);
  return code === undefined ? undefined : code & 0xff;
}
