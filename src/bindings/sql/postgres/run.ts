/** Runs what is asked in a transaction of ours, and reads its results within their limits. */

import { Refusal } from "../database/refusal.ts";
import type { Asked } from "../database/request.ts";
import type { SqlLimits } from "../limits.ts";
import type { PgConnection } from "./connection.ts";
import { leadingWord, withNumberedParameters } from "./scanner.ts";
import { bindValue } from "./values.ts";

/** Rows that are asked for at a time. */
const ROWS_READ = 200;

/** What a statement may begin with: nothing that begins or ends transactions, or changes the session. */
const ALLOWED = new Set([
  ...["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "TABLE", "EXPLAIN"],
  ...["CREATE", "ALTER", "DROP", "TRUNCATE", "COMMENT", "ANALYZE", "REFRESH", "REINDEX"],
]);

/** A result, as `database/` tells it: columns, rows, figures. */
export interface PgResult {
  readonly c: readonly string[];
  readonly r: readonly (readonly unknown[])[];
  readonly m: Readonly<Record<string, number | boolean>>;
}

/** The transaction was not begun: nothing has been done. */
export class NotBegun extends Error {
  constructor(cause: unknown) {
    super("the transaction was not begun", { cause });
  }
}

/** What the results of one call have come to. */
interface Tally {
  rows: number;
  bytes: number;
}

/** Runs statements, all in one transaction. @throws {Refusal}, or what PostgreSQL refuses */
export async function runStatements(
  connection: PgConnection,
  statements: readonly Asked[],
  mode: "read" | "read-write",
  limits: SqlLimits,
  isFirst: boolean,
): Promise<PgResult[]> {
  for (const { sql } of statements) checkStatement(sql, limits);
  await connection.control(mode === "read" ? "BEGIN READ ONLY" : "BEGIN").catch((cause) => {
    throw new NotBegun(cause);
  });
  const tally: Tally = { rows: 0, bytes: 0 };
  const results: PgResult[] = [];
  try {
    for (const statement of statements) results.push(await runOne(connection, statement, limits, tally, isFirst));
    await connection.control("COMMIT");
    return results;
  } catch (error) {
    if (!connection.broken) await connection.control("ROLLBACK").catch(() => connection.destroy());
    throw error;
  }
}

function checkStatement(sql: string, { statementBytesMax: value }: SqlLimits): void {
  if (Buffer.byteLength(sql) > value) {
    const limit = { name: "statementBytesMax", value };
    throw new Refusal("sql_error", `Cannot run a statement of more than ${value} bytes`, limit);
  }
  const word = leadingWord(sql);
  if (ALLOWED.has(word)) return;
  throw new Refusal("binding_denied", `Cannot run a statement that begins with "${word || sql.trim().slice(0, 20)}"`);
}

async function runOne(
  connection: PgConnection,
  { sql, values }: Asked,
  limits: SqlLimits,
  tally: Tally,
  isFirst: boolean,
): Promise<PgResult> {
  const started = performance.now();
  const reader = await connection.rows(withNumberedParameters(sql), values.map(bindValue));
  const rows: unknown[][] = [];
  try {
    for (;;) {
      const read = await reader.read(isFirst ? 1 : ROWS_READ);
      for (const row of read) count(row, limits, tally);
      rows.push(...read);
      if (read.length === 0 || isFirst) break;
    }
  } finally {
    if (!connection.broken) await reader.close().catch(() => connection.destroy());
  }
  const { columns, changes } = reader;
  if (columns.length > limits.columnsMax) {
    throw new Refusal("sql_error", `Cannot read more than ${limits.columnsMax} columns`);
  }
  const duration = performance.now() - started;
  const figures = { changes, changed_db: changes > 0, rows_written: changes, rows_read: rows.length };
  return { c: columns, r: rows, m: { duration, last_row_id: 0, size_after: 0, ...figures } };
}

/** @throws {Refusal} `result_too_large`, `value_too_large` */
function count(row: readonly unknown[], limits: SqlLimits, tally: Tally): void {
  const { resultRowsMax, resultBytesMax, valueBytesMax } = limits;
  tally.rows += 1;
  for (const value of row) {
    const bytes = bytesOf(value);
    if (bytes > valueBytesMax) throw tooLarge("value_too_large", "a value", "valueBytesMax", valueBytesMax);
    tally.bytes += bytes + 2;
  }
  if (tally.rows > resultRowsMax) throw tooLarge("result_too_large", "results", "resultRowsMax", resultRowsMax);
  if (tally.bytes > resultBytesMax) throw tooLarge("result_too_large", "results", "resultBytesMax", resultBytesMax);
}

function bytesOf(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  const { b } = (value ?? {}) as { readonly b?: string };
  return b === undefined ? 8 : (b.length * 3) / 4;
}

function tooLarge(code: "value_too_large" | "result_too_large", what: string, name: string, value: number): Refusal {
  return new Refusal(code, `Cannot send ${what} beyond ${name} = ${value}`, { name, value });
}
