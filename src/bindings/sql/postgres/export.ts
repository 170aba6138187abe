/**
 * The rows of a database as a text of statements that puts them into another one: all tables that the role may read, as they
 * are at one moment. Their schema is the migrations' to make, and what `pg_dump --schema-only` tells.
 */
import { IsopodError } from "../../../core/errors.ts";
import type { PgConnection } from "./connection.ts";

const TABLES_MAX = 10_000;
/** How long a statement becomes, in characters, before the next begins; one row may be longer. */
const STATEMENT_LENGTH = 32_768;
const ROWS_A_READ = 100;

const OWN =
  "n.nspname NOT IN ('pg_catalog', 'information_schema', 'crdb_internal', 'pg_extension') AND n.nspname !~ '^pg_'";

/** Tables without the parts that others are made of, without our own record of migrations. */
const TABLES_SQL = `
  SELECT c.oid::text, c.oid::regclass::text,
    (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''),
    (SELECT CASE WHEN count(*) > 0 THEN ' OVERRIDING SYSTEM VALUE' ELSE '' END FROM pg_attribute a
      WHERE a.attrelid = c.oid AND a.attidentity = 'a'),
    (SELECT string_agg(f.confrelid::text, ' ') FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND ${OWN} AND c.relname <> 'd1_migrations'
    AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
  ORDER BY c.oid::regclass::text`;

const SEQUENCES_SQL = `
  SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE ${OWN} AND has_schema_privilege(n.oid, 'USAGE')
    AND CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'SELECT') ELSE false END
    AND c.relname <> 'd1_migrations_id_seq'
  ORDER BY c.oid::regclass::text`;

interface Table {
  readonly id: string;
  readonly name: string;
  readonly columns: string | null;
  readonly overriding: string;
  /** Tables that must have their rows before this one. */
  readonly needs: readonly string[];
}

/** The statements, a few at a time. @throws what PostgreSQL refuses, {IsopodError} */
export async function* exportRows(connection: PgConnection): AsyncGenerator<string> {
  await connection.control("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = pg_catalog");
  const tables = await readTables(connection);
  for (const table of inOrder(tables)) yield* rowsOf(connection, table);
  const sequences = await connection.list(SEQUENCES_SQL, []);
  for (const sequence of sequences) {
    const [row] = await connection.table(`SELECT last_value, is_called FROM ${sequence}`, 1);
    const [last = "1", called = "f"] = row ?? [];
    yield `SELECT pg_catalog.setval(${quoted(sequence ?? "")}, ${last}, ${called === "t"});\n`;
  }
  await connection.control("ROLLBACK");
}

async function readTables(connection: PgConnection): Promise<Table[]> {
  const rows = await connection.table(TABLES_SQL, TABLES_MAX + 1);
  if (rows.length > TABLES_MAX) {
    throw new IsopodError("result_too_large", { message: `Cannot export more than ${TABLES_MAX} tables` });
  }
  return rows.map(([id, name, columns, overriding, needs]) => ({
    ...{ id: id ?? "", name: name ?? "", columns: columns ?? null, overriding: overriding ?? "" },
    needs: needs?.split(" ") ?? [],
  }));
}

/** Tables behind those that they refer to; where they refer to one another in a circle, by their names. */
function inOrder(tables: readonly Table[]): Table[] {
  const left = new Map(tables.map((table) => [table.id, table]));
  const sorted: Table[] = [];
  const visit = (table: Table) => {
    left.delete(table.id);
    for (const id of table.needs) {
      const needed = left.get(id);
      if (needed !== undefined) visit(needed);
    }
    sorted.push(table);
  };
  for (const table of tables) if (left.has(table.id)) visit(table);
  return sorted;
}

async function* rowsOf(connection: PgConnection, table: Table): AsyncGenerator<string> {
  const { name, columns, overriding } = table;
  if (columns === null) return;
  const head = `INSERT INTO ${name} (${columns})${overriding} VALUES\n`;
  const reader = connection.rows(`SELECT ${columns} FROM ${name}`, []);
  let rows: string[] = [];
  let length = 0;
  const statement = () => `${head}${rows.join(",\n")};\n`;
  while (!reader.isDone) {
    connection.allowResults();
    for (const row of await reader.read(ROWS_A_READ)) {
      const text = `(${row.map((value) => (value === null ? "NULL" : quoted(value))).join(", ")})`;
      if (length + text.length > STATEMENT_LENGTH && rows.length > 0) {
        yield statement();
        rows = [];
        length = 0;
      }
      rows.push(text);
      length += text.length;
    }
  }
  await reader.close();
  if (rows.length > 0) yield statement();
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
