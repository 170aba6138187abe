/**
 * One SQLite file, and what is done with it for whoever holds a grant.
 *
 * Everything is synchronous: this is a process of its own, and a statement that does not end is ended by killing it.
 */
import type { DatabaseSync } from "node:sqlite";
import type { CallHead } from "../grant.ts";
import type { SqlLimits } from "../limits.ts";
import { Authorizer } from "./authorizer.ts";
import { openFile } from "./file.ts";
import { Refusal } from "./refusal.ts";
import { type Asked, checkCount, readRequest } from "./request.ts";
import { ResultWriter } from "./result.ts";
import { ALL_RIGHTS, type Rights } from "./rules.ts";
import { type Prepared, Statements } from "./statements.ts";
import { statementsOf } from "./tokens.ts";
import { checkFile, copyTo } from "./upkeep.ts";
import type { SqlValue } from "./values.ts";

/** How a statement is run. */
interface Way {
  readonly inTransaction?: boolean;
  /** Whoever asks wants the first row only. */
  readonly isFirst?: boolean;
}

const IN_TRANSACTION: Way = { inTransaction: true };
const GRANTS_KEPT_MAX = 256;
/** What dumps of databases begin and end with; everything of a script is one transaction anyway. */
const OF_DUMPS = /^(BEGIN( TRANSACTION)?|COMMIT|PRAGMA foreign_keys *= *(OFF|ON|0|1)) *;?$/i;

/** What a connection says of itself. */
interface State {
  readonly pages: number;
  readonly schema: number;
  readonly changes: number;
  readonly total: number;
  readonly row: number;
}

const STATE_SQL = `
  SELECT page_count AS pages, schema_version AS schema, changes() AS changes, total_changes() AS total,
    last_insert_rowid() AS row
  FROM pragma_page_count, pragma_schema_version
`;

/** A database that is open. */
export class Database {
  readonly #database: DatabaseSync;
  readonly #limits: SqlLimits;
  readonly #authorizer: Authorizer;
  readonly #statements: Statements;
  readonly #rights = new Map<string, Rights>();
  readonly #pageBytes: number;
  readonly #begin;
  readonly #commit;
  readonly #rollback;
  readonly #state;
  #known: State = { pages: 0, schema: -1, changes: 0, total: 0, row: 0 };

  /** Opens or creates the file. @throws {Error} of SQLite */
  constructor(path: string, limits: SqlLimits) {
    this.#limits = limits;
    const { database, pageBytes } = openFile(path, limits);
    this.#database = database;
    this.#pageBytes = pageBytes;
    this.#authorizer = new Authorizer(this.#database);
    this.#statements = new Statements(this.#database, this.#authorizer, limits);
    this.#begin = this.#database.prepare("BEGIN IMMEDIATE");
    this.#commit = this.#database.prepare("COMMIT");
    this.#rollback = this.#database.prepare("ROLLBACK");
    this.#state = this.#database.prepare(STATE_SQL);
    this.#look();
  }

  /** Answers one call; its head is JSON. @throws {Refusal | Error} of SQLite */
  call(head: string, text: string): string {
    const rights = this.#rights.get(head) ?? this.#readHead(head);
    if (rights === undefined) return "";
    const request = readRequest(text, this.#limits);
    const results = new ResultWriter(this.#limits);
    switch (request.kind) {
      case "query":
        this.#run(rights, request.statements[0] as Asked, results, { isFirst: request.isFirst });
        return results.finish();
      case "batch":
        this.#transact(() => {
          for (const each of request.statements) this.#run(rights, each, results, IN_TRANSACTION);
        });
        return results.finish();
      case "exec":
        return this.#exec(rights, request.texts);
      case "script":
        return this.#script(rights, request.texts);
    }
  }

  /** Closes the file; what is in the log of the database moves into it. */
  close(): void {
    this.#database.close();
  }

  #exec(rights: Rights, texts: readonly string[]): string {
    const all = texts.flatMap((each) => [...statementsOf(each)]);
    checkCount(all.length, this.#limits);
    for (const sql of all) this.#run(rights, { sql, values: [] }, new ResultWriter(this.#limits), {});
    return JSON.stringify({ count: all.length });
  }

  #script(rights: Rights, texts: readonly string[]): string {
    let count = 0;
    this.#transact(() => {
      for (const text of texts) {
        for (const sql of statementsOf(text)) {
          if (OF_DUMPS.test(sql)) continue;
          this.#run(rights, { sql, values: [] }, new ResultWriter(this.#limits), IN_TRANSACTION);
          count += 1;
        }
      }
    });
    return JSON.stringify({ count });
  }

  #run(rights: Rights, { sql, values }: Asked, results: ResultWriter, way: Way): void {
    const prepared = this.#statements.get(rights, sql);
    if (prepared.parameters !== values.length) {
      const message = `Cannot run the statement: it has ${prepared.parameters} parameters, and ${values.length} values were bound`;
      throw new Refusal("sql_error", message);
    }
    const started = performance.now();
    results.begin(prepared.columns);
    // Rows of a statement that writes come when it has written: without a transaction, too large a result would stay written.
    const work = () => this.#step(rights, prepared, values, results, way.isFirst);
    if (prepared.writes && prepared.columns.length > 0 && !way.inTransaction) this.#transact(work);
    else work();
    const before = this.#known.total;
    if (prepared.writes) this.#look();
    const { changes, total, row, pages } = this.#known;
    // SQLite goes on telling of the statement before after one that changes no row.
    const changed = prepared.writes && total !== before ? changes : 0;
    results.end({
      duration: Math.round((performance.now() - started) * 1000) / 1000,
      changes: changed,
      last_row_id: row,
      changed_db: prepared.writes,
      size_after: pages * this.#pageBytes,
      rows_written: changed,
    });
  }

  #step(rights: Rights, prepared: Prepared, values: readonly SqlValue[], results: ResultWriter, isFirst = false): void {
    const { statement, columns } = prepared;
    this.#authorizer.under(rights, () => {
      if (columns.length === 0) return void statement.run(...values);
      for (const row of statement.iterate(...values)) {
        results.row(row as unknown as SqlValue[]);
        if (isFirst) break;
      }
    });
  }

  #transact<T>(work: () => T): T {
    this.#authorizer.under(undefined, () => this.#begin.run());
    try {
      const made = work();
      this.#authorizer.under(undefined, () => this.#commit.run());
      return made;
    } catch (error) {
      if (this.#database.isTransaction) this.#authorizer.under(undefined, () => this.#rollback.run());
      this.#look();
      throw error;
    }
  }

  /** The rights that a head stands for; undefined when it was the server's own wish, which is done then. */
  #readHead(head: string): Rights | undefined {
    const said = JSON.parse(head) as CallHead;
    if ("copyTo" in said) return void this.#authorizer.under(undefined, () => copyTo(this.#database, said.copyTo));
    if ("check" in said) return void this.#authorizer.under(undefined, () => checkFile(this.#database));
    if (this.#rights.size >= GRANTS_KEPT_MAX) this.#forget();
    const isAll = said.tables === undefined && said.mode === "read-write";
    const rights = isAll ? ALL_RIGHTS : this.#authorizer.rightsOf(said);
    this.#rights.set(head, rights);
    return rights;
  }

  /** Looks how large the database is, and whether its schema has changed: then rights may mean something else. */
  #look(): void {
    const { schema } = this.#known;
    this.#known = this.#authorizer.under(undefined, () => this.#state.get()) as unknown as State;
    if (this.#known.schema !== schema) this.#forget();
  }

  #forget(): void {
    this.#rights.clear();
    this.#statements.clear();
  }
}
