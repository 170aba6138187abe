/** How calls of PostgreSQL end: by our clock, by a hang-up, by a limit, by the server's end; and that nothing is left of them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { IsopodError } from "../../../core/errors.ts";
import { codeOf, PostgresRig } from "../../../testing/postgres_rig.ts";
import { PostgresServer, postgresFolder } from "../../../testing/postgres_server.ts";
import type { PgConnection } from "./connection.ts";

const missing = postgresFolder() === undefined;
const name = missing ? "calls of PostgreSQL (skipped: it is not installed)" : "calls of PostgreSQL";
const MB = 1024 * 1024;

let server: PostgresServer;
const rig = new PostgresRig(() => server.url("one", "one"));
const query = rig.query.bind(rig);
const code = rig.code.bind(rig);

beforeAll(async () => {
  if (missing) return;
  server = await PostgresServer.start();
  await server.admin("CREATE USER one");
  await server.admin("CREATE DATABASE one OWNER one");
  // Catches the cancel, again and again.
  const deaf = "BEGIN LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END";
  await query("CREATE TABLE kept (x text)");
  await query(`CREATE FUNCTION deaf() RETURNS void LANGUAGE plpgsql AS $$ ${deaf} $$`);
}, 60_000);
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

const count = (where: string) => server.admin(`SELECT count(*) FROM pg_stat_activity WHERE ${where}`);
const ours = "application_name = 'isopod'";
const active = `${ours} AND state = 'active'`;
/** Resolves when so many processes of the server are as `where` says. */
async function until(where: string, wanted: (found: number) => boolean): Promise<void> {
  while (!wanted(Number(await count(where))));
}

/** What a call was refused with. `expect(…).rejects` would wait for it without turning the event loop as it should. */
const refusal = (call: Promise<unknown>): Promise<IsopodError | undefined> =>
  call.then(
    () => undefined,
    (error: IsopodError) => error,
  );

