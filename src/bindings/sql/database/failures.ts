/** What SQLite complains of, by the names of the catalogue. */
import type { SqlLimits } from "../limits.ts";
import { Refusal } from "./refusal.ts";

const OUT_OF_MEMORY = 7;
const FULL = 13;
const TOO_BIG = 18;
const RANGE = 25;
/** A write that failed though the disk is not full: the file would be larger than the process may make one. */
const FILE_TOO_LARGE = 10 | (3 << 8);
/** Plain errors, constraints, and types that do not fit: whoever wrote the statement mends them. */
const CALLERS = new Set([1, 8, 12, 17, 19, 20, TOO_BIG, RANGE]);

/** An error as the caller may see it; undefined for one that is ours. */
export function refusalFor(error: unknown, limits: SqlLimits): Refusal | undefined {
  if (error instanceof Refusal) return error;
  const { errcode, message, code } = error as { errcode?: number; message?: string; code?: string };
  const primary = errcode === undefined ? undefined : errcode & 0xff;
  const action = `Cannot run the statement: ${message}`;
  if (errcode === FILE_TOO_LARGE) {
    const { databaseBytesMax: value } = limits;
    const said = `Cannot run the statement: what it has to put aside is over ${value} bytes`;
    return new Refusal("database_full", said, { name: "databaseBytesMax", value });
  }
  switch (primary) {
    case FULL: {
      const { databaseBytesMax: value } = limits;
      const limit = { name: "databaseBytesMax", value };
      return new Refusal("database_full", `Cannot write: the database may have ${value} bytes at the most`, limit);
    }
    case TOO_BIG: {
      const { valueBytesMax: value } = limits;
      return new Refusal("value_too_large", action, { name: "valueBytesMax", value });
    }
    case OUT_OF_MEMORY: {
      const { memoryBytesMax: value } = limits;
      return new Refusal("sql_memory_limit", action, { name: "memoryBytesMax", value });
    }
    case undefined:
      return code?.startsWith("ERR_") ? new Refusal("sql_error", action) : undefined;
    default:
      return CALLERS.has(primary) ? new Refusal("sql_error", action) : undefined;
  }
}
