/** Runs what is asked in a transaction of ours, and reads its results within their limits. */
import { Refusal } from "../database/refusal.ts";
import type { Asked } from "../database/request.ts";
import type { SqlValue } from "../database/values.ts";
import type { SqlGrant } from "../grant.ts";
import type { SqlLimits } from "../limits.ts";
import type { PgConnection } from "./connection.ts";
import { isEnd, NotCommitted } from "./failures.ts";
import type { Column, RowReader, TextRow } from "./row_reader.ts";
import { checkStatement } from "./rules.ts";
import { withNumberedParameters } from "./scanner.ts";
import { bindValue, readText, sizeOf, type Told } from "./values.ts";

/** Rows that are asked for at first, and at most, and how many bytes they should come to. */
const ROWS_FIRST = 50;
const ROWS_MAX = 1000;
const READ_BYTES = 2 * 1024 * 1024;

/** A result, as `database/` tells it: columns, rows, figures. */
export interface PgResult {
  readonly c: readonly string[];
  readonly r: readonly (readonly Told[])[];
  readonly m: Readonly<Record<string, number | boolean | null>>;
}

/** The transaction was not begun: nothing has been done. */
export class NotBegun extends Error {
  constructor(cause: unknown) {
    super("the transaction was not begun", { cause });
  }
}

/** Statements that are one transaction. */
export interface Transaction {
  readonly statements: readonly Asked[];
  readonly grant: SqlGrant;
  /** Whether only the first row of each is wanted. */
  readonly isFirst: boolean;
}

/** What the results of one call have come to. */
interface Tally {
  rows: number;
  bytes: number;
}

/** Refuses what need not be sent to be refused. @throws {Refusal} */
export function checkTransaction({ statements, grant }: Transaction, limits: SqlLimits): void {
  for (const { sql, values } of statements) {
    checkStatement(sql, grant, limits);
    for (const value of values) checkValue(boundBytes(value), limits);
  }
}

/** Runs statements, all in one transaction. @throws {Refusal}, {NotBegun}, {NotCommitted}, or what PostgreSQL refuses */
export async function runTransaction(
  connection: PgConnection,
  { statements, grant, isFirst }: Transaction,
  limits: SqlLimits,
): Promise<PgResult[]> {
  const isReadOnly = grant.mode === "read";
  await connection.begin(isReadOnly).catch((cause) => {
    throw new NotBegun(cause);
  });
  const tally: Tally = { rows: 0, bytes: 0 };
  const results: PgResult[] = [];
  let commits = false;
  try {
    for (const statement of statements) results.push(await runOne(connection, statement, limits, tally, isFirst));
    commits = !isReadOnly;
    // Not all that changes something is refused in a read-only transaction: large objects are not, before version 16.
    await (isReadOnly ? connection.control("ROLLBACK") : connection.commit());
    return results;
  } catch (error) {
    if (!connection.broken) await connection.control("ROLLBACK").catch(() => connection.destroy());
    throw !commits && isEnd(error) ? new NotCommitted(error) : error;
  }
}

async function runOne(
  connection: PgConnection,
  { sql, values }: Asked,
  limits: SqlLimits,
  tally: Tally,
  isFirst: boolean,
): Promise<PgResult> {
  const started = performance.now();
  const reader = connection.rows(withNumberedParameters(sql), values.map(bindValue));
  const rows: Told[][] = [];
  try {
    for (let wanted = isFirst ? 1 : ROWS_FIRST; ; ) {
      const read = await reader.read(wanted);
      checkColumns(reader.columns, limits);
      const bytes = tally.bytes;
      const readers = reader.columns.map(({ dataTypeID }) => readText(dataTypeID));
      for (const row of read) {
        count(row, reader.columns, limits, tally);
        rows.push(row.map((text, at) => (text === null ? null : (readers[at] ?? String)(text))));
      }
      if (reader.isDone || isFirst) break;
      const rowBytes = Math.max(1, (tally.bytes - bytes) / read.length);
      wanted = Math.max(1, Math.min(ROWS_MAX, Math.floor(READ_BYTES / rowBytes)));
    }
  } finally {
    await closeReader(reader, connection);
  }
  const { columns, changes } = reader;
  const duration = performance.now() - started;
  const figures = { changes, changed_db: changes > 0, rows_written: changes, rows_read: rows.length };
  const m = { duration, last_row_id: null, size_after: 0, ...figures };
  return { c: columns.map(({ name }) => name), r: rows, m };
}

async function closeReader(reader: RowReader, connection: PgConnection): Promise<void> {
  if (!connection.broken) await reader.close().catch(() => connection.destroy());
}

/** @throws {Refusal} */
function checkColumns(columns: readonly Column[], { columnsMax: value }: SqlLimits): void {
  if (columns.length <= value) return;
  const limit = { name: "columnsMax", value };
  throw new Refusal("sql_error", `Cannot read more than ${value} columns`, limit);
}

/** @throws {Refusal} `result_too_large`, `value_too_large` */
function count(row: TextRow, columns: readonly Column[], limits: SqlLimits, tally: Tally): void {
  const { resultRowsMax, resultBytesMax } = limits;
  tally.rows += 1;
  for (const [at, text] of row.entries()) {
    const bytes = text === null ? 4 : sizeOf(columns[at]?.dataTypeID ?? 0, text);
    checkValue(bytes, limits);
    tally.bytes += bytes + 2;
  }
  if (tally.rows > resultRowsMax) throw tooLarge("result_too_large", "results", "resultRowsMax", resultRowsMax);
  if (tally.bytes > resultBytesMax) throw tooLarge("result_too_large", "results", "resultBytesMax", resultBytesMax);
}

/** @throws {Refusal} `value_too_large` */
function checkValue(bytes: number, { valueBytesMax }: SqlLimits): void {
  if (bytes > valueBytesMax) throw tooLarge("value_too_large", "a value", "valueBytesMax", valueBytesMax);
}

function boundBytes(value: SqlValue): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  return value instanceof Uint8Array ? value.length : 8;
}

function tooLarge(code: "value_too_large" | "result_too_large", what: string, name: string, value: number): Refusal {
  return new Refusal(code, `Cannot send ${what} beyond ${name} = ${value}`, { name, value });
}
