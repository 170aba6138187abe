/**
 * What a statement may begin with: nothing that begins or ends transactions, which are ours, or is about the session, which
 * ends with the call. This names mistakes early; that sessions and transactions stay ours does not hang on it.
 */
import { Refusal } from "../database/refusal.ts";
import type { SqlLimits } from "../limits.ts";
import { leadingWord } from "./scanner.ts";

/** What a call may do. */
export type PgMode = "read" | "read-write";

const READING = ["SELECT", "WITH", "VALUES", "TABLE", "EXPLAIN"];
const WRITING = [
  ...READING,
  ...["INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "ALTER", "DROP", "TRUNCATE", "COMMENT"],
  ...["ANALYZE", "REFRESH", "REINDEX"],
];
const ALLOWED: Readonly<Record<PgMode, ReadonlySet<string>>> = {
  read: new Set(READING),
  "read-write": new Set(WRITING),
};

/** What begins and ends a transaction. */
const TRANSACTING = new Set(["BEGIN", "START", "COMMIT", "END", "ROLLBACK"]);

/** @throws {Refusal} `binding_denied`, `sql_error` */
export function checkStatement(sql: string, mode: PgMode, { statementBytesMax: value }: SqlLimits): void {
  if (Buffer.byteLength(sql) > value) {
    const limit = { name: "statementBytesMax", value };
    throw new Refusal("sql_error", `Cannot run a statement of more than ${value} bytes`, limit);
  }
  if (sql.includes("\0")) throw new Refusal("sql_error", "Cannot run a statement that holds a NUL");
  const word = leadingWord(sql);
  if (ALLOWED[mode].has(word)) return;
  if (mode === "read" && ALLOWED["read-write"].has(word)) {
    throw new Refusal("binding_denied", `Cannot run ${word}: the binding is for reading only`);
  }
  const said = word || sql.trim().slice(0, 20);
  const hint = TRANSACTING.has(word) ? "; a batch is the transaction" : "";
  throw new Refusal("binding_denied", `Cannot run a statement that begins with "${said}"${hint}`);
}
