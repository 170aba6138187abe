/** Databases of PostgreSQL as the binding asks them, for tests: calls, and what became of them. */

import { type PgCall, Postgres, type PostgresOptions } from "../bindings/sql/postgres/postgres.ts";
import { systemClock } from "../core/clock.ts";
import { IsopodError } from "../core/errors.ts";
import type { SqlResult } from "./sql_rig.ts";

/** What may differ from a call of the project "p" that may do everything. */
export type AskPostgres = Partial<Omit<PgCall, "request">>;

/** Asks one database. */
export class PostgresRig implements AsyncDisposable {
  readonly postgres: Postgres;
  readonly #url: () => string;

  /** @param url the database that is meant when a call names no other */
  constructor(url: () => string, options: Partial<PostgresOptions> = {}) {
    this.#url = url;
    this.postgres = new Postgres({ clock: systemClock, isPublic: () => false, ...options });
  }

  /** Makes any call. @throws {IsopodError} */
  async ask(request: unknown, more: AskPostgres = {}): Promise<unknown> {
    const answer = await this.postgres.call({
      ...({ project: "p", url: this.#url(), isTrusted: true, mode: "read-write", tables: undefined } as const),
      workMs: 10_000,
      ...{ signal: new AbortController().signal, request: new TextEncoder().encode(JSON.stringify(request)) },
      ...more,
    });
    return JSON.parse(new TextDecoder().decode(answer)) as unknown;
  }

  /** Runs one statement. @throws {IsopodError} */
  async query(sql: string, values: readonly unknown[] = [], more: AskPostgres = {}): Promise<SqlResult> {
    const [result] = (await this.ask({ o: "query", s: [[sql, ...values]] }, more)) as SqlResult[];
    return result as SqlResult;
  }

  /** The code of the error that a statement ends with; "none" when it ends with none. */
  code(sql: string, more: AskPostgres = {}): Promise<string> {
    return codeOf(this.query(sql, [], more));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.postgres.close();
  }
}

/** The code of what a call was refused with; "none" when it was not. */
export function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "none",
    (error: unknown) => (error instanceof IsopodError ? error.code : `no IsopodError: ${String(error)}`),
  );
}
