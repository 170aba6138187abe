/**
 * Who shares a server, a database or a connection's past with somebody hostile notices nothing: texts of every kind that leads
 * out of a transaction, a session or a database, put together at random and sent in every way, beside somebody else's calls.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type AskPostgres, codeOf, PostgresRig } from "../../../testing/postgres_rig.ts";
import { PostgresServer, postgresFolder } from "../../../testing/postgres_server.ts";
import { seededRandom } from "../../../testing/seeded_random.ts";

const missing = postgresFolder() === undefined;
const name = missing ? "somebody hostile (skipped: PostgreSQL is not installed)" : "somebody hostile";
const ROUNDS = 400;

let server: PostgresServer;
const rig = new PostgresRig(() => server.url("one", "one"), { poolLimits: { connectionsMax: 2 } });

beforeAll(async () => {
  if (missing) return;
  server = await PostgresServer.start();
  for (const user of ["one", "two"]) {
    await server.admin(`CREATE USER ${user}`);
    await server.admin(`CREATE DATABASE ${user} OWNER ${user}`);
    await server.admin(`REVOKE CONNECT ON DATABASE ${user} FROM public`);
  }
  await rig.query("CREATE TABLE kept (n int PRIMARY KEY, word text)");
  await rig.query("INSERT INTO kept VALUES (1, 'mine')");
  await rig.query("CREATE TABLE secret (word text)", [], victim());
  await rig.query("INSERT INTO secret VALUES ('the hidden word')", [], victim());
}, 60_000);
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

const victim = (): AskPostgres => ({ project: "q", url: server.url("two", "two") });

/** What leads somewhere: out of the transaction, the session, the database, the role, the machine. */
const LEADING = [
  ...[
    "SET ROLE admin",
    "SET LOCAL ROLE two",
    "RESET ROLE",
    "RESET ALL",
    "SET SESSION AUTHORIZATION two",
    "DISCARD ALL",
  ],
  ...["SET search_path = evil", "SET statement_timeout = 0", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"],
  ...["SELECT set_config('role', 'admin', false)", "SELECT set_config('session_authorization', 'two', false)"],
  ...["SELECT set_config('search_path', 'evil, pg_temp', false)", "SELECT set_config('statement_timeout', '1', false)"],
  ...[
    "SELECT set_config('default_transaction_read_only', 'on', false)",
    "SELECT set_config('application_name', 'evil', false)",
  ],
  ...[
    "SELECT set_config('client_encoding', 'SQL_ASCII', false)",
    "SELECT set_config('standard_conforming_strings', 'off', false)",
  ],
  ...["SELECT set_config('bytea_output', 'escape', false)", "SELECT set_config('datestyle', 'German', false)"],
  ...["SELECT set_config('idle_session_timeout', '1', false)", "SELECT set_config('lock_timeout', '1', false)"],
  ...["BEGIN", "COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "SAVEPOINT a", "ROLLBACK TO a", "RELEASE a", "END", "ABORT"],
  ...[
    "PREPARE TRANSACTION 'x'",
    "PREPARE evil AS SELECT 1",
    "EXECUTE evil",
    "DEALLOCATE ALL",
    'PREPARE "" AS SELECT 1',
  ],
  ...[
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    "FETCH ALL c",
    "CLOSE ALL",
    "LISTEN evil",
    "NOTIFY evil, 'x'",
    "UNLISTEN *",
  ],
  ...["SELECT pg_notify('evil', 'x')", "SELECT pg_advisory_lock(7)", "SELECT pg_advisory_lock_shared(8)"],
  ...[
    "SELECT pg_try_advisory_xact_lock(9)",
    "CREATE TEMP TABLE kept (n int, word text)",
    "CREATE TEMP VIEW kept AS SELECT 2 AS n",
  ],
  ...[
    "CREATE TEMP TABLE evil AS SELECT 1",
    "SELECT 1 INTO TEMP evil",
    "CREATE FUNCTION pg_temp.now() RETURNS int LANGUAGE sql AS 'SELECT 1'",
  ],
  ...["DO $$ BEGIN COMMIT; END $$", "DO 'BEGIN PERFORM 1; END'", "CALL evil()", "LOCK kept IN ACCESS EXCLUSIVE MODE"],
  ...[
    "COPY kept TO PROGRAM 'id'",
    "COPY kept FROM '/etc/passwd'",
    "COPY (SELECT * FROM pg_authid) TO STDOUT",
    "COPY kept FROM STDIN",
  ],
  ...[
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/x')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
  ],
  ...["SELECT pg_read_binary_file('pg_hba.conf')", "SELECT * FROM dblink('dbname=two', 'SELECT 1') AS t(a int)"],
  ...["CREATE EXTENSION dblink", "CREATE EXTENSION file_fdw", "CREATE LANGUAGE plpython3u", "LOAD 'auto_explain'"],
  ...[
    "SELECT * FROM two.public.secret",
    "SELECT * FROM secret",
    "ALTER USER one SUPERUSER",
    "CREATE USER evil SUPERUSER",
  ],
  ...[
    "ALTER ROLE one SET role = 'two'",
    "ALTER DATABASE two OWNER TO one",
    "GRANT two TO one",
    "REASSIGN OWNED BY two TO one",
  ],
  ...[
    "ALTER SYSTEM SET fsync = off",
    "SELECT pg_reload_conf()",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'two'",
  ],
  ...[
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'two'",
    "SELECT query FROM pg_stat_activity",
  ],
  ...["SELECT usename, passwd FROM pg_shadow", "SELECT * FROM pg_authid", "SELECT * FROM pg_largeobject"],
  ...[
    "INSERT INTO kept VALUES (2, 'x')",
    "SELECT 1/0",
    "SELECT * FROM kept",
    "TABLE kept",
    "VALUES (1)",
    "EXPLAIN SELECT 1",
  ],
];

const random = seededRandom(41);
const pick = () => random.pick(LEADING);
/** Ways to write one text, or several, so that they may pass for something else. */
const DRESSED: readonly ((one: string, other: string) => string)[] = [
  (one) => one,
  (one) => `/* SELECT */ ${one}`,
  (one) => `--\n${one}`,
  (one) => `/* /* */ */${one}--`,
  (one, other) => `${one}; ${other}`,
  (one, other) => `SELECT 1; ${one}; ${other}`,
  (one) => `SELECT $$ $$; ${one}`,
  (one) => `SELECT $a$ ' $a$ ; ${one} -- '`,
  (one) => `SELECT E'\\'; ${one} --'`,
  (one) => `SELECT '\\'; ${one}; --'`,
  (one) => `SELECT U&'\\0027; ${one}'`,
  (one) => `(${one})`,
  (one) => `WITH x AS (${one}) SELECT * FROM x`,
  (one) => `EXPLAIN ANALYZE ${one}`,
  (one) => `\u00a0${one}`,
  (one) => `\ufeff${one}`,
  (one) => `SELECT 1\u2028;${one}`,
  (one) => `SELECT 1;\u0001${one}`,
  (one) => `SELECT 1; ${one.toLowerCase()}`,
  (one) => `SELECT query_to_xml(${quoted(one)}, true, true, '')`,
  (one) => `CREATE FUNCTION evil_${random.below(9)}() RETURNS void LANGUAGE plpgsql AS ${quoted(`BEGIN ${one}; END`)}`,
  () => `SELECT evil_${random.below(9)}()`,
  (one) =>
    `CREATE OR REPLACE FUNCTION evil_${random.below(9)}() RETURNS void LANGUAGE plpgsql AS ${quoted(`BEGIN EXECUTE ${quoted(one)}; END`)}`,
];
const dressed = () => random.pick(DRESSED)(pick(), pick());

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function request(): unknown {
  const texts = Array.from({ length: 1 + random.below(4) }, dressed);
  switch (random.below(4)) {
    case 0:
      return { o: "query", s: [[texts[0]]] };
    case 1:
      return { o: "batch", s: texts.map((text) => [text]) };
    case 2:
      return { o: "exec", t: [texts.join(";\n")] };
    default:
      return { o: "script", t: texts };
  }
}

const STATE = `SELECT current_user::text, session_user::text, current_setting('search_path'), current_setting('statement_timeout'),
  current_setting('lock_timeout'), current_setting('transaction_read_only'), current_setting('client_encoding'),
  current_setting('standard_conforming_strings'), current_setting('bytea_output'), current_setting('application_name'),
  (SELECT count(*) FROM pg_prepared_statements WHERE name <> ''), (SELECT count(*) FROM pg_cursors WHERE is_holdable),
  (SELECT count(*) FROM pg_listening_channels()), (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()),
  (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()), to_regclass('kept')::oid::text`;

describe.skipIf(missing)(name, () => {
  test("leaves nothing to the next call of its own database, and reaches nothing of another", async () => {
    const before = (await rig.query(STATE)).r;
    const beside = (await rig.query(STATE, [], victim())).r;
    for (let round = 0; round < ROUNDS; round += 1) {
      const asked = request();
      const mode = random.below(2) === 0 ? "read" : "read-write";
      const [answer] = await Promise.all([
        rig.ask(asked, { mode, workMs: 2000 }).then(JSON.stringify, (error) => `${error.code} ${error.message}`),
        rig.query("SELECT word FROM secret", [], victim()),
      ]);
      expect([asked, answer]).toEqual([asked, expect.not.stringContaining("the hidden word")]);
      expect([asked, answer]).toEqual([asked, expect.not.stringMatching(/^(internal|undefined)/)]);
      // Two, since there are two connections.
      for (const { r } of await Promise.all([rig.query(STATE), rig.query(STATE)]))
        expect([asked, r]).toEqual([asked, before]);
      if (mode === "read") expect((await rig.query("SELECT word FROM kept WHERE n = 1")).r).toEqual([["mine"]]);
    }
    expect((await rig.query(STATE, [], victim())).r).toEqual(beside);
    expect((await rig.query("SELECT word FROM secret", [], victim())).r).toEqual([["the hidden word"]]);
    expect(await server.admin("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")).toBe("0");
    expect(await server.admin("SELECT count(*) FROM pg_prepared_xacts")).toBe("0");
    const open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'isopod' AND state LIKE 'idle in%'";
    while ((await server.admin(open)) !== "0");
    expect(await server.admin("SELECT count(*) FROM pg_roles WHERE rolsuper AND rolname <> 'admin'")).toBe("0");
    expect(await server.admin("SELECT count(*) FROM pg_extension WHERE extname <> 'plpgsql'", "one")).toBe("0");
  }, 120_000);

  test("changes nothing where it may only read, whatever it says", async () => {
    const rows = async () => (await rig.query("SELECT count(*), sum(n) FROM kept")).r;
    await rig.query("DELETE FROM kept WHERE n > 1");
    const before = await rows();
    const functions = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace";
    const made = (await rig.query(functions)).r;
    for (let round = 0; round < ROUNDS; round += 1) {
      await codeOf(rig.ask(request(), { mode: "read", workMs: 2000 }));
    }
    expect([await rows(), (await rig.query(functions)).r]).toEqual([before, made]);
  }, 120_000);

  test("finds no statement that was prepared, and no way to name one of ours", async () => {
    for (const sql of [
      "SELECT name, statement FROM pg_prepared_statements",
      "SELECT name FROM pg_cursors WHERE is_holdable",
    ]) {
      expect((await rig.query(sql)).r).toEqual([]);
    }
    // What is bound is a value, also where it looks like a text.
    const said = "1; DROP TABLE kept --";
    expect((await rig.query("SELECT ?::text, '?', $$?$$", [said])).r).toEqual([[said, "?", "?"]]);
    expect((await rig.query("SELECT count(*) FROM kept WHERE word = ?", ["' OR true --"])).r).toEqual([[0]]);
  });
});
