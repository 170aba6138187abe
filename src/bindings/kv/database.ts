/**
 * The file that holds the KV namespaces of one project.
 *
 * A row is an entry, and its number is its revision: SQLite gives numbers out once, so revisions only grow. The value
 * is the last column, so that what stands before it is read without it.
 */
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { openSqliteFile } from "../../stdx/sqlite_file.ts";

/** "isok" */
const APPLICATION_ID = 0x69736f6b;
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
`;

/** Opens or makes `kv.sqlite` in `directory`. @throws {IsopodError} `store_unusable`, `storage_full` */
export function openDatabase(directory: string): DatabaseSync {
  return openSqliteFile({ path: join(directory, "kv.sqlite"), applicationId: APPLICATION_ID, schemaSql: SCHEMA_SQL });
}