describe.skipIf(missing)(name, () => {
  test("end by our clock, whatever was set, and leave nothing behind", async () => {
    for (const sql of [
      "SELECT pg_sleep(60)",
      "SELECT set_config('statement_timeout', '0', false), pg_sleep(60)",
      "SELECT count(*) FROM generate_series(1, 1e10)",
      "SELECT pg_advisory_lock(7), pg_sleep(60)",
      "SELECT deaf()",
      "SELECT set_config('client_connection_check_interval', '0', false), deaf()",
    ]) {
      const since = performance.now();
      const error = await refusal(query(sql, [], { workMs: 200 }));
      const tookMs = performance.now() - since;
      expect(error).toMatchObject({ code: "sql_timeout", details: { limit: { name: "callMsMax", value: 200 } } });
      expect([sql, tookMs < 3000]).toEqual([sql, true]);
    }
    await until(active, (found) => found === 0);
    expect(await server.admin("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")).toBe("0");
  });

  test("hold to their time while they wait for a connection, and while they connect", async () => {
    const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    await using narrow = new PostgresRig(() => server.url("one", "one"), { poolLimits: { connectionsMax: 1 } });
    try {
      const url = `postgres://u@127.0.0.1:${silent.port}/d`;
      expect(await code("SELECT 1", { url, workMs: 100 })).toBe("sql_timeout");
      const sleeping = narrow.code("SELECT pg_sleep(60)", { workMs: 400 });
      expect(await narrow.code("SELECT 1", { workMs: 100 })).toBe("sql_timeout");
      const ender = new AbortController();
      const waiting = narrow.code("SELECT 1", { signal: ender.signal });
      ender.abort();
      expect(await waiting).toBe("client_gone");
      expect(await sleeping).toBe("sql_timeout");
      expect(await narrow.code("SELECT 1")).toBe("none");
    } finally {
      silent.stop(true);
    }
  });

  test("end soon after nobody waits for them any more", async () => {
    for (const sql of ["SELECT pg_sleep(60)", "SELECT count(*) FROM generate_series(1, 1e10)"]) {
      const ender = new AbortController();
      const asked = code(sql, { signal: ender.signal });
      await until(active, (found) => found > 0);
      const since = performance.now();
      ender.abort();
      expect(await asked).toBe("client_gone");
      // 20 ms on a quiet machine; a query that nobody ends takes a minute.
      expect(performance.now() - since).toBeLessThan(10_000);
      await until(active, (found) => found === 0);
    }
    expect(await code("SELECT 1", { signal: AbortSignal.abort() })).toBe("client_gone");
  });

  test("hold results to their limits while they are read", async () => {
    const before = process.memoryUsage().rss;
    const refused = async (sql: string, name: string, code: string) => {
      // PostgreSQL needs seconds to write 500 MB before it sends the first of them.
      const error = await refusal(query(sql, [], { workMs: 50_000 }));
      expect([sql.slice(0, 80), error?.code, error?.details.limit?.name]).toEqual([sql.slice(0, 80), code, name]);
    };
    await refused("SELECT generate_series(1, 1000000000)", "resultRowsMax", "result_too_large");
    await refused("SELECT repeat('x', 900000) FROM generate_series(1, 100)", "resultBytesMax", "result_too_large");
    await refused("SELECT repeat('x', 15000000) FROM generate_series(1, 200)", "resultBytesMax", "result_too_large");
    await refused("SELECT repeat('x', 2000000)", "valueBytesMax", "value_too_large");
    await refused("SELECT repeat('x', 500000000)", "resultBytesMax", "result_too_large");
    await refused("SELECT decode(repeat('00', 1000001), 'hex')", "valueBytesMax", "value_too_large");
    await refused(`SELECT ${Array(101).fill(1).join(", ")}`, "columnsMax", "sql_error");
    await refused(`SELECT '${"x".repeat(100_000)}'`, "statementBytesMax", "sql_error");
    const flood = "BEGIN LOOP RAISE NOTICE '%', repeat('x', 100000); END LOOP; END";
    await query(`CREATE FUNCTION flood() RETURNS void LANGUAGE plpgsql AS $$ ${flood} $$`);
    await refused("SELECT flood()", "resultBytesMax", "result_too_large");
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * MB);
    expect((await query("SELECT decode(repeat('00', 1000000), 'hex') = ''")).r).toEqual([[false]]);
    expect((await query("SELECT generate_series(1, 100000)")).r).toHaveLength(100_000);
    expect((await query("SELECT NULL, '' FROM generate_series(1, 100000)")).r).toHaveLength(100_000);
    const written = "INSERT INTO kept SELECT repeat('x', 900000) FROM generate_series(1, 10) RETURNING *";
    await refused(written, "resultBytesMax", "result_too_large");
    expect((await query("SELECT count(*) FROM kept")).r).toEqual([[0]]);
    await until(active, (found) => found === 0);
  }, 60_000);

  test("are bounded in what they ask", async () => {
    const statements = (texts: number) => ({ o: "exec", t: ["SELECT 1;".repeat(texts)] });
    const refused = async (request: unknown) => (await refusal(rig.ask(request)))?.details.limit?.name;
    expect(await refused(statements(1001))).toBe("batchStatementsMax");
    expect(await refused({ o: "batch", s: Array(1001).fill(["SELECT 1"]) })).toBe("batchStatementsMax");
    expect(await refused({ o: "query", s: [["SELECT 1", ...Array(101).fill(1)]] })).toBe("parametersMax");
    expect(await refused({ o: "query", s: [["SELECT 1", "x".repeat(5 * MB)]] })).toBe("requestBytesMax");
    // Processor time: reading such a text takes as long as it is long.
    const before = process.cpuUsage();
    const texts = ["--\n", "/*", "$a$ $b$", "E'\\", "''", "(", "$", "?", "a;"].map((text) => text.repeat(1_000_000));
    for (const text of texts) {
      expect(await codeOf(rig.ask({ o: "exec", t: [text.slice(0, 3 * MB)] }))).not.toBe("internal");
    }
    expect(await codeOf(rig.ask({ o: "exec", t: Array(1e6).fill("") }))).toBe("bad_request");
    const { user, system } = process.cpuUsage(before);
    expect(user + system).toBeLessThan(5_000_000);
  }, 60_000);

  test("are made again when others got in their way", async () => {
    await query("CREATE TABLE counter (n int)");
    await query("INSERT INTO counter VALUES (0)");
    const options = "-c default_transaction_isolation=serializable";
    const url = `${server.url("one", "one")}?options=${encodeURIComponent(options)}`;
    const step = { o: "batch", s: [["SELECT n FROM counter"], ["UPDATE counter SET n = n + 1"]] };
    const steps = await Promise.all(Array.from({ length: 3 }, () => codeOf(rig.ask(step, { url }))));
    const done = steps.filter((each) => each === "none").length;
    expect(done).toBeGreaterThan(1);
    expect((await query("SELECT n FROM counter")).r).toEqual([[done]]);
    // As CockroachDB refuses: by the state alone. The sequence counts attempts, since it is not undone.
    await query("CREATE SEQUENCE attempts");
    const raise = "RAISE EXCEPTION 'restart transaction' USING ERRCODE = '40001'";
    const stubborn = `BEGIN IF nextval('attempts') < 4 THEN ${raise}; END IF; RETURN 'done'; END`;
    await query(`CREATE FUNCTION stubborn() RETURNS text LANGUAGE plpgsql AS $$ ${stubborn} $$`);
    expect((await query("SELECT stubborn()")).r).toEqual([["done"]]);
    await query(
      "CREATE FUNCTION never() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('attempts'); " +
        `${raise}; END $$`,
    );
    await expect(query("SELECT never()")).rejects.toMatchObject({ code: "sql_error" });
    expect((await query("SELECT last_value FROM attempts")).r).toEqual([[9]]);
  });

  test("share few connections, however many they are", async () => {
    const asked = Array.from({ length: 200 }, (_, n) => query("SELECT ?::int, pg_sleep(0.002)", [n]));
    const most = Number(await count(ours));
    expect((await Promise.all(asked)).map(({ r }) => r[0]?.[0])).toEqual(Array.from({ length: 200 }, (_, n) => n));
    // Those of the test before, by another url, lie idle still.
    expect(most).toBeLessThanOrEqual(16);
    await using narrow = new PostgresRig(() => server.url("one", "one"), {
      poolLimits: { projectConnectionsMax: 3, serverConnectionsMax: 5, waitingMax: 90 },
    });
    const urls = ["", "?options=-cwork_mem%3D1MB", "?options=-cwork_mem%3D2MB"];
    const outcomes = await Promise.all(
      Array.from({ length: 180 }, (_, n) => {
        const url = `${server.url("one", "one")}${urls[n % 3]}`;
        return narrow.code("SELECT pg_sleep(0.001)", { url, project: `p${n % 4}` });
      }),
    );
    expect(outcomes.filter((each) => each !== "none")).toEqual([]);
    const full = await Promise.all(Array.from({ length: 100 }, () => narrow.code("SELECT 1")));
    expect(new Set(full)).toEqual(new Set(["none", "overloaded"]));
    await Promise.all([narrow.code("SELECT 1"), narrow.code("SELECT 1")]);
  });

  test("do not wait for ever behind those that cannot connect", async () => {
    const url = "postgres://u@127.0.0.1:1/d";
    const outcomes = await Promise.all(Array.from({ length: 30 }, () => code("SELECT 1", { url })));
    expect(new Set(outcomes)).toEqual(new Set(["binding_failed"]));
  });

  test("survive the end of a backend, of a connection that lay idle, and of the whole cluster", async () => {
    const end = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${ours}`;
    const sleeping = code("SELECT pg_sleep(60)");
    await until(active, (found) => found > 0);
    await server.admin(end);
    expect(await sleeping).toBe("database_lost");
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(Array.from({ length: 8 }, () => query("SELECT 1")));
      await server.admin(end);
      expect((await query("SELECT 1")).r).toEqual([[1]]);
    }
    const killed = query("SELECT pg_sleep(60)");
    const other = codeOf(query("INSERT INTO kept SELECT 'x' FROM pg_sleep(60)"));
    await until(active, (found) => found > 1);
    const pid = await server.admin(
      `SELECT pid FROM pg_stat_activity WHERE ${active} AND query LIKE 'SELECT pg_sleep%'`,
    );
    process.kill(Number(pid), "SIGKILL");
    await expect(killed).rejects.toMatchObject({ code: "database_lost" });
    expect(await other).toBe("database_lost");
    await server.crash();
    const third = code("SELECT pg_sleep(60)");
    await until(active, (found) => found > 0);
    await server.crash();
    expect(await third).toBe("database_lost");
    expect(await code("SELECT 1")).toBe("none");
    expect((await query("SELECT count(*) FROM kept")).r).toEqual([[0]]);
  }, 60_000);

  test("that read for a while let go of their connection when their reader stops, hangs up, or comes to no end", async () => {
    await using narrow = new PostgresRig(() => server.url("one", "one"), { poolLimits: { connectionsMax: 1 } });
    const database = { project: "p", url: server.url("one", "one"), isTrusted: true };
    async function* numbers(connection: PgConnection): AsyncGenerator<number> {
      for (let n = 0; ; n += 1) yield n + (await connection.table("SELECT 1", 1)).length;
    }
    const read = (workMs: number, signal: AbortSignal) =>
      narrow.postgres.reading({ ...database, workMs, signal }, numbers);
    const never = new AbortController().signal;
    const stopped = read(10_000, never);
    expect((await stopped.next()).value).toBe(1);
    await stopped.return(undefined);
    expect(await narrow.code("SELECT 1")).toBe("none");
    const ender = new AbortController();
    const left = read(10_000, ender.signal);
    await left.next();
    ender.abort();
    expect(await narrow.code("SELECT 1")).toBe("none");
    const slow = read(100, never);
    await slow.next();
    expect(await narrow.code("SELECT 1")).toBe("none");
    await expect(slow.next()).rejects.toMatchObject({ code: "sql_timeout" });
  });

  test("end with the binding", async () => {
    const closing = new PostgresRig(() => server.url("one", "one"));
    const sleeping = closing.code("SELECT pg_sleep(60)");
    const idle = await closing.code("SELECT 1");
    await until(active, (found) => found > 0);
    await closing[Symbol.asyncDispose]();
    expect([idle, await sleeping, await closing.code("SELECT 1")]).toEqual(["none", "database_lost", "draining"]);
    await until(active, (found) => found === 0);
  });
});
