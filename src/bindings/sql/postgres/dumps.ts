/** What `pg_dump` writes around the statements of a dump: about the session that reads it, which is ours. */

/** Settings of a session that change nothing of what a dump makes. */
const SETTINGS = [
  ...["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"],
  ...["client_encoding", "standard_conforming_strings", "check_function_bodies", "xmloption", "client_min_messages"],
  ...["row_security", "default_tablespace", "default_table_access_method"],
];
const SESSION = new RegExp(`^(SET (${SETTINGS.join("|")}) (=|TO) [^;]*|BEGIN|COMMIT|START TRANSACTION)$`, "i");
/** Comments before a statement, and psql's own words since the dumps of 2025. */
const BEFORE = /^(\s+|--[^\n]*(\n|$)|\\(un)?restrict [A-Za-z0-9]+(\n|$))+/;

/** The statements that are to be run. */
export function withoutDumps(statements: readonly string[]): string[] {
  return statements.map((sql) => sql.replace(BEFORE, "").trimEnd()).filter((sql) => sql !== "" && !SESSION.test(sql));
}
