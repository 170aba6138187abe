/**
 * The file that says which objects a project has, and of which pieces each is made.
 *
 * An object put at once is one piece; one that was uploaded in parts is as many as it had parts, so that completing an
 * upload copies nothing. The owner of a piece is an object's version or an upload's id.
 */
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { openSqliteFile } from "../../../stdx/sqlite_file.ts";

/** "isob" */
const APPLICATION_ID = 0x69736f62;
const SCHEMA_SQL = `
  CREATE TABLE buckets (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
  CREATE TABLE objects (
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    version TEXT NOT NULL UNIQUE,
    bytes INTEGER NOT NULL,
    etag TEXT NOT NULL,
    uploaded INTEGER NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (bucket, key)
  ) WITHOUT ROWID;
  CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    started INTEGER NOT NULL,
    facts TEXT NOT NULL
  );
  CREATE TABLE pieces (
    owner TEXT NOT NULL,
    part INTEGER NOT NULL,
    content TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    md5 TEXT NOT NULL,
    sums BLOB NOT NULL,
    PRIMARY KEY (owner, part)
  );
  CREATE INDEX pieces_content ON pieces (content);
  CREATE TABLE usage (bytes INTEGER NOT NULL);
  INSERT INTO usage VALUES (0);
`;

/** Opens or makes `blobs.sqlite` in `directory`. @throws {IsopodError} `store_unusable`, `storage_full` */
export function openDatabase(directory: string): DatabaseSync {
  return openSqliteFile({
    path: join(directory, "blobs.sqlite"),
    applicationId: APPLICATION_ID,
    schemaSql: SCHEMA_SQL,
  });
}
