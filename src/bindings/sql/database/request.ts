/** What a call asks of a database, read from what a guest has sent: nothing of it is taken on trust. */
import type { SqlLimits } from "../limits.ts";
import { Refusal } from "./refusal.ts";
import { readValue, type SqlValue } from "./values.ts";

/** One statement with its values. */
export interface Asked {
  readonly sql: string;
  readonly values: readonly SqlValue[];
}

/**
 * What is asked. `query` runs one statement; `batch` several in one transaction; `exec` a text of statements, each by
 * itself; `script` texts of statements, all in one transaction, for who administers.
 */
export type SqlRequest =
  | { readonly kind: "query" | "batch"; readonly statements: readonly Asked[]; readonly isFirst: boolean }
  | { readonly kind: "exec" | "script"; readonly texts: readonly string[] };

/** Reads `{"o":"query"|"batch","s":[[sql,value…]],"n":1}`, with `n` for who wants the first row only, or `{"o":"exec"|"script","t":[text]}`. @throws {Refusal} */
export function readRequest(text: string, limits: SqlLimits): SqlRequest {
  let sent: unknown;
  try {
    sent = JSON.parse(text);
  } catch {
    throw malformed("expected JSON");
  }
  return checkRequest(sent, limits);
}

/** What `readRequest` reads, parsed already. @throws {Refusal} */
export function checkRequest(sent: unknown, limits: SqlLimits): SqlRequest {
  const { o, s, t, n } = (sent ?? {}) as Readonly<Record<string, unknown>>;
  switch (o) {
    case "query":
    case "batch":
      if (!Array.isArray(s) || (o === "query" && s.length !== 1)) throw malformed("expected a list of statements");
      checkCount(s.length, limits);
      return { kind: o, statements: s.map((each) => readStatement(each, limits)), isFirst: n === 1 };
    case "exec":
    case "script":
      if (!Array.isArray(t) || !t.every((each) => typeof each === "string")) throw malformed("expected texts");
      return { kind: o, texts: t };
    default:
      throw malformed("expected a query, a batch or a text");
  }
}

/** @throws {Refusal} for more statements than one call may have */
export function checkCount(count: number, { batchStatementsMax: value }: SqlLimits): void {
  if (count <= value) return;
  const limit = { name: "batchStatementsMax", value };
  throw new Refusal("sql_error", `Cannot run more than ${value} statements at once`, limit);
}

function readStatement(sent: unknown, { parametersMax: value }: SqlLimits): Asked {
  if (!Array.isArray(sent)) throw malformed("expected a statement with its values");
  const [sql, ...values] = sent as readonly unknown[];
  if (typeof sql !== "string") throw malformed("expected the text of a statement");
  if (values.length > value) {
    const limit = { name: "parametersMax", value };
    throw new Refusal("sql_error", `Cannot bind ${values.length} values: the limit is ${value}`, limit);
  }
  return { sql, values: values.map(read) };
}

function read(sent: unknown, at: number): SqlValue {
  try {
    return readValue(sent);
  } catch {
    throw malformed(`expected a value that a database has as parameter ${at + 1}`);
  }
}

function malformed(expected: string): Refusal {
  return new Refusal("sql_error", `Cannot read the call: ${expected}`);
}
