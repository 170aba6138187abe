/**
 * Whether the role of a database may do no more than a grant of tables says. Nothing in a session can hold a statement to
 * some tables: a role is changed back by a function, and a text is no measure of what it reaches. So PostgreSQL's own rights
 * must say the same as the grant, and where they say more, nothing is run at all.
 */
import type { Clock } from "../../../core/clock.ts";
import { IsopodError } from "../../../core/errors.ts";
import type { PgConnection } from "./connection.ts";
import { isEnd } from "./failures.ts";
import { NotBegun } from "./run.ts";

/** How long an answer holds: rights may be given and taken meanwhile. */
const KNOWN_MS = 10_000;
const KNOWN_MAX = 1000;

const NAMES_SQL = "SELECT pg_catalog.to_regclass(name)::oid FROM pg_catalog.unnest($1::text[]) AS name";

/** Schemas that are PostgreSQL's or CockroachDB's own. */
const OURS =
  "n.nspname IN ('pg_catalog', 'information_schema', 'crdb_internal', 'pg_extension') OR n.nspname ~ '^pg_(toast|temp)'";
const MINE = "(SELECT oid FROM pg_roles WHERE rolname = session_user)";

/** One row for the first thing that the role may beyond the relations `$1`; none when there is nothing. */
const MORE_SQL = `
  WITH granted AS (SELECT unnest($1::oid[]) AS oid)
  SELECT 'it begins as another role' AS more WHERE session_user <> current_user
  UNION ALL SELECT 'it may administer the server' FROM pg_roles WHERE rolname = session_user
    AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)
  UNION ALL SELECT 'it is a member of other roles' FROM pg_auth_members WHERE member = ${MINE}
  UNION ALL SELECT 'it may make schemas' WHERE has_database_privilege(current_database(), 'CREATE')
  UNION ALL SELECT 'it may make things in ' || n.nspname FROM pg_namespace n
    WHERE NOT (${OURS}) AND has_schema_privilege(n.oid, 'CREATE')
  UNION ALL SELECT 'it owns ' || c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT (${OURS}) AND c.relowner = ${MINE}
  UNION ALL SELECT 'it reaches ' || c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND NOT (${OURS}) AND c.oid NOT IN (SELECT oid FROM granted)
    AND has_schema_privilege(n.oid, 'USAGE')
    AND (has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
      OR has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))
  UNION ALL SELECT 'it reaches ' || c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT (${OURS}) AND has_schema_privilege(n.oid, 'USAGE')
    AND CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'USAGE, SELECT, UPDATE') ELSE false END
    AND NOT EXISTS (
      SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass
      AND d.refclassid = 'pg_class'::regclass AND d.refobjid IN (SELECT oid FROM granted))
  UNION ALL SELECT 'it calls ' || p.oid::regprocedure::text || ' as its owner' FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.prosecdef AND NOT (${OURS}) AND has_schema_privilege(n.oid, 'USAGE')
    AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype) AND has_function_privilege(p.oid, 'EXECUTE')
  LIMIT 1`;

/** A grant of tables, in a database as a role. */
export interface TableGrant {
  readonly project: string;
  readonly tables: readonly string[];
  /** Names database, role and tables. */
  readonly key: string;
}

/** Hears of a role that may do more. */
export type ReportRights = (message: string, fields: Readonly<Record<string, unknown>>) => void;

interface Known {
  readonly at: number;
  readonly more: string | undefined;
}

/** What is known of roles. */
export class RoleRights {
  readonly #clock: Clock;
  readonly #report: ReportRights;
  readonly #known = new Map<string, Known>();

  constructor(clock: Clock, report: ReportRights) {
    this.#clock = clock;
    this.#report = report;
  }

  /** @throws {IsopodError} `binding_denied` for a role that may do more; {NotBegun} where it cannot be asked */
  async check(connection: PgConnection, { project, tables, key }: TableGrant): Promise<void> {
    const now = this.#clock.now();
    let known = this.#known.get(key);
    if (known === undefined || now - known.at > KNOWN_MS) {
      const more = await findMore(connection, tables).catch((cause) => {
        const message = "Cannot use the database: it does not tell what the role of its url may do";
        throw isEnd(cause) ? new NotBegun(cause) : new IsopodError("binding_failed", { message, cause });
      });
      known = { at: now, more };
      if (this.#known.size >= KNOWN_MAX) this.#known.clear();
      this.#known.set(key, known);
      const message = 'The role of a database may do more than "tables" says, so that nothing is run';
      if (more !== undefined) this.#report(message, { project, tables, more });
    }
    if (known.more === undefined) return;
    const message = 'Cannot use the database: the role of its url may do more than "tables" says; the log names it';
    throw new IsopodError("binding_denied", { message });
  }
}

/** What the role of a connection may do beyond the tables; undefined when nothing. */
async function findMore(connection: PgConnection, tables: readonly string[]): Promise<string | undefined> {
  await connection.begin(true);
  const names = await connection.list(NAMES_SQL, [arrayOf(tables)]);
  // What the role may have made must not stand in the place of what is asked here.
  await connection.control("SET LOCAL search_path = pg_catalog, pg_temp");
  const granted = names.filter((oid) => oid !== null);
  const [more] = await connection.list(MORE_SQL, [arrayOf(granted)]);
  await connection.control("ROLLBACK");
  return more ?? undefined;
}

/** A list as PostgreSQL reads an array. */
function arrayOf(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replace(/["\\]/g, "\\$&")}"`).join(",")}}`;
}
