/** PostgreSQL behind the SQL binding, against a real cluster: what it gives, what it refuses, and that our clock is the one. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../../../core/clock.ts";
import type { IsopodError } from "../../../core/errors.ts";
import { PostgresServer, postgresFolder } from "../../../testing/postgres_server.ts";
import { type PgCall, Postgres } from "./postgres.ts";

const missing = postgresFolder() === undefined;
const name = missing ? "PostgreSQL (skipped: it is not installed)" : "PostgreSQL";

interface Result {
  readonly c: string[];
  readonly r: unknown[][];
  readonly m: Record<string, unknown>;
}

let server: PostgresServer;
let postgres: Postgres;
beforeAll(async () => {
  if (missing) return;
  server = await PostgresServer.start();
  for (const user of ["one", "two"]) {
    await server.admin(`CREATE USER ${user}`);
    await server.admin(`CREATE DATABASE ${user} OWNER ${user}`);
  }
  postgres = new Postgres({ clock: systemClock, isPublic: () => false });
}, 60_000);
afterAll(async () => {
  await postgres?.close();
  await server?.[Symbol.asyncDispose]();
});

async function ask(request: object, more: Partial<PgCall> = {}): Promise<Result[]> {
  const call = {
    project: "p",
    url: server.url("one", "one"),
    isTrusted: true,
    mode: "read-write",
    workMs: 10_000,
    signal: new AbortController().signal,
  } as const;
  const answer = await postgres.call({ ...call, request: new TextEncoder().encode(JSON.stringify(request)), ...more });
  return JSON.parse(new TextDecoder().decode(answer)) as Result[];
}
const query = async (sql: string, values: unknown[] = [], more: Partial<PgCall> = {}) =>
  (await ask({ o: "query", s: [[sql, ...values]] }, more))[0] as Result;
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "none",
    (error: IsopodError) => error.code,
  );
const active = () =>
  server.admin("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'isopod' AND state = 'active'");

describe.skipIf(missing)(name, () => {
  test("gives values exactly, and takes them", async () => {
    const { c, r } = await query(
      "SELECT 1 AS int, 9007199254740993::int8 AS big, 1.5::float8 AS real, 'NaN'::float8 AS nan, true AS yes, NULL AS none, '\\x00ff'::bytea AS bytes, 12.3450::numeric AS exact, '{\"a\":1}'::jsonb AS json, ARRAY[1,2] AS list, 'ü' AS text, ?::int8 AS bound, ?::bytea AS blob, ?::bool AS flag",
      [{ i: "9223372036854775807" }, { b: "AAE=" }, 1],
    );
    expect(c).toEqual([
      "int",
      "big",
      "real",
      "nan",
      "yes",
      "none",
      "bytes",
      "exact",
      "json",
      "list",
      "text",
      "bound",
      "blob",
      "flag",
    ]);
    expect(r).toEqual([
      [
        1,
        { i: "9007199254740993" },
        1.5,
        { f: "NaN" },
        true,
        null,
        { b: "AP8=" },
        "12.3450",
        '{"a": 1}',
        "{1,2}",
        "ü",
        { i: "9223372036854775807" },
        { b: "AAE=" },
        true,
      ],
    ]);
  });

  test("makes a batch one transaction, and each statement of a text its own", async () => {
    await ask({ o: "exec", t: ["CREATE TABLE t (n int PRIMARY KEY, note text); INSERT INTO t VALUES (1, 'a;b')"] });
    const batch = { o: "batch", s: [["INSERT INTO t VALUES (?, ?)", 2, "two"], ["INSERT INTO t VALUES (1, 'again')"]] };
    await expect(ask(batch)).rejects.toMatchObject({ code: "sql_error", message: expect.stringContaining("23505") });
    expect((await query("SELECT n, note FROM t ORDER BY n")).r).toEqual([[1, "a;b"]]);
    const [first, , last] = await ask({
      o: "batch",
      s: [
        ["INSERT INTO t VALUES (2, 'x'), (3, 'y')"],
        ["UPDATE t SET note = 'z' WHERE n > ?", 1],
        ["SELECT count(*) FROM t"],
      ],
    });
    expect([first?.m.changes, first?.m.changed_db, last?.r]).toEqual([2, true, [[3]]]);
    await expect(
      ask({ o: "exec", t: ["INSERT INTO t VALUES (4, ''); NONSENSE; INSERT INTO t VALUES (5, '')"] }),
    ).rejects.toMatchObject({ code: "binding_denied" });
    expect((await query("SELECT count(*) FROM t WHERE n = 4")).r).toEqual([[1]]);
  });

  test("refuses what begins or ends transactions, changes the session or leaves the database", async () => {
    for (const sql of [
      "BEGIN",
      "COMMIT",
      "ROLLBACK",
      "SAVEPOINT a",
      "SET statement_timeout = 0",
      "RESET ALL",
      "LISTEN a",
      "NOTIFY a",
      "COPY t TO STDOUT",
      "DO $$ BEGIN END $$",
      "PREPARE a AS SELECT 1",
      "DISCARD ALL",
      "LOCK t",
      "VACUUM",
      "CALL f()",
      "LOAD 'x'",
      "GRANT ALL ON t TO two",
      "/* SELECT */ COMMIT",
      "(COMMIT)",
      "",
      ";",
    ]) {
      expect([sql, await codeOf(query(sql))]).toEqual([sql, "binding_denied"]);
    }
    for (const sql of [
      "SELECT 1; COMMIT",
      "SELECT 1; DROP TABLE t",
      "COPY (SELECT 1) TO PROGRAM 'id'",
      "SELECT pg_read_file('/etc/passwd')",
      "SELECT lo_import('/etc/passwd')",
    ]) {
      expect([sql, await codeOf(query(sql))]).not.toEqual([sql, "none"]);
    }
  });

  test("lets who may only read change nothing, also not by what they call", async () => {
    await query("CREATE FUNCTION sneak() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (99, NULL) RETURNING n'");
    for (const sql of [
      "INSERT INTO t VALUES (9, '')",
      "WITH x AS (DELETE FROM t RETURNING n) SELECT * FROM x",
      "SELECT sneak()",
      "CREATE TABLE u (a int)",
      "SELECT set_config('transaction_read_only', 'off', true)",
    ]) {
      expect([sql, await codeOf(query(sql, [], { mode: "read" }))]).toEqual([sql, "sql_error"]);
    }
    expect((await query("SELECT count(*) FROM t", [], { mode: "read" })).r[0]?.[0]).toBeGreaterThan(0);
  });

  test("ends what takes too long by its own clock, whatever was set, and leaves nothing behind", async () => {
    await query("SELECT set_config('statement_timeout', '0', false)");
    for (const sql of [
      "SELECT pg_sleep(60)",
      "SELECT set_config('statement_timeout', '0', false), pg_sleep(60)",
      "SELECT count(*) FROM generate_series(1, 1e10)",
    ]) {
      const since = performance.now();
      expect([sql, await codeOf(query(sql, [], { workMs: 200 }))]).toEqual([sql, "sql_timeout"]);
      expect(performance.now() - since).toBeLessThan(1500);
    }
    while ((await active()) !== "0");
  });

  test("ends what nobody waits for any more", async () => {
    const ender = new AbortController();
    const asked = codeOf(query("SELECT pg_sleep(60)", [], { signal: ender.signal }));
    while ((await active()) === "0");
    ender.abort();
    expect(await asked).toBe("client_gone");
    while ((await active()) !== "0");
  });

  test("holds results to their limits while they are read", async () => {
    const before = process.memoryUsage().rss;
    expect(await codeOf(query("SELECT generate_series(1, 1000000000)"))).toBe("result_too_large");
    expect(await codeOf(query("SELECT repeat('x', 900000) FROM generate_series(1, 100)"))).toBe("result_too_large");
    expect(await codeOf(query("SELECT repeat('x', 2000000)"))).toBe("value_too_large");
    expect(await codeOf(query("SELECT repeat('x', 500000000)"))).not.toBe("none");
    expect(await codeOf(query(`SELECT '${"x".repeat(100_001)}'`))).toBe("sql_error");
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 1024 * 1024);
    expect((await query("SELECT 1 AS one")).r).toEqual([[1]]);
  });

  test("gives no session on: settings, locks, temporary tables and prepared statements are gone", async () => {
    await query("SELECT set_config('search_path', 'evil', false), pg_advisory_lock(42)");
    await query("CREATE TEMP TABLE left_over (a int)");
    for (let round = 0; round < 10; round += 1) {
      expect((await query("SELECT current_setting('search_path')")).r).toEqual([['"$user", public']]);
      expect(await codeOf(query("SELECT * FROM left_over"))).toBe("sql_error");
    }
    expect(await server.admin("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")).toBe("0");
  });

  test("keeps projects and databases apart", async () => {
    const two = { project: "q", url: server.url("two", "two") };
    expect(await codeOf(query("SELECT * FROM t", [], two))).toBe("sql_error");
    await query("CREATE TABLE t (n int)", [], two);
    expect((await query("SELECT count(*) FROM t", [], two)).r).toEqual([[0]]);
    expect(await codeOf(query("SELECT * FROM one.public.t", [], two))).toBe("sql_error");
  });

  test("makes transactions again that others got in the way of", async () => {
    await query("CREATE TABLE counter (n int)");
    await query("INSERT INTO counter VALUES (0)");
    const step = () => ask({ o: "batch", s: [["UPDATE counter SET n = n + 1"], ["SELECT n FROM counter"]] });
    await server.admin("ALTER DATABASE one SET default_transaction_isolation = 'repeatable read'");
    await postgres.close();
    postgres = new Postgres({ clock: systemClock, isPublic: () => false });
    const outcomes = await Promise.all(Array.from({ length: 6 }, () => codeOf(step())));
    expect(outcomes.filter((outcome) => outcome === "none").length).toBeGreaterThan(3);
    expect((await query("SELECT n FROM counter")).r).toEqual([
      [outcomes.filter((outcome) => outcome === "none").length],
    ]);
    await server.admin("ALTER DATABASE one RESET default_transaction_isolation");
  });

  test("serves 200 calls at once over few connections", async () => {
    const all = await Promise.all(Array.from({ length: 200 }, (_, n) => query("SELECT ?::int", [n])));
    expect(all.map(({ r }) => r[0]?.[0])).toEqual(Array.from({ length: 200 }, (_, n) => n));
    expect(
      Number(await server.admin("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'isopod'")),
    ).toBeLessThanOrEqual(16);
  });

  test("names what cannot be reached, and tells nothing of where it is", async () => {
    const errorOf = (url: string, isTrusted = true) =>
      query("SELECT 1", [], { url, isTrusted }).then(
        () => undefined,
        (error: IsopodError) => error,
      );
    for (const url of ["postgres://u:hunter2@127.0.0.1:1/d", server.url("nothing", "nobody"), "mysql://x", "no url"]) {
      const error = await errorOf(url);
      expect([url, error?.code]).toEqual([url, "binding_failed"]);
      expect(error?.message).not.toMatch(/hunter2|127\.0\.0\.1|nobody/);
    }
    for (const url of [
      server.url("one", "one"),
      "postgres://u@localhost/d",
      "postgres://u@[::1]/d",
      "postgres://u@x/d?host=/tmp",
      "postgres://u@169.254.169.254/d",
    ]) {
      expect([url, (await errorOf(url, false))?.code]).toEqual([url, "binding_failed"]);
    }
  });

  test("survives the end of a backend and of the whole cluster", async () => {
    const sleeping = codeOf(query("SELECT pg_sleep(60)"));
    while ((await active()) === "0");
    await server.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'isopod'");
    expect(["binding_failed", "database_ended", "sql_error"]).toContain(await sleeping);
    expect((await query("SELECT 1")).r).toEqual([[1]]);
    const other = codeOf(query("SELECT pg_sleep(60)"));
    while ((await active()) === "0");
    await server.crash();
    expect(["binding_failed", "database_ended"]).toContain(await other);
    let answered = false;
    for (let tries = 0; tries < 20 && !answered; tries += 1) answered = (await codeOf(query("SELECT 1"))) === "none";
    expect(answered).toBe(true);
  }, 60_000);
});
