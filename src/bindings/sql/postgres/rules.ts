/**
 * What a statement may begin with: nothing that begins or ends transactions, which are ours, or is about the session, which
 * ends with the call. This names mistakes early; that sessions and transactions stay ours does not hang on it.
 */
import { Refusal } from "../database/refusal.ts";
import type { SqlGrant } from "../grant.ts";
import type { SqlLimits } from "../limits.ts";
import { leadingWord } from "./scanner.ts";

const READING = ["SELECT", "WITH", "VALUES", "TABLE", "EXPLAIN"];
const CHANGING = ["INSERT", "UPDATE", "DELETE", "MERGE"];
const SHAPING = ["CREATE", "ALTER", "DROP", "TRUNCATE", "COMMENT", "ANALYZE", "REFRESH", "REINDEX"];
const ALLOWED = {
  reading: new Set(READING),
  changing: new Set([...READING, ...CHANGING]),
  everything: new Set([...READING, ...CHANGING, ...SHAPING]),
} as const;

/** What begins and ends a transaction. */
const TRANSACTING = new Set(["BEGIN", "START", "COMMIT", "END", "ROLLBACK"]);

/** @throws {Refusal} `binding_denied`, `sql_error` */
export function checkStatement(sql: string, { mode, tables }: SqlGrant, { statementBytesMax: value }: SqlLimits): void {
  if (Buffer.byteLength(sql) > value) {
    const limit = { name: "statementBytesMax", value };
    throw new Refusal("sql_error", `Cannot run a statement of more than ${value} bytes`, limit);
  }
  if (sql.includes("\0")) throw new Refusal("sql_error", "Cannot run a statement that holds a NUL");
  const word = leadingWord(sql);
  const isRead = mode === "read";
  if (ALLOWED[isRead ? "reading" : tables === undefined ? "everything" : "changing"].has(word)) return;
  if (ALLOWED.everything.has(word)) {
    const why = isRead ? "for reading only" : "for some tables only";
    throw new Refusal("binding_denied", `Cannot run ${word}: the binding is ${why}`);
  }
  const said = word || sql.trim().slice(0, 20);
  const hint = TRANSACTING.has(word) ? "; a batch is the transaction" : "";
  throw new Refusal("binding_denied", `Cannot run a statement that begins with "${said}"${hint}`);
}
