/** Files that go into databases and come out of them: migrations, dumps, and whole databases. */
import { createWriteStream, existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CommandFailure, usageError } from "../exit_codes.ts";

/** The table that D1's own tool keeps too, so that a database can come from there. */
const MIGRATIONS_SQL =
  "CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)";

/** What migrating asks of the server. */
export interface MigrationTarget {
  ask(sql: string): Promise<readonly (readonly unknown[])[]>;
  script(texts: readonly string[]): Promise<unknown>;
  /** Hears of each file that has been run. */
  told(file: string): void;
}

/** Runs what has not been run. @throws {CommandFailure} naming the file that failed */
export async function migrate(
  folder: string,
  { ask, script, told }: MigrationTarget,
): Promise<{ applied: string[]; before: number }> {
  const files = migrationsIn(folder);
  await script([MIGRATIONS_SQL]);
  const known = new Set((await ask("SELECT name FROM d1_migrations")).map(([name]) => String(name)));
  const applied: string[] = [];
  for (const file of files) {
    if (known.has(file)) continue;
    const text = await Bun.file(join(folder, file)).text();
    try {
      // One transaction: a migration that has run is known, and one that is known has run.
      await script([`${text}\n;`, `INSERT INTO d1_migrations (name) VALUES ('${file.replaceAll("'", "''")}')`]);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new CommandFailure(`Cannot run ${file}, of which nothing was kept: ${reason}`, { cause });
    }
    applied.push(file);
    told(file);
  }
  return { applied, before: files.length - applied.length };
}

function migrationsIn(folder: string): string[] {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw usageError(`Cannot migrate from ${folder}: it is no folder`);
  }
  const files = readdirSync(folder).filter((file) => file.endsWith(".sql"));
  if (files.length === 0) throw usageError(`Cannot migrate from ${folder}: there is no .sql file`);
  return files.sort();
}

/** Writes a database into a file. Returns its size in bytes. */
export async function exportFile(answer: Response, file: string): Promise<number> {
  if (existsSync(file)) throw usageError(`Cannot export into ${file}: it is there already`);
  try {
    const body = Readable.fromWeb(answer.body as never);
    await pipeline(body, createWriteStream(file, { flags: "wx", mode: 0o600 }));
  } catch (cause) {
    // Half a database looks like one.
    rmSync(file, { force: true });
    throw new CommandFailure(`Cannot export into ${file}: ${String((cause as Error).message)}`, { cause });
  }
  return statSync(file).size;
}

/** Sends a dump or a whole database. */
export async function importFile(
  path: string,
  to: { script(texts: readonly string[]): Promise<unknown>; whole(contents: Blob): Promise<unknown> },
): Promise<void> {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) throw usageError(`Cannot import ${path}: it is no file`);
  const file = Bun.file(path);
  if (path.endsWith(".sql")) await to.script([await file.text()]);
  else await to.whole(file);
}
