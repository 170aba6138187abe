/** Compiled statements of one connection, kept by the rights under which they were compiled. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { SqlLimits } from "../limits.ts";
import { type Authorizer, checkExpressionNames } from "./authorizer.ts";
import { Refusal } from "./refusal.ts";
import type { Rights } from "./rules.ts";
import { parametersOf, statementsOf } from "./tokens.ts";

/** A compiled statement. */
export interface Prepared {
  readonly statement: StatementSync;
  readonly columns: readonly string[];
  /** How many values it wants. */
  readonly parameters: number;
  readonly writes: boolean;
}

const KEPT_MAX = 256;

/** The statements of one connection. */
export class Statements {
  readonly #database: DatabaseSync;
  readonly #authorizer: Authorizer;
  readonly #limits: SqlLimits;
  readonly #kept = new Map<Rights, Map<string, Prepared>>();
  #count = 0;

  constructor(database: DatabaseSync, authorizer: Authorizer, limits: SqlLimits) {
    this.#database = database;
    this.#authorizer = authorizer;
    this.#limits = limits;
  }

  /** The compiled `sql`. @throws {Refusal} for more than one statement, one that is too long, or may not be run */
  get(rights: Rights, sql: string): Prepared {
    return this.#kept.get(rights)?.get(sql) ?? this.#make(rights, sql);
  }

  /** Forgets all of them: the schema has changed, or there are too many. */
  clear(): void {
    this.#kept.clear();
    this.#count = 0;
  }

  #make(rights: Rights, sql: string): Prepared {
    this.#checkText(sql);
    const parameters = parametersOf(sql);
    if (typeof parameters === "string") {
      throw new Refusal("sql_error", `Cannot run the statement: "${parameters}" has a name; expected ? or ?1, ?2, …`);
    }
    checkExpressionNames(sql, rights);
    const { made, writes, shapes } = this.#authorizer.compiling(rights, () => this.#database.prepare(sql));
    made.setReadBigInts(true);
    made.setReturnArrays(true);
    const prepared = { statement: made, columns: made.columns().map(({ name }) => name), parameters, writes };
    if (!shapes) this.#keep(rights, sql, prepared);
    return prepared;
  }

  #checkText(sql: string): void {
    const { statementBytesMax: value } = this.#limits;
    const bytes = Buffer.byteLength(sql);
    if (bytes > value) {
      const limit = { name: "statementBytesMax", value };
      throw new Refusal("sql_error", `Cannot run a statement of ${bytes} bytes: the limit is ${value}`, limit);
    }
    if (sql.includes("\0")) throw new Refusal("sql_error", "Cannot run the statement: it has a NUL character");
    const [first, second] = statementsOf(sql);
    if (first === undefined) throw new Refusal("sql_error", "Cannot run the statement: there is nothing to run");
    if (second !== undefined) {
      throw new Refusal("sql_error", "Cannot run the statement: there are several; use batch() or exec()");
    }
  }

  #keep(rights: Rights, sql: string, prepared: Prepared): void {
    if (this.#count >= KEPT_MAX) this.clear();
    let kept = this.#kept.get(rights);
    if (kept === undefined) {
      kept = new Map();
      this.#kept.set(rights, kept);
    }
    kept.set(sql, prepared);
    this.#count += 1;
  }
}
