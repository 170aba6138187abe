/**
 * A SQLite file that is one part's own: made when it is missing, durable in what is committed, and refused when it is
 * something else or of a newer version.
 */
import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { IsopodError } from "../core/errors.ts";
import { nameFailure } from "../core/storage_failure.ts";

/** What the file is. */
export interface SqliteFile {
  readonly path: string;
  /** Four bytes that tell it from others; the schema is version 1 of it. */
  readonly applicationId: number;
  /** Makes the tables. */
  readonly schemaSql: string;
}

const SCHEMA = 1;

/** How long another process that has the file open, such as one that makes a copy, may lock it. */
const BUSY_MS_MAX = 1000;

/** Opens or makes the file, with its folder. @throws {IsopodError} `store_unusable`, `storage_full` */
export function openSqliteFile({ path, applicationId, schemaSql }: SqliteFile): DatabaseSync {
  const directory = dirname(path);
  let database: DatabaseSync | undefined;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    database = new DatabaseSync(path);
    chmodSync(path, 0o600);
    database.exec(`PRAGMA busy_timeout = ${BUSY_MS_MAX}; PRAGMA trusted_schema = OFF; PRAGMA journal_mode = WAL`);
    database.exec("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864");
    database.exec("BEGIN IMMEDIATE");
    if (isEmpty(database, path, applicationId)) {
      database.exec(`${schemaSql}; PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${SCHEMA}`);
    }
    database.exec("COMMIT");
    for (const folder of [directory, dirname(directory)]) syncFolder(folder);
    return database;
  } catch (error) {
    database?.close();
    throw nameFailure(error, path);
  }
}

/** @throws {IsopodError} `store_unusable` for a file of something else, or of a newer version */
function isEmpty(database: DatabaseSync, path: string, applicationId: number): boolean {
  const number = (pragma: string) => Object.values(database.prepare(`PRAGMA ${pragma}`).get() ?? {})[0];
  const application = number("application_id");
  const schema = number("user_version");
  if (application === applicationId && schema === SCHEMA) return false;
  const { tables } = database.prepare("SELECT count(*) AS tables FROM sqlite_schema").get() as { tables: number };
  if (application === 0 && schema === 0 && tables === 0) return true;
  const why = application === applicationId ? `its schema is ${schema}, not ${SCHEMA}` : "it is of something else";
  throw new IsopodError("store_unusable", { message: `Cannot use ${path}: ${why}.` });
}

/** Makes the names in a folder durable. */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
