/** CockroachDB's differences: what we ask of a database it knows too, and what it begins again is made again. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Cockroach } from "../../../testing/cockroach.ts";
import { codeOf, PostgresRig } from "../../../testing/postgres_rig.ts";
import { PostgresServer, postgresFolder } from "../../../testing/postgres_server.ts";

const missing = postgresFolder() === undefined;
const name = missing ? "CockroachDB's ways (skipped: PostgreSQL is not installed)" : "CockroachDB's ways";

let server: PostgresServer;
let cockroach: Cockroach;
const rig = new PostgresRig(() => cockroach.url("one", "one"));

beforeAll(async () => {
  if (missing) return;
  server = await PostgresServer.start();
  await server.admin("CREATE USER one");
  await server.admin("CREATE USER narrow");
  await server.admin("CREATE DATABASE one OWNER one");
  cockroach = await Cockroach.start(server.port);
  await rig.query("CREATE TABLE t (n int PRIMARY KEY, note text)");
  await server.admin("GRANT SELECT ON t TO narrow", "one");
}, 60_000);
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await cockroach?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

const count = async (where: string) => (await rig.query(`SELECT count(*) FROM t WHERE ${where}`)).r[0]?.[0];

describe.skipIf(missing)(name, () => {
  test("are all that is needed: queries, batches, texts, tables, first rows, large results", async () => {
    expect((await rig.query("INSERT INTO t VALUES (?, ?) RETURNING n", [1, "x"])).r).toEqual([[1]]);
    await rig.ask({
      o: "batch",
      s: [["INSERT INTO t VALUES (2, '')"], ["SELECT * FROM t"], ["DELETE FROM t WHERE n = 2"]],
    });
    await rig.ask({ o: "exec", t: ["INSERT INTO t VALUES (3, ''); DELETE FROM t WHERE n = 3"] });
    const many = "SELECT n, repeat('x', 100) FROM generate_series(1, 5000) AS n";
    expect((await rig.query(many)).r.length).toBe(5000);
    // What is left of a portal is given up before anything else is asked.
    const first = { o: "query", s: [[many]], n: 1 };
    expect(await rig.ask(first)).toMatchObject([{ r: [[1, "x".repeat(100)]] }]);
    const huge = "SELECT n FROM generate_series(1, 200000) AS n";
    expect(await rig.code(huge)).toBe("result_too_large");
    expect(await rig.code("SELECT 1")).toBe("none");
    expect(await rig.code("SELECT n FROM t", { url: cockroach.url("one", "narrow"), tables: ["t"] })).toBe("none");
    const connecting = cockroach.refused.filter((sql) => !sql.includes("client_connection_check_interval"));
    expect(connecting).toEqual([]);
    expect(cockroach.refused.length).toBeGreaterThan(0);
  });

  test("of ending what takes too long are met without ending a process by its number", async () => {
    expect(await rig.code("SELECT pg_sleep(60)", { workMs: 200 })).toBe("sql_timeout");
    const active = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'isopod' AND state = 'active'";
    while ((await server.admin(active)) !== "0");
    expect(await rig.code("SELECT 1")).toBe("none");
  });

  test("of beginning a transaction again are followed, in a statement and at the commit, and not for ever", async () => {
    const batch = (n: number) => ({
      o: "batch",
      s: [
        ["INSERT INTO t VALUES (?, '')", n],
        ["UPDATE t SET note = note || '+' WHERE n = ?", n],
      ],
    });
    for (const [n, fault] of [
      [10, "restartsInStatement"],
      [11, "restartsInCommit"],
    ] as const) {
      cockroach.faults[fault] = 4;
      const before = cockroach.begun;
      expect(await codeOf(rig.ask(batch(n)))).toBe("none");
      expect(cockroach.begun - before).toBe(5);
      expect(await count(`n = ${n} AND note = '+'`)).toBe(1);
      cockroach.faults[fault] = 100;
      const started = cockroach.begun;
      expect(await codeOf(rig.ask(batch(n + 10)))).toBe("sql_error");
      expect(cockroach.begun - started).toBe(5);
      cockroach.faults[fault] = 0;
      expect(await count(`n = ${n + 10}`)).toBe(0);
    }
  });

  test("of not knowing what became of a commit are told as such, and it is not made again", async () => {
    cockroach.faults.ambiguous = 1;
    const before = cockroach.begun;
    expect(await codeOf(rig.ask({ o: "batch", s: [["INSERT INTO t VALUES (40, '')"]] }))).toBe("database_ended");
    expect(cockroach.begun - before).toBe(1);
    expect(await count("n = 40")).toBe(1);
  });

  test("of refusing are the program's to see", async () => {
    for (const sql of ["SELECT pg_advisory_lock(1)", "SELECT lo_import('/etc/passwd')", "SELECT xml('x')"]) {
      const error = await rig.query(sql).catch((thrown) => thrown);
      expect([error.code, error.message]).toEqual(["sql_error", expect.stringContaining("unknown function")]);
    }
  });
});
