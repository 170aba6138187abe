/**
 * Opens the store's file, and refuses one that is damaged, newer or something else.
 *
 * One table: a row is the last version of a key, a row without a value the tombstone of a deleted one, and a row's
 * number is its revision; SQLite gives numbers out once, so revisions only grow. The history of a watch is the order of
 * the rows.
 *
 * The file is never opened here but by SQLite: closing any descriptor of it would take the locks away that other
 * connections of this process hold.
 */
import { chmodSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { IsopodError } from "../../core/errors.ts";
import { BUSY_MS_MAX, damaged, isBusy, nameOpening } from "./failures.ts";

/** "isop" */
const APPLICATION_ID = 0x69736f70;
const SCHEMA = 1;
const SCHEMA_SQL = `
  CREATE TABLE entries (revision INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL, value BLOB);
  CREATE UNIQUE INDEX entries_key ON entries (key);
  CREATE TABLE horizon (revision INTEGER NOT NULL);
  INSERT INTO horizon VALUES (0);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA};
`;

/** One statement, so that all of it is of one moment: another process may be making the tables. */
const FACTS_SQL = `
  SELECT (SELECT application_id FROM pragma_application_id) AS application,
    (SELECT user_version FROM pragma_user_version) AS schema,
    (SELECT count(*) FROM sqlite_schema) AS tables
`;

/** Files up to this size are checked as a whole when they are opened: 0.1 to 0.3 s at most. */
const CHECKED_BYTES_MAX = 64 * 1024 * 1024;
/** How long SQLite itself waits for a lock, which holds up the event loop. */
const BLOCKING_MS = 5;

/** Opens or creates `store.sqlite` in `directory`. @throws {IsopodError} `store_unusable`, `storage_full` */
export function openDatabase(directory: string): DatabaseSync {
  const path = join(directory, "store.sqlite");
  let database: DatabaseSync | undefined;
  try {
    createFile(directory, path);
    database = new DatabaseSync(path);
    prepare(database, path);
    syncFolder(directory);
    return database;
  } catch (error) {
    database?.close();
    throw nameOpening(error, path);
  }
}

function createFile(directory: string, path: string): void {
  if (!existsSync(directory)) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    syncFolder(dirname(directory));
  }
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    chmodSync(path, 0o600);
  }
}

function prepare(database: DatabaseSync, path: string): void {
  database.exec(`PRAGMA busy_timeout = ${BUSY_MS_MAX}; PRAGMA trusted_schema = OFF`);
  const isNew = checkSchema(database, path);
  enterLogMode(database);
  database.exec("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864");
  if (isNew) {
    database.exec("BEGIN IMMEDIATE");
    if (checkSchema(database, path)) database.exec(SCHEMA_SQL);
    database.exec("COMMIT");
  } else if (statSync(path).size <= CHECKED_BYTES_MAX) {
    const found = database.prepare("PRAGMA quick_check(1)").get() as { quick_check: string };
    if (found.quick_check !== "ok") throw damaged(`Cannot open the store ${path}`, found.quick_check);
  }
  database.exec(`PRAGMA busy_timeout = ${BLOCKING_MS}`);
}

/** Whether the file is empty still. @throws {IsopodError} `store_unusable` for what is no store, or a newer one */
function checkSchema(database: DatabaseSync, path: string): boolean {
  const { application, schema, tables } = database.prepare(FACTS_SQL).get() as Record<string, number>;
  if (application === APPLICATION_ID) {
    if (schema === SCHEMA) return false;
    throw new IsopodError("store_unusable", {
      message: `Cannot open the store ${path}: its schema is ${schema}, and this version of Isopod knows ${SCHEMA}. Start the newer version that wrote it.`,
    });
  }
  if (application === 0 && schema === 0 && tables === 0) return true;
  throw new IsopodError("store_unusable", {
    message: `Cannot open the store ${path}: it is a database of something else.`,
  });
}

/** SQLite does not wait for others here, whatever its timeout. */
function enterLogMode(database: DatabaseSync): void {
  const until = performance.now() + BUSY_MS_MAX;
  for (;;) {
    try {
      database.exec("PRAGMA journal_mode = WAL");
      return;
    } catch (error) {
      if (!isBusy(error) || performance.now() > until) throw error;
      Bun.sleepSync(1);
    }
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
