/**
 * SQLite's authorizer, which is asked about every step of a statement while it is compiled, joined with the rights of
 * whoever has sent it.
 *
 * The text of a statement is never looked at to decide what it may do, with one exception: SQLite names a common table
 * expression as the reader of a table just as it names a view, so that `WITH v AS (SELECT * FROM hidden)` looks like a
 * view `v`. Where reading through views is granted, such names are refused.
 */
import { constants, type DatabaseSync } from "node:sqlite";
import type { SqlGrant } from "../grant.ts";
import { Refusal } from "./refusal.ts";
import { type Rights, refusalOf, SHAPING, WRITING } from "./rules.ts";
import { expressionNames } from "./tokens.ts";

const { SQLITE_OK, SQLITE_DENY } = constants;

/** The authorizer of one connection. */
export class Authorizer {
  readonly #database: DatabaseSync;
  #rights: Rights | undefined;
  #refused: string | undefined;
  #seen: Set<string> | undefined;
  #writes = false;
  #shapes = false;

  constructor(database: DatabaseSync) {
    this.#database = database;
    database.setAuthorizer((code, first, second, _database, way) => {
      if (way !== null) this.#seen?.add(way.toLowerCase());
      if (this.#rights === undefined) return SQLITE_OK;
      const reason = refusalOf(this.#rights, code, first, second, way);
      if (WRITING.has(code)) this.#writes = true;
      if (SHAPING.has(code)) this.#shapes = true;
      if (reason === undefined) return SQLITE_OK;
      this.#refused ??= reason;
      return SQLITE_DENY;
    });
  }

  /** Runs `work` under `rights`; undefined, for statements of ours, refuses nothing. @throws {Refusal} naming what was refused */
  under<T>(rights: Rights | undefined, work: () => T): T {
    const before = this.#rights;
    this.#rights = rights;
    this.#refused = undefined;
    try {
      return work();
    } catch (error) {
      const refused: string | undefined = this.#refused;
      if (refused === undefined) throw error;
      throw new Refusal("binding_denied", `Cannot run the statement: ${refused}`);
    } finally {
      this.#rights = before;
    }
  }

  /** Compiles under `rights`, and says what was asked for meanwhile. @throws {Refusal} as `under` */
  compiling<T>(rights: Rights, compile: () => T): { made: T; writes: boolean; shapes: boolean } {
    this.#writes = false;
    this.#shapes = false;
    const made = this.under(rights, compile);
    return { made, writes: this.#writes || this.#shapes, shapes: this.#shapes };
  }

  /** What a grant comes to in the database as it is now. */
  rightsOf({ mode, tables }: SqlGrant): Rights {
    if (tables === undefined) return { mode, tables, ways: new Set() };
    const ways = new Set<string>();
    this.#seen = ways;
    try {
      for (const table of tables) this.#explore(table);
    } finally {
      this.#seen = undefined;
    }
    return { mode, tables: new Set(tables.map((table) => table.toLowerCase())), ways };
  }

  /** Compiles what can be done with a table, so that the authorizer is told of all that lies behind it. */
  #explore(table: string): void {
    const name = `"${table.replaceAll('"', '""')}"`;
    const attempt = (sql: string): void => {
      try {
        this.under(undefined, () => this.#database.prepare(sql));
      } catch {
        // There is no such table, or a view cannot be written to.
      }
    };
    attempt(`SELECT * FROM ${name}`);
    attempt(`INSERT INTO ${name} DEFAULT VALUES`);
    attempt(`DELETE FROM ${name}`);
    const list = this.#database.prepare("SELECT name FROM pragma_table_info(?)");
    const columns = this.under(undefined, () => list.all(table)) as { name: string }[];
    const sets = columns.map((column) => `"${column.name.replaceAll('"', '""')}"`);
    if (sets.length > 0) attempt(`UPDATE ${name} SET ${sets.map((column) => `${column} = ${column}`).join(", ")}`);
  }
}

/** @throws {Refusal} for a statement that gives a name of a view or trigger of `rights` to an expression */
export function checkExpressionNames(sql: string, { ways }: Rights): void {
  if (ways.size === 0) return;
  for (const name of expressionNames(sql)) {
    if (!ways.has(name) || !/\bwith\b/i.test(sql)) continue;
    const message = `Cannot run the statement: "${name}" is a view or trigger here, so no expression may be called that`;
    throw new Refusal("binding_denied", message);
  }
}
