/**
 * A database as a program finds it on `env`: what D1 has, as far as it is offered.
 *
 * Integers beyond 2^53 come as decimal texts, or as BigInt when `prepare(sql, { bigint: true })` asks for it; blobs as
 * `Uint8Array`, which can be read as the list of numbers that D1 gives.
 */
import type { GuestBinding, GuestPort } from "../../../core/guest.ts";
import { bound, type Row, readRow, rowObject, type Sent, type Value } from "./values.ts";

/** Makes databases. */
export const sqlGuest: GuestBinding = {
  type: "sql",
  create: (port, { name }) => new SqlDatabase(port, name),
};

/** Requests up to this many characters go in the address of the call, which saves a body. */
const ADDRESS_LENGTH_MAX = 16_384;

/** From where a session goes on: from now. */
const BOOKMARK = "first-primary";

/** How the results of a statement are read. */
interface StatementOptions {
  /** Integers beyond 2^53 as BigInt, and not as text. */
  readonly bigint?: boolean;
}

interface Result {
  readonly c: readonly string[];
  readonly r: readonly (readonly unknown[])[];
  readonly m: Readonly<Record<string, number | boolean | null>>;
}

class SqlDatabase {
  readonly #port: GuestPort;
  readonly #name: string;

  constructor(port: GuestPort, name: string) {
    this.#port = port;
    this.#name = name;
  }

  prepare(sql: string, options: StatementOptions = {}): SqlStatement {
    return new SqlStatement((request) => this.#ask(request), String(sql), [], options);
  }

  /** Runs all statements in one transaction: every one of them, or none. */
  async batch(statements: readonly SqlStatement[]): Promise<unknown[]> {
    if (!Array.isArray(statements) || !statements.every((each) => each instanceof SqlStatement)) {
      throw new TypeError("Cannot run a batch: expected a list of prepared statements");
    }
    if (statements.length === 0) return [];
    const results = (await this.#ask({ o: "batch", s: statements.map(partsOf) })) as Result[];
    return results.map((result, at) => (statements[at] as SqlStatement)[RESULT](result));
  }

  /** Runs a text of statements, each by itself. */
  async exec(sql: string): Promise<{ count: number; duration: number }> {
    const started = performance.now();
    const { count } = (await this.#ask({ o: "exec", t: [String(sql)] })) as { count: number };
    return { count, duration: performance.now() - started };
  }

  /** D1's sessions: there is one copy of a database, which every read sees as it is, so that each has all that is asked. */
  withSession(_constraintOrBookmark?: string): object {
    return {
      prepare: (sql: string, options?: StatementOptions) => this.prepare(sql, options),
      batch: (statements: readonly SqlStatement[]) => this.batch(statements),
      getBookmark: () => BOOKMARK,
    };
  }

  async #ask(request: unknown): Promise<unknown> {
    const text = JSON.stringify(request).toWellFormed();
    const isShort = text.length <= ADDRESS_LENGTH_MAX;
    const answer = await this.#port.call(this.#name, {
      method: "POST",
      url: isShort ? `/query?${encodeURIComponent(text)}` : "/query",
      headers: [],
      body: isShort ? null : new Blob([text]).stream(),
      redirect: "manual",
      signal: undefined,
    });
    return await new Response(answer.body).json();
  }
}

const RESULT = Symbol("result");
const PARTS = Symbol("parts");

function partsOf(statement: SqlStatement): readonly Sent[] {
  return statement[PARTS];
}

class SqlStatement {
  readonly #ask: (request: unknown) => Promise<unknown>;
  readonly #sql: string;
  readonly #values: readonly Sent[];
  readonly #options: StatementOptions;

  constructor(
    ask: (request: unknown) => Promise<unknown>,
    sql: string,
    values: readonly Sent[],
    options: StatementOptions,
  ) {
    this.#ask = ask;
    this.#sql = sql;
    this.#values = values;
    this.#options = options;
  }

  get [PARTS](): readonly Sent[] {
    return [this.#sql, ...this.#values];
  }

  /** The statement with values for its parameters. */
  bind(...values: readonly unknown[]): SqlStatement {
    return new SqlStatement(this.#ask, this.#sql, values.map(bound), this.#options);
  }

  /** The first row, or one column of it; null when there is none. */
  async first(column?: string): Promise<unknown> {
    const { c, r } = await this.#run(1);
    const row = r[0];
    if (row === undefined) return null;
    if (column === undefined) return rowObject(c, this.#read(row));
    const at = c.lastIndexOf(column);
    if (at >= 0) return this.#read(row)[at] ?? null;
    throw Object.assign(new Error(`Cannot read the first row: there is no column "${column}"`), { code: "sql_error" });
  }

  async all(): Promise<unknown> {
    return this[RESULT](await this.#run());
  }

  async run(): Promise<unknown> {
    return this[RESULT](await this.#run());
  }

  /** Rows as lists of values; with the names of the columns before them when asked. */
  async raw(options: { readonly columnNames?: boolean } = {}): Promise<Row[]> {
    const { c, r } = await this.#run();
    const rows = r.map((row) => this.#read(row));
    return options.columnNames ? [[...c], ...rows] : rows;
  }

  [RESULT]({ c, r, m }: Result): unknown {
    return { success: true, results: r.map((row) => rowObject(c, this.#read(row))), meta: m };
  }

  async #run(rowsMax?: number): Promise<Result> {
    const [result] = (await this.#ask({ o: "query", s: [this[PARTS]], n: rowsMax })) as [Result];
    return result;
  }

  #read(row: readonly unknown[]): Value[] {
    return readRow(row, this.#options.bigint === true);
  }
}
