/** What the server itself wants of a database's file: a copy of it, and whether it is whole. */
import type { DatabaseSync } from "node:sqlite";
import { Refusal } from "./refusal.ts";

/** Copies the database as it is now into a file that is not there yet. */
export function copyTo(database: DatabaseSync, path: string): void {
  // SQLite attaches the new file while it copies.
  database.limits.attach = 1;
  try {
    database.prepare("VACUUM INTO ?").run(path);
  } finally {
    database.limits.attach = 0;
  }
}

/** @throws {Refusal} for a file that is damaged */
export function checkFile(database: DatabaseSync): void {
  const found = database.prepare("PRAGMA quick_check(1)").get();
  const said = String(Object.values(found ?? {})[0]);
  if (said !== "ok") throw new Refusal("bad_request", `Cannot use the file: it is damaged (${said})`);
}
