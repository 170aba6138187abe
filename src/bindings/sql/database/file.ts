/** Opens the file of a database, with what SQLite itself can hold to its limits. */
import { DatabaseSync } from "node:sqlite";
import type { SqlLimits } from "../limits.ts";

/** Size of a page of a new database. */
const PAGE_BYTES = 4096;
/** How long to wait for a process of the same database that is ending. */
const BUSY_MS_MAX = 5000;
/** The log is cut to this size when its contents are in the database. */
const LOG_BYTES_KEPT = 16 * 1024 * 1024;

/** Opens or creates a database under its limits. @throws {Error} of SQLite */
export function openFile(path: string, limits: SqlLimits): { database: DatabaseSync; pageBytes: number } {
  const database = new DatabaseSync(path, {
    enableForeignKeyConstraints: true,
    defensive: true,
    timeout: BUSY_MS_MAX,
    limits: {
      length: limits.valueBytesMax,
      sqlLength: limits.statementBytesMax + 1,
      column: limits.columnsMax,
      variableNumber: limits.parametersMax,
      attach: 0,
      exprDepth: 100,
      functionArg: 100,
      likePatternLength: 1000,
      triggerDepth: 20,
    },
  });
  database.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA journal_mode = WAL`);
  // A file that was made elsewhere may have pages of another size.
  const { page_size: pageBytes } = database.prepare("PRAGMA page_size").get() as { page_size: number };
  database.exec(`
    PRAGMA synchronous = FULL;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA journal_size_limit = ${LOG_BYTES_KEPT};
    PRAGMA max_page_count = ${Math.floor(limits.databaseBytesMax / pageBytes)};
  `);
  return { database, pageBytes };
}
