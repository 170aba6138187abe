/**
 * What a statement may do: the table of rules that the authorizer asks.
 *
 * Everything that is not named here is refused: other files (ATTACH, VACUUM), transactions (a batch is one), settings
 * (PRAGMA, but for a few that only tell), temporary tables and triggers, which another function of the same database
 * would meet, and extensions.
 */
import { constants } from "node:sqlite";
import type { SqlGrant } from "../grant.ts";

const READING = codes("SELECT", "READ", "FUNCTION", "RECURSIVE");
/** Steps that change rows. */
export const WRITING = codes("INSERT", "UPDATE", "DELETE");
/** Steps that change the schema. */
export const SHAPING = codes(
  ...["CREATE_TABLE", "CREATE_INDEX", "CREATE_VIEW", "CREATE_TRIGGER", "CREATE_VTABLE"],
  ...["DROP_TABLE", "DROP_INDEX", "DROP_VIEW", "DROP_TRIGGER", "DROP_VTABLE", "ALTER_TABLE", "REINDEX", "ANALYZE"],
);

/** Pragmas that tell of one table. */
const TELLING = new Set(["table_info", "table_xinfo", "index_list", "foreign_key_list"]);
/** Those that tell of all. */
const TELLING_OF_ALL = new Set(["table_list", "index_info", "index_xinfo", "foreign_key_check"]);
/** What full-text search and `rtree` ask by themselves; nobody may set them. */
const ASKED = new Set(["data_version", "page_size"]);
/** Checks foreign keys at the end of a transaction, and ends with it. */
const DEFERRING = "defer_foreign_keys";
/** What virtual tables may be of. */
const MODULES = new Set(["fts5", "fts5vocab", "rtree", "rtree_i32"]);
const FUNCTIONS_REFUSED = new Set(["load_extension", "fts3_tokenizer", "sqlite_compileoption_get"]);
/** Virtual tables that exist in every database; these look behind tables. */
const TABLES_REFUSED = new Set(["sqlite_dbpage", "dbstat", "sqlite_stmt", "bytecode", "tables_used"]);

/** A grant as the authorizer reads it. */
export interface Rights {
  readonly mode: SqlGrant["mode"];
  /** In lower case; undefined for all. */
  readonly tables: ReadonlySet<string> | undefined;
  /** Views and triggers through which more is reached. */
  readonly ways: ReadonlySet<string>;
}

/** Rights over everything, refusing what nobody may. */
export const ALL_RIGHTS: Rights = { mode: "read-write", tables: undefined, ways: new Set() };

/** Why a step of a statement is refused; undefined when it is not. */
export function refusalOf(
  rights: Rights,
  code: number,
  first: string | null,
  second: string | null,
  way: string | null,
): string | undefined {
  const { mode, tables } = rights;
  if (READING.has(code)) return readingRefusal(rights, code, first, second, way);
  if (code === constants.SQLITE_PRAGMA) return pragmaRefusal(rights, first ?? "", second);
  const table = (first ?? "").toLowerCase();
  if (WRITING.has(code)) {
    if (mode === "read") return `the binding may read only, and this writes to "${first}"`;
    if (TABLES_REFUSED.has(table)) return `the table "${first}" is not available`;
    return isReached(rights, table, way) ? undefined : `the binding has no table "${first}"`;
  }
  if (!SHAPING.has(code)) return `${nameOf(code)} is not available`;
  if (mode === "read") return `the binding may read only, and this is ${nameOf(code)}`;
  if (tables !== undefined) return `the binding is for some tables only, and this is ${nameOf(code)}`;
  if (code === constants.SQLITE_CREATE_VTABLE && !MODULES.has((second ?? "").toLowerCase())) {
    return `virtual tables are of ${[...MODULES].join(", ")}, and not of "${second}"`;
  }
  return undefined;
}

function readingRefusal(
  rights: Rights,
  code: number,
  first: string | null,
  second: string | null,
  way: string | null,
): string | undefined {
  if (code === constants.SQLITE_FUNCTION) {
    return FUNCTIONS_REFUSED.has((second ?? "").toLowerCase()) ? `${second}() is not available` : undefined;
  }
  if (code !== constants.SQLITE_READ) return undefined;
  const table = (first ?? "").toLowerCase();
  if (TABLES_REFUSED.has(table)) return `the table "${first}" is not available`;
  // Tables that functions make out of a text, and pragmas, which are asked about by themselves.
  if (table === "json_each" || table === "json_tree" || table.startsWith("pragma_")) return undefined;
  return isReached(rights, table, way) ? undefined : `the binding has no table "${first}"`;
}

function isReached({ tables, ways }: Rights, table: string, way: string | null): boolean {
  if (tables === undefined) return true;
  return tables.has(table) || (way !== null && ways.has(way.toLowerCase()));
}

function pragmaRefusal({ mode, tables }: Rights, name: string, value: string | null): string | undefined {
  const pragma = name.toLowerCase();
  if (pragma === DEFERRING && mode === "read-write") return undefined;
  if (TELLING.has(pragma) && value !== null && (tables === undefined || tables.has(value.toLowerCase()))) {
    return undefined;
  }
  if (TELLING_OF_ALL.has(pragma) && tables === undefined) return undefined;
  if (ASKED.has(pragma) && value === null && tables === undefined) return undefined;
  return `PRAGMA ${name} is not available`;
}

function codes(...names: readonly string[]): ReadonlySet<number> {
  return new Set(names.map((name) => (constants as Readonly<Record<string, number>>)[`SQLITE_${name}`] as number));
}

const NAMES = new Map(
  Object.entries(constants)
    .filter(([name]) => !/^SQLITE_(OK|DENY|IGNORE|COPY|CHANGESET.*|LIMIT.*)$/.test(name))
    .map(([name, code]) => [code as number, name.slice("SQLITE_".length).replaceAll("_", " ")]),
);

function nameOf(code: number): string {
  return NAMES.get(code) ?? "this";
}
