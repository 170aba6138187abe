/** A connection that ends at any moment of a transaction: what a call is told, and what is there of it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  type PgListener,
  type PgMessage,
  type PgVerdict,
  PostgresProxy,
  pgMessage,
} from "../../../testing/postgres_proxy.ts";
import { codeOf, PostgresRig } from "../../../testing/postgres_rig.ts";
import { PostgresServer, postgresFolder } from "../../../testing/postgres_server.ts";

const missing = postgresFolder() === undefined;
const name = missing
  ? "a transaction's connection (skipped: PostgreSQL is not installed)"
  : "a transaction's connection";

let server: PostgresServer;
let proxy: PostgresProxy;
let listener: PgListener = {};
const rig = new PostgresRig(() => proxy.url("one", "one"));

beforeAll(async () => {
  if (missing) return;
  server = await PostgresServer.start();
  await server.admin("CREATE USER one");
  await server.admin("CREATE DATABASE one OWNER one");
  proxy = await PostgresProxy.start(server.port, () => ({
    fromClient: (message) => listener.fromClient?.(message) ?? "pass",
    fromServer: (message) => listener.fromServer?.(message) ?? "pass",
  }));
  await rig.query("CREATE TABLE t (n int PRIMARY KEY)");
}, 60_000);
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await proxy?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

let at = 0;
/** Writes two rows in one batch; tells the code, and how many of the rows are there in the end. */
async function write(own: PgListener, workMs = 10_000): Promise<readonly [code: string, rows: number, tookMs: number]> {
  at += 2;
  const statements = [
    ["INSERT INTO t VALUES (?)", at],
    ["INSERT INTO t VALUES (?)", at + 1],
  ];
  listener = own;
  const since = performance.now();
  const code = await codeOf(rig.ask({ o: "batch", s: statements }, { workMs }));
  const tookMs = performance.now() - since;
  listener = {};
  const { r } = await rig.query("SELECT count(*) FROM t WHERE n >= ? AND n <= ?", [at, at + 1]);
  return [code, Number(r[0]?.[0]), tookMs];
}

const isCommit = ({ type, text }: PgMessage) => type === "Q" && text.startsWith("COMMIT");
const isSecond = ({ type, text }: PgMessage) => type === "B" && text.includes(String(at + 1));
const on = (found: (message: PgMessage) => boolean, verdict: PgVerdict): PgListener => ({
  fromClient: (message) => (found(message) ? verdict : "pass"),
});
/** Waits until the client has said something, and then does something with the server's answer. */
const after = (found: (message: PgMessage) => boolean, verdict: PgVerdict): PgListener => {
  let isAsked = false;
  return {
    fromClient: (message) => {
      isAsked ||= found(message);
      return "pass";
    },
    fromServer: () => (isAsked ? verdict : "pass"),
  };
};

describe.skipIf(missing)(name, () => {
  test("that ends before the commit was sent leaves nothing, and says so", async () => {
    expect((await write(on(isSecond, "cut"))).slice(0, 2)).toEqual(["database_lost", 0]);
    expect((await write(after(isSecond, "cut"))).slice(0, 2)).toEqual(["database_lost", 0]);
    const told = await rig
      .query("SELECT 1")
      .then(() => rig.query("SELECT 1", [], { mode: "read" }))
      .catch((error) => error);
    expect(told.r).toEqual([[1]]);
  });

  test("that ends while the commit is under way leaves all or nothing, and nobody knows which", async () => {
    expect((await write(on(isCommit, "cut"))).slice(0, 2)).toEqual(["database_ended", 0]);
    expect((await write(after(isCommit, "cut"))).slice(0, 2)).toEqual(["database_ended", 2]);
  });

  test("that ends while reading was all that it did leaves nothing to ask about", async () => {
    const isEnding = ({ type, text }: PgMessage) => type === "Q" && text.startsWith("ROLLBACK");
    listener = after(isEnding, "cut");
    expect(await rig.code("SELECT 1", { mode: "read" })).toBe("database_lost");
    listener = {};
  });

  test("that lay idle and died is not noticed; one that dies before it has begun is", async () => {
    await using narrow = new PostgresRig(() => proxy.url("one", "one"), { poolLimits: { connectionsMax: 1 } });
    const isBegin = ({ type, text }: PgMessage) =>
      type === "Q" && text.startsWith("BEGIN") && !text.includes("ROLLBACK");
    for (const [cuts, code] of [
      [1, "none"],
      [2, "database_lost"],
    ] as const) {
      expect(await narrow.code("SELECT 1")).toBe("none");
      let left: number = cuts;
      listener = on((message) => isBegin(message) && left-- > 0, "cut");
      expect([cuts, await narrow.code("SELECT 1")]).toEqual([cuts, code]);
      listener = {};
    }
  });

  test("that falls silent is ended by our clock, wherever it is, and its server's end with it", async () => {
    for (const [own, rowsPossible] of [
      [on(({ type, text }) => type === "Q" && text.startsWith("BEGIN"), "silence"), [0]],
      [on(isSecond, "silence"), [0]],
      [after(isSecond, "silence"), [0]],
      [on(isCommit, "silence"), [0]],
      [after(isCommit, "silence"), [2]],
    ] as const) {
      const [code, rows, tookMs] = await write(own, 300);
      expect([code, rowsPossible.includes(rows as never)]).toEqual(["sql_timeout", true]);
      expect(tookMs).toBeLessThan(10_000);
    }
    const busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'isopod' AND state <> 'idle'";
    while ((await server.admin(busy)) !== "0");
  });

  test("whose server undoes at the commit without an error does not pass for a success", async () => {
    const [code, rows] = await write(on(isCommit, { instead: pgMessage("Q", "ROLLBACK\0") }));
    expect([code, rows]).toEqual(["sql_error", 0]);
  });

  test("that is closed by half, or speaks nonsense in the middle, leaves nothing", async () => {
    for (const garbage of [
      pgMessage("D", Buffer.from([0xff])),
      Buffer.from("HTTP/1.1 200 OK\r\n\r\n"),
      pgMessage("?", "x"),
    ]) {
      const own = on(isSecond, { answer: garbage });
      const [code, rows] = await write({ ...own }, 1000);
      expect(["database_lost", "sql_timeout", "result_too_large"]).toContain(code);
      expect(rows).toBe(0);
    }
  });

  test("leads to a server that takes changes, once it has led to one that does not", async () => {
    await server.admin("ALTER DATABASE one SET default_transaction_read_only = on");
    await server.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'isopod'");
    expect(await rig.code("INSERT INTO t VALUES (-1)")).toBe("binding_failed");
    expect(await rig.code("SELECT 1")).toBe("none");
    await server.admin("ALTER DATABASE one RESET default_transaction_read_only", "postgres");
    expect(await rig.code("INSERT INTO t VALUES (-1)")).toBe("binding_failed");
    expect(await rig.code("INSERT INTO t VALUES (-1)")).toBe("none");
  });

  test("ends with its server in the middle of a transaction, and the next server is found", async () => {
    const sleeping = rig.code("INSERT INTO t SELECT -2 FROM pg_sleep(60)");
    const active = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'isopod' AND state = 'active'";
    while ((await server.admin(active)) === "0");
    await server.crash();
    expect(await sleeping).toBe("database_lost");
    expect((await write({})).slice(0, 2)).toEqual(["none", 2]);
    expect((await rig.query("SELECT count(*) FROM t WHERE n = -2")).r).toEqual([[0]]);
  }, 60_000);
});
