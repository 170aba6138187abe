/** PostgreSQL behind the SQL binding, against a real cluster: what it gives, and what it refuses. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { codeOf, PostgresRig } from "../../../testing/postgres_rig.ts";
import { PostgresServer, postgresFolder } from "../../../testing/postgres_server.ts";
import type { SqlResult } from "../../../testing/sql_rig.ts";

const missing = postgresFolder() === undefined;
const name = missing ? "PostgreSQL (skipped: it is not installed)" : "PostgreSQL";

let server: PostgresServer;
const rig = new PostgresRig(() => server.url("one", "one"));
const { query, ask, code } = {
  query: rig.query.bind(rig),
  ask: rig.ask.bind(rig),
  code: rig.code.bind(rig),
};

beforeAll(async () => {
  if (missing) return;
  server = await PostgresServer.start();
  for (const user of ["one", "two"]) {
    await server.admin(`CREATE USER ${user}`);
    await server.admin(`CREATE DATABASE ${user} OWNER ${user}`);
  }
  await ask({ o: "exec", t: ["CREATE TABLE t (n int PRIMARY KEY, note text); INSERT INTO t VALUES (1, 'a;b')"] });
}, 60_000);
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

describe.skipIf(missing)(name, () => {
  test("gives values exactly", async () => {
    const values: Readonly<Record<string, unknown>> = {
      "1": 1,
      "9007199254740993::int8": { i: "9007199254740993" },
      "9007199254740991::int8": 9007199254740991,
      "1.5::float8": 1.5,
      "'NaN'::float8": { f: "NaN" },
      "'-Infinity'::float4": { f: "-Infinity" },
      true: true,
      NULL: null,
      "'\\x00ff'::bytea": { b: "AP8=" },
      "12.3450::numeric": "12.3450",
      "123456789012345678901234567890.5": "123456789012345678901234567890.5",
      "'{\"a\":1}'::jsonb": '{"a": 1}',
      "'ü\u{1f600}'": "ü\u{1f600}",
      "'2026-01-02'::date": "2026-01-02",
      "'2026-01-02 03:04:05.678'::timestamp": "2026-01-02T03:04:05.678",
      "'2026-01-02 03:04:05+02'::timestamptz": "2026-01-02T01:04:05+00:00",
      "'infinity'::timestamptz": "infinity",
      "'0044-03-15 12:00:00 BC'::timestamp": "0044-03-15 12:00:00 BC",
      "'00000000-0000-4000-8000-000000000000'::uuid": "00000000-0000-4000-8000-000000000000",
      "interval '1 day'": "1 day",
      "ARRAY[1,NULL,3]": [1, null, 3],
      "ARRAY[[1,2],[3,4]]": [
        [1, 2],
        [3, 4],
      ],
      "'{}'::int[]": [],
      "ARRAY['a,b','NULL','','\"\\','{}']": ["a,b", "NULL", "", '"\\', "{}"],
      "ARRAY[9007199254740993]::int8[]": [{ i: "9007199254740993" }],
      "ARRAY['\\x01'::bytea]": [{ b: "AQ==" }],
      "ARRAY[true,false]": [true, false],
      "'[2:3]={7,8}'::int[]": "[2:3]={7,8}",
      "ROW(1,'x')": "(1,x)",
    };
    const { r } = await query(`SELECT ${Object.keys(values).join(", ")}`);
    expect(r).toEqual([Object.values(values)]);
  });

  test("takes values by their places, however they are written", async () => {
    const bound = await query("SELECT ?::int8, ?::bytea, ?::bool, ?::float8, ?::text, ?::timestamptz", [
      ...[{ i: "9223372036854775807" }, { b: "AAE=" }, 1, 1.5, null, "2026-01-02T03:04:05Z"],
    ]);
    expect(bound.r).toEqual([
      [{ i: "9223372036854775807" }, { b: "AAE=" }, true, 1.5, null, "2026-01-02T03:04:05+00:00"],
    ]);
    expect((await query("SELECT ?2::text, ?1::text, '?', $1::text", ["a", "b"])).r).toEqual([["b", "a", "?", "a"]]);
    expect((await query("SELECT '{\"k\":1}'::jsonb ?? ?", ["k"])).r).toEqual([[true]]);
    for (const values of [[], ["a"], ["a", "b", "c"]]) {
      await expect(query("SELECT ?::text, ?::text", values)).rejects.toMatchObject({ code: "sql_error" });
    }
    await expect(query("SELECT ?::int", ["no number"])).rejects.toMatchObject({
      code: "sql_error",
      message: 'Cannot run the statement: invalid input syntax for type integer: "no number" (22P02)',
    });
    expect(await codeOf(query("SELECT ?", ["a\0b"]))).toBe("sql_error");
    expect(await codeOf(query("SELECT ?", ["x".repeat(1_000_001)]))).toBe("value_too_large");
  });

  test("makes a batch one transaction, and each statement of a text its own", async () => {
    const batch = { o: "batch", s: [["INSERT INTO t VALUES (?, ?)", 2, "two"], ["INSERT INTO t VALUES (1, 'again')"]] };
    await expect(ask(batch)).rejects.toMatchObject({ code: "sql_error", message: expect.stringContaining("23505") });
    expect((await query("SELECT n, note FROM t WHERE n < 3")).r).toEqual([[1, "a;b"]]);
    const [first, , last] = (await ask({
      o: "batch",
      s: [
        ["INSERT INTO t VALUES (2, 'x'), (3, 'y')"],
        ["UPDATE t SET note = 'z' WHERE n > ?", 1],
        ["SELECT count(*) FROM t"],
      ],
    })) as SqlResult[];
    expect(first?.m).toMatchObject({ changes: 2, changed_db: true, rows_written: 2, last_row_id: null });
    expect(last?.r).toEqual([[3]]);
    const text = "INSERT INTO t VALUES (4, ''); SELECT nonsense; INSERT INTO t VALUES (5, '')";
    expect(await codeOf(ask({ o: "exec", t: [text] }))).toBe("sql_error");
    expect((await query("SELECT n FROM t WHERE n > 3")).r).toEqual([[4]]);
    const routine = "CREATE FUNCTION two() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT two()";
    expect(await ask({ o: "exec", t: [routine] })).toEqual({ count: 2 });
    expect((await query("INSERT INTO t VALUES (6, 'r') RETURNING n")).r).toEqual([[6]]);
    const [only] = (await ask({ o: "query", s: [["SELECT n FROM t ORDER BY n"]], n: 1 })) as SqlResult[];
    expect(only?.r).toEqual([[1]]);
  });

  test("refuses what begins or ends transactions, or is about the session", async () => {
    for (const sql of [
      ...["BEGIN", "START TRANSACTION", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT a", "RELEASE a"],
      ...["PREPARE TRANSACTION 'a'", "COMMIT PREPARED 'a'", "SET statement_timeout = 0", "SET LOCAL role = 'admin'"],
      ...["RESET ALL", "SHOW ALL", "LISTEN a", "UNLISTEN *", "NOTIFY a", "COPY t TO STDOUT", "COPY t FROM STDIN"],
      ...["COPY (SELECT 1) TO PROGRAM 'id'", "DO $$ BEGIN END $$", "PREPARE a AS SELECT 1", "EXECUTE a"],
      ...["DEALLOCATE ALL", "DISCARD ALL", "LOCK t", "VACUUM", "CLUSTER", "CHECKPOINT", "CALL f()", "LOAD 'x'"],
      ...["DECLARE c CURSOR WITH HOLD FOR SELECT 1", "FETCH c", "MOVE c", "CLOSE c", "GRANT ALL ON t TO two"],
      ...["IMPORT FOREIGN SCHEMA s FROM SERVER x INTO y", "/* SELECT */ COMMIT", "(COMMIT)", "-- SELECT\rCOMMIT"],
      ...["\u00a0COMMIT", "", ";", "'SELECT'", '"SELECT"'],
    ]) {
      expect([sql, await code(sql)]).toEqual([sql, "binding_denied"]);
    }
    for (const sql of [
      ...[
        "SELECT 1; COMMIT",
        "SELECT 1; SET statement_timeout = 0",
        "SELECT 1;;SELECT 2",
        "SELECT E'\\'; COMMIT --'; 1",
      ],
      ...["SELECT pg_read_file('/etc/passwd')", "SELECT lo_import('/etc/passwd')", "ALTER SYSTEM SET fsync = off"],
      ...["SELECT 1\0; COMMIT", "EXPLAIN EXECUTE a", "CREATE DATABASE x", "SELECT set_config('role', 'admin', false)"],
      "CREATE FUNCTION ends() RETURNS void LANGUAGE plpgsql AS 'BEGIN COMMIT; END'; SELECT ends()",
    ]) {
      expect([sql, await code(sql)]).toEqual([sql, "sql_error"]);
    }
    await query("CREATE FUNCTION ends() RETURNS void LANGUAGE plpgsql AS 'BEGIN COMMIT; END'");
    const half = { o: "batch", s: [["INSERT INTO t VALUES (77, '')"], ["SELECT ends()"]] };
    expect(await codeOf(ask(half))).toBe("sql_error");
    expect((await query("SELECT * FROM t WHERE n = 77")).r).toEqual([]);
  });

  test("lets who may only read change nothing, also not by what they call", async () => {
    await query("CREATE FUNCTION sneak() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (99, NULL) RETURNING n'");
    const undo = "BEGIN EXECUTE ''SET transaction_read_only = off''; INSERT INTO t VALUES (98, NULL); END";
    await query(`CREATE FUNCTION undo() RETURNS void LANGUAGE plpgsql AS '${undo}'`);
    await query("CREATE SEQUENCE seq");
    for (const sql of [
      ...["INSERT INTO t VALUES (9, '')", "WITH x AS (DELETE FROM t RETURNING n) SELECT * FROM x", "SELECT sneak()"],
      ...["CREATE TABLE u (a int)", "SELECT * INTO u FROM t", "SELECT nextval('seq')", "ANALYZE t", "REINDEX TABLE t"],
      ...["EXPLAIN ANALYZE DELETE FROM t", "SELECT * FROM t FOR UPDATE"],
    ]) {
      expect([sql, await code(sql, { mode: "read" })]).toEqual([sql, "binding_denied"]);
    }
    const off = "SELECT set_config('transaction_read_only', 'off', true)";
    for (const sql of [
      off,
      "SELECT undo()",
      "SELECT set_config('default_transaction_read_only', 'off', false), undo()",
    ]) {
      expect([sql, await code(sql, { mode: "read" })]).toEqual([sql, "sql_error"]);
    }
    const twice = { o: "batch", s: [[off.replace("transaction", "default_transaction")], ["SELECT sneak()"]] };
    expect(await codeOf(ask(twice, { mode: "read" }))).toBe("binding_denied");
    // PostgreSQL 15 lets read-only transactions write large objects; ours is undone.
    await query("SELECT lo_from_bytea(0, 'x')", [], { mode: "read" }).catch(() => {});
    expect((await query("SELECT count(*) FROM pg_largeobject_metadata")).r).toEqual([[0]]);
    expect((await query("SELECT count(*) FROM t WHERE n > 90")).r).toEqual([[0]]);
  });

  test("gives no session on: settings, roles, locks, temporary tables and channels are gone", async () => {
    await query("SELECT set_config('search_path', 'evil', false), pg_advisory_lock(42)");
    await query("SELECT set_config('default_transaction_read_only', 'on', false)");
    await query("CREATE TEMP TABLE left_over (a int)");
    for (let round = 0; round < 10; round += 1) {
      expect((await query("SELECT current_setting('search_path')")).r).toEqual([['"$user", public']]);
      expect(await code("SELECT * FROM left_over")).toBe("sql_error");
      expect(await code("INSERT INTO t VALUES (1000, '') ON CONFLICT DO NOTHING")).toBe("none");
    }
    expect(await server.admin("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")).toBe("0");
  });

  test("keeps projects and databases apart", async () => {
    const two = { project: "q", url: server.url("two", "two") };
    expect(await code("SELECT * FROM t", two)).toBe("sql_error");
    await query("CREATE TABLE t (n int)", [], two);
    expect((await query("SELECT count(*) FROM t", [], two)).r).toEqual([[0]]);
    expect(await code("SELECT * FROM one.public.t", two)).toBe("sql_error");
    // Two projects with one url share the database, and no connection.
    const backend = "SELECT pg_backend_pid()";
    const own = new Set<unknown>();
    const others = new Set<unknown>();
    for (let round = 0; round < 10; round += 1) {
      own.add((await query(backend)).r[0]?.[0]);
      others.add((await query(backend, [], { project: "r" })).r[0]?.[0]);
    }
    expect([...own].filter((each) => others.has(each))).toEqual([]);
  });
});
