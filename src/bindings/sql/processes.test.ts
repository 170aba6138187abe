/** Databases as processes: what a runaway query costs others, what is left after a kill, and that nothing is left at all. */
import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { deferred } from "../../stdx/deferred.ts";
import { FakeClock } from "../../testing/fake_clock.ts";
import { openSqlRig, type SqlRig } from "../../testing/sql_rig.ts";
import { SQL_SERVER } from "../../testing/sql_server.ts";
import { SQL_LIMITS } from "./limits.ts";

const ENDLESS = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";

const pidOf = (rig: SqlRig, name = "d"): number => rig.databases.pid("p", name) as number;

test("a query that runs too long is killed, named, and the next one is answered", async () => {
  await using rig = openSqlRig();
  await rig.query("CREATE TABLE t (v)");
  const before = pidOf(rig);
  const late = rig.query(ENDLESS, [], { workMs: 100 });
  const next = rig.query("SELECT count(*) FROM t");
  await expect(late).rejects.toMatchObject({
    code: "sql_timeout",
    details: { limit: { name: "callMsMax", value: 100 } },
  });
  const killedAt = performance.now();
  expect((await next).r).toEqual([[0]]);
  console.log(`sql: the next query was answered ${Math.round(performance.now() - killedAt)} ms after a kill`);
  expect(pidOf(rig)).not.toBe(before);
  expect(existsSync(`/proc/${before}`)).toBe(false);
});

