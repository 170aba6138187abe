/**
 * The file that holds the KV namespaces of one project, and refuses one that is something else.
 *
 * A row is an entry, and its number is its revision: SQLite gives numbers out once, so revisions only grow. The value
 * is the last column, so that what stands before it is read without it.
 */
import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { IsopodError } from "../../core/errors.ts";
import { nameFailure } from "./failures.ts";

/** "isok" */
const APPLICATION_ID = 0x69736f6b;
const SCHEMA = 1;
const SCHEMA_SQL = `
  CREATE TABLE namespaces (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
  CREATE TABLE entries (
    revision INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace INTEGER NOT NULL,
    key BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    expires_at INTEGER,
    metadata TEXT,
    file TEXT,
    value BLOB
  );
  CREATE UNIQUE INDEX entries_key ON entries (namespace, key);
  CREATE INDEX entries_expiry ON entries (expires_at) WHERE expires_at IS NOT NULL;
  CREATE TABLE usage (bytes INTEGER NOT NULL);
  INSERT INTO usage VALUES (0);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA};
`;
/** How long another process that has the file open, such as one that makes a copy, may lock it. */
const BUSY_MS_MAX = 1000;

/** Opens or makes `kv.sqlite` in `directory`. @throws {IsopodError} `store_unusable`, `storage_full` */
export function openDatabase(directory: string): DatabaseSync {
  const path = join(directory, "kv.sqlite");
  let database: DatabaseSync | undefined;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    database = new DatabaseSync(path);
    chmodSync(path, 0o600);
    database.exec(`PRAGMA busy_timeout = ${BUSY_MS_MAX}; PRAGMA trusted_schema = OFF; PRAGMA journal_mode = WAL`);
    database.exec("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864");
    database.exec("BEGIN IMMEDIATE");
    if (isEmpty(database, path)) database.exec(SCHEMA_SQL);
    database.exec("COMMIT");
    for (const folder of [directory, dirname(directory)]) syncFolder(folder);
    return database;
  } catch (error) {
    database?.close();
    throw nameFailure(error, path);
  }
}

/** @throws {IsopodError} `store_unusable` for a file of something else, or of a newer version */
function isEmpty(database: DatabaseSync, path: string): boolean {
  const number = (pragma: string) => Object.values(database.prepare(`PRAGMA ${pragma}`).get() ?? {})[0];
  const application = number("application_id");
  const schema = number("user_version");
  if (application === APPLICATION_ID && schema === SCHEMA) return false;
  const { tables } = database.prepare("SELECT count(*) AS tables FROM sqlite_schema").get() as { tables: number };
  if (application === 0 && schema === 0 && tables === 0) return true;
  const why = application === APPLICATION_ID ? `its schema is ${schema}, not ${SCHEMA}` : "it is of something else";
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