test("a runaway query of one database costs another nothing but its share of the processor", async () => {
  await using rig = openSqlRig();
  await rig.query("CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
  await rig.query("INSERT INTO t VALUES (1, 'x')");
  const measure = async (count: number): Promise<number> => {
    const times: number[] = [];
    for (let at = 0; at < count; at++) {
      const started = performance.now();
      await rig.query("SELECT v FROM t WHERE id = ?", [1]);
      times.push(performance.now() - started);
    }
    return times.sort((a, b) => a - b)[Math.floor(count * 0.99)] as number;
  };
  await measure(500);
  const alone = await measure(2000);
  const giveUp = new AbortController();
  const runaway = rig.query(ENDLESS, [], { name: "runaway", signal: giveUp.signal });
  const beside = await measure(2000);
  giveUp.abort();
  await expect(runaway).rejects.toMatchObject({ code: "client_gone" });
  console.log(`sql: p99 of a read is ${alone.toFixed(3)} ms alone, ${beside.toFixed(3)} ms beside a runaway query`);
  expect(beside).toBeLessThan(100);
});

test("a caller who hangs up ends his query, and one who waits leaves the line", async () => {
  await using rig = openSqlRig();
  await rig.query("SELECT 1");
  const pid = pidOf(rig);
  const [running, waiting] = [new AbortController(), new AbortController()];
  const first = rig.query(ENDLESS, [], { signal: running.signal });
  const second = rig.query("CREATE TABLE never (x)", [], { signal: waiting.signal });
  waiting.abort();
  await expect(second).rejects.toMatchObject({ code: "client_gone" });
  running.abort();
  await expect(first).rejects.toMatchObject({ code: "client_gone" });
  await expect(rig.query("SELECT * FROM never")).rejects.toMatchObject({ code: "sql_error" });
  expect(existsSync(`/proc/${pid}`)).toBe(false);
});

test("SIGKILL 100 times in the middle of writes loses no acknowledged row and shows none by half", async () => {
  await using rig = openSqlRig();
  await rig.ask({ o: "exec", t: ["CREATE TABLE t (id INTEGER PRIMARY KEY, batch INTEGER)"] });
  const acknowledged = new Set<number>();
  let batch = 0;
  let failed = 0;
  for (let kill = 0; kill < 100; kill++) {
    // Each round ends when its process dies, after another number of answers.
    const answers = 1 + (kill % 5);
    for (let done = 0; ; done++) {
      const number = ++batch;
      const rows = Array.from({ length: 3 }, () => ["INSERT INTO t (batch) VALUES (?)", number]);
      const written = rig.ask({ o: "batch", s: rows });
      if (done === answers) process.kill(pidOf(rig), "SIGKILL");
      try {
        await written;
        acknowledged.add(number);
      } catch (error) {
        expect(error).toMatchObject({ code: "database_ended" });
        failed += 1;
        break;
      }
    }
  }
  const { r } = await rig.query("SELECT batch, count(*) FROM t GROUP BY batch");
  const found = new Map(r as [number, number][]);
  for (const number of acknowledged) expect([number, found.get(number)]).toEqual([number, 3]);
  for (const [number, rows] of found) expect([number, rows]).toEqual([number, 3]);
  expect((await rig.query("SELECT quick_check FROM (SELECT 'ok' AS quick_check)")).r).toEqual([["ok"]]);
  console.log(`sql: ${acknowledged.size} batches acknowledged, ${failed} killed, ${found.size} there`);
  expect(failed).toBe(100);
}, 60_000);

test("an idle database's process ends, and starts again when it is asked", async () => {
  const clock = new FakeClock();
  await using rig = openSqlRig({ clock, poolLimits: { idleMs: 1000 } });
  await rig.query("CREATE TABLE t (x)");
  const pid = pidOf(rig);
  clock.advance(999);
  expect((await rig.query("SELECT count(*) FROM t")).r).toEqual([[0]]);
  expect(pidOf(rig)).toBe(pid);
  clock.advance(1001);
  // Whoever asks while it ends is answered by the next one.
  expect((await rig.query("SELECT count(*) FROM t")).r).toEqual([[0]]);
  expect(pidOf(rig)).not.toBe(pid);
  expect(existsSync(`/proc/${pid}`)).toBe(false);
  expect(readdirSync(join(rig.directory, "projects", "p")).filter((name) => name.startsWith("d.sqlite"))).toContain(
    "d.sqlite",
  );
});

test("databases in use are bounded: the one that was asked longest ago makes room, and none at work does", async () => {
  await using rig = openSqlRig({ poolLimits: { processesMax: 2 } });
  for (const name of ["a", "b", "c"]) await rig.query("SELECT 1", [], { name });
  expect(rig.databases.pid("p", "a")).toBeUndefined();
  expect(rig.databases.pid("p", "b")).toBeNumber();
  const giveUp = new AbortController();
  const { signal } = giveUp;
  const running = ["b", "c"].map((name) => rig.query(ENDLESS, [], { name, signal }).catch((error) => error.code));
  await expect(rig.query("SELECT 1", [], { name: "d" })).rejects.toMatchObject({ code: "overloaded" });
  giveUp.abort();
  expect(await Promise.all(running)).toEqual(["client_gone", "client_gone"]);
  expect((await rig.query("SELECT 1", [], { name: "d" })).r).toEqual([[1]]);
});

test("calls that wait are bounded in number", async () => {
  await using rig = openSqlRig({ poolLimits: { waitingMax: 3 } });
  const asked = Array.from({ length: 10 }, () =>
    rig.query("SELECT 1").then(
      () => "done",
      (error) => error.code,
    ),
  );
  const outcomes = await Promise.all(asked);
  expect(outcomes.filter((each) => each === "overloaded").length).toBeGreaterThan(0);
  expect(outcomes.filter((each) => each === "done").length).toBeGreaterThan(2);
});

test("closing answers what is under way and ends every process", async () => {
  const rig = openSqlRig();
  await rig.query("CREATE TABLE t (x)");
  const pid = pidOf(rig);
  const last = rig.query("INSERT INTO t VALUES (1) RETURNING x");
  const closed = rig[Symbol.asyncDispose]();
  expect((await last).r).toEqual([[1]]);
  await closed;
  expect(existsSync(`/proc/${pid}`)).toBe(false);
  await expect(rig.query("SELECT 1")).rejects.toMatchObject({ code: "draining" });
});

test("deleting a database and a project leaves nothing of them", async () => {
  await using rig = openSqlRig();
  for (const name of ["a", "b"]) await rig.query("CREATE TABLE t (x)", [], { name });
  const [pid] = [rig.databases.pid("p", "a")];
  expect(
    rig.databases.files
      .list("p")
      .map(({ name }) => name)
      .sort(),
  ).toEqual(["a", "b"]);
  expect([await rig.databases.delete("p", "a"), await rig.databases.delete("p", "a")]).toEqual([true, false]);
  expect(existsSync(`/proc/${pid}`)).toBe(false);
  await expect(rig.query("SELECT * FROM t", [], { name: "a" })).rejects.toMatchObject({ code: "sql_error" });
  await rig.databases.deleteProject("p");
  expect(rig.databases.files.list("p")).toEqual([]);
  expect(existsSync(join(rig.directory, "projects", "p"))).toBe(false);
});

test("a damaged file is our error, reported once, and is not touched", async () => {
  const reported = deferred<string>();
  await using rig = openSqlRig({ report: (_, fields) => reported.resolve(JSON.stringify(fields)) });
  await rig.query("CREATE TABLE t (x)");
  await rig.databases.delete("p", "d");
  const path = join(rig.directory, "projects", "p", "d.sqlite");
  await Bun.write(path, "this is no database, and a long text that says so ".repeat(100));
  await expect(rig.query("SELECT 1")).rejects.toMatchObject({ code: "internal" });
  expect(await Bun.file(path).text()).toStartWith("this is no database");
});

test("a process ends with the server, whatever ends that, also in the middle of a query", async () => {
  await using rig = openSqlRig();
  const server = Bun.spawn([process.execPath, SQL_SERVER, ENDLESS], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, TMPDIR: rig.directory },
  });
  const reader = server.stdout.getReader();
  const said = new TextDecoder().decode((await reader.read()).value);
  const pids = said.trim().split(" ").map(Number);
  expect(pids.length).toBe(2);
  for (const pid of pids) expect(existsSync(`/proc/${pid}`)).toBe(true);
  server.kill("SIGKILL");
  await server.exited;
  const until = Date.now() + 5000;
  while (pids.some((pid) => existsSync(`/proc/${pid}`)) && Date.now() < until) await new Promise(setImmediate);
  expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
});

test("a project's quota holds while many databases are made at once", async () => {
  await using rig = openSqlRig({ quotas: { bytesMax: () => 5 * SQL_LIMITS.databaseBytesMax } });
  const make = (name: string) =>
    rig.query("CREATE TABLE t (x)", [], { name }).then(
      () => "made",
      (error) => error.code as string,
    );
  const outcomes = await Promise.all(Array.from({ length: 12 }, (_, n) => make(`d${n}`)));
  expect(outcomes.filter((outcome) => outcome === "made")).toHaveLength(5);
  expect(new Set(outcomes)).toEqual(new Set(["made", "quota_exceeded"]));
  expect(rig.databases.files.list("p")).toHaveLength(5);
  expect(await make("d0")).toBe("sql_error");
});
