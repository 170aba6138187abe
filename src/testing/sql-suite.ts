/**
 * The conformance suite of SQL databases: what every dialect owes a program, in every engine, through a real server. What
 * differs between dialects stands in `sql_dialects.ts`, and in docs/bindings.md.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startProcesses } from "./process_rig.ts";
import type { TestServer } from "./server.ts";
import type { SqlDialect, SqlPlaces } from "./sql_dialects.ts";
import { PROCESS_PROGRAM, SCRIPT_PROGRAM, type SqlAsk } from "./sql_programs.ts";

const ENGINES = ["script", "process"] as const;
const TABLES = ["items", "dear"];
const ENDLESS =
  "WITH RECURSIVE c (x) AS (SELECT CAST(1 AS bigint) UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";
const rowsUpTo = (count: number) =>
  `WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < ${count}) SELECT x FROM c`;

/** What a program has found. */
interface Found {
  readonly value?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
}

type Asked = Omit<SqlAsk, "via" | "how"> & { readonly via?: string };

/** Asks by the program of an engine. */
class Client {
  readonly #address: string;

  constructor(address: string) {
    this.#address = address;
  }

  async send(how: SqlAsk["how"], asked: Asked): Promise<Response> {
    const body = JSON.stringify({ via: "DB", how, ...asked });
    return await fetch(this.#address, { method: "POST", body });
  }

  async ask(how: SqlAsk["how"], asked: Asked): Promise<unknown> {
    const { value, error } = (await (await this.send(how, asked)).json()) as Found;
    if (error !== undefined) throw new Error(`${error.code}: ${error.message} (${asked.sql})`);
    return value;
  }

  async code(sql: string, via = "DB", how: SqlAsk["how"] = "all"): Promise<string> {
    const { error } = (await (await this.send(how, { sql, via })).json()) as Found;
    return error?.code ?? "none";
  }

  raw(sql: string, values: readonly unknown[] = [], via = "DB"): Promise<unknown> {
    return this.ask("raw", { sql, values, via });
  }
}

/** Declares the suite for a dialect. */
export function describeSql(dialect: SqlDialect): void {
  const { missing } = dialect;
  const said = missing === undefined ? "" : ` (skipped: ${missing})`;
  describe.skipIf(missing !== undefined)(`SQL, dialect ${dialect.name}${said}`, () => {
    let places: SqlPlaces;
    let server: TestServer;
    beforeAll(async () => {
      places = await dialect.places(ENGINES);
      server = await start(places);
    }, 60_000);
    afterAll(async () => {
      await server?.[Symbol.asyncDispose]();
      await places?.[Symbol.asyncDispose]();
    });
    for (const engine of ENGINES) {
      describe(`engine ${engine}`, () => declare(dialect, engine, () => ({ server, places })));
    }
  });
}

function start(places: SqlPlaces): Promise<TestServer> {
  const bindings = (database: string) =>
    `[functions.bindings]
DB = { ${places.declare(database)} }
READ = { ${places.declare(database)}, mode = "read" }
SOME = { ${places.declare(database, TABLES)} }
`;
  const own = `${bindings("process")}
[[functions]]
name = "script"
path = "./script.js"
routes = ["POST /script"]
limits = { wall_ms = 20000 }
${bindings("script")}
[[functions]]
name = "late"
path = "./script.js"
routes = ["POST /late"]
limits = { wall_ms = 1000 }
${bindings("script")}`;
  const config = `limits = { wall_ms = 20000, concurrency = 1 }\ninstances = 4\n${own}`;
  return startProcesses(
    { process: { code: PROCESS_PROGRAM, config } },
    { "script.js": SCRIPT_PROGRAM, ...places.files },
  );
}

function declare(dialect: SqlDialect, engine: string, parts: () => { server: TestServer; places: SqlPlaces }): void {
  const client = () => new Client(`${parts().server.url}/${engine}`);
  const count = async () => ((await client().raw("SELECT count(*) FROM items")) as unknown[][])[1]?.[0];

  test("statements are prepared, bound and run, and tell what they did", async () => {
    const { ask, raw } = bound(client());
    expect(
      await ask("exec", { sql: `${dialect.items}; CREATE VIEW dear AS SELECT name FROM items WHERE price > 2` }),
    ).toEqual({ count: 2 });
    await parts().places.grant(engine, TABLES);
    const sql = "INSERT INTO items (name, price) VALUES (?, ?)";
    expect(await ask("run", { sql, values: ["tea", 2.5] })).toMatchObject({
      ...{ success: true, results: [] },
      meta: {
        changes: 1,
        rows_written: 1,
        changed_db: true,
        last_row_id: dialect.firstId,
        duration: expect.any(Number),
      },
    });
    await ask("run", { sql, values: ["water", 0] });
    const all = "SELECT name, price FROM items WHERE price >= ?1 AND name <> ?2 ORDER BY id";
    expect(await ask("all", { sql: all, values: [0, "?"] })).toMatchObject({
      results: [
        { name: "tea", price: 2.5 },
        { name: "water", price: 0 },
      ],
      meta: { changes: 0, changed_db: false, rows_read: 2 },
    });
    expect(await raw(all, [1, ""])).toEqual([
      ["name", "price"],
      ["tea", 2.5],
    ]);
    expect(await raw(all, [3, ""])).toEqual([["name", "price"]]);
    expect(await ask("first", { sql: all, values: [0, ""] })).toEqual({ name: "tea", price: 2.5 });
    expect(await ask("first", { sql: all, values: [0, ""], column: "price" })).toBe(2.5);
    expect(await ask("first", { sql: all, values: [9, ""] })).toBeNull();
    expect(await raw("UPDATE items SET price = price + 1 WHERE name = ? RETURNING price", ["tea"])).toEqual([
      ["price"],
      [3.5],
    ]);
    expect(await raw("SELECT 1 AS a, 2 AS a")).toEqual([
      ["a", "a"],
      [1, 2],
    ]);
  });

  test("values go both ways as they are", async () => {
    const { raw } = bound(client());
    for (const values of [
      [{ i: "9007199254740993" }, 1, 1.5, "tea", { b: "AP8B" }, null],
      [{ i: "-9223372036854775808" }, -2147483648, -1e-7, "", { b: "" }, null],
      [{ i: "9223372036854775807" }, 0, 1e300, "ü\u{1f600}\n'\"\\?$1", { b: "JyIAXA==" }, null],
      [9007199254740991, 2147483647, { f: "-Infinity" }, "NULL", { b: "Pz8/" }, null],
    ]) {
      expect(((await raw(dialect.values, values)) as unknown[])[1]).toEqual(values);
    }
  });

  test("a batch is one transaction, and a text of statements is not", async () => {
    const { ask, code } = bound(client());
    const insert = "INSERT INTO items (name) VALUES (?)";
    const done = await ask("batch", {
      statements: [[insert, "one"], [insert, "two"], ["SELECT count(*) AS n FROM items"]],
    });
    expect(done).toMatchObject([{ meta: { changes: 1 } }, {}, { success: true, results: [{ n: 4 }] }]);
    const failing = ask("batch", {
      statements: [
        [insert, "three"],
        [insert, "one"],
      ],
    });
    expect(String(await failing.catch(String))).toContain("sql_error");
    expect(await count()).toBe(4);
    expect(
      await code("INSERT INTO items (name) VALUES ('kept'); INSERT INTO items (name) VALUES ('one')", "DB", "exec"),
    ).toBe("sql_error");
    expect(await count()).toBe(5);
    await ask("run", { sql: "DELETE FROM items WHERE name NOT IN ('tea', 'water')" });
  });

  test("what is done at the same time is done one after the other", async () => {
    const { raw, ask } = bound(client());
    await ask("run", { sql: "UPDATE items SET price = 0 WHERE name = 'water'" });
    const step = { sql: "UPDATE items SET price = price + 1 WHERE name = 'water'" };
    await Promise.all(Array.from({ length: 20 }, () => ask("run", step)));
    expect(await raw("SELECT price FROM items WHERE name = 'water'")).toEqual([["price"], [20]]);
    await ask("run", { sql: "UPDATE items SET price = 0 WHERE name = 'water'" });
  });

  test("statements, values and results are held to their limits", async () => {
    const { code, ask, raw } = bound(client());
    for (const [sql, expected] of [
      [rowsUpTo(100_001), "result_too_large"],
      [`SELECT x, ${dialect.text(900_000)} FROM (${rowsUpTo(20)}) AS counted`, "result_too_large"],
      [`SELECT ${dialect.text(1_000_001)}`, "value_too_large"],
      [`SELECT '${"x".repeat(100_000)}'`, "sql_error"],
      [`SELECT ${Array(101).fill("1").join(", ")}`, "sql_error"],
      ["SELECT 1; SELECT 2", "sql_error"],
      ["SELECT ?", "sql_error"],
      ["SELEKT", dialect.unknown],
      ["", dialect.unknown],
      ["SELECT * FROM nowhere", "sql_error"],
    ] as const) {
      expect([sql.slice(0, 80), await code(sql)]).toEqual([sql.slice(0, 80), expected]);
    }
    expect(((await raw(rowsUpTo(100_000))) as unknown[]).length).toBe(100_001);
    expect(await ask("first", { sql: rowsUpTo(1_000_000), column: "x" })).toBe(1);
    const over = (asked: Asked, how: SqlAsk["how"] = "raw") => ask(how, asked).catch(String);
    expect(await over({ sql: "SELECT 1", values: Array(101).fill(1) })).toContain("sql_error");
    expect(await over({ sql: "SELECT ?", values: ["x".repeat(1_000_001)] })).toContain("value_too_large");
    expect(await over({ statements: Array(1001).fill(["SELECT 1"]) }, "batch")).toContain("sql_error");
    const grown = `INSERT INTO items (name) SELECT 'x' || x FROM (${rowsUpTo(100_001)}) AS counted RETURNING id`;
    expect(await code(grown)).toBe("result_too_large");
    expect(await count()).toBe(2);
  });

  test("who may only read changes nothing", async () => {
    const { code, raw } = bound(client());
    expect(await raw("SELECT name FROM items WHERE name = ?", ["tea"], "READ")).toEqual([["name"], ["tea"]]);
    for (const sql of [
      ...["INSERT INTO items (name) VALUES ('no')", "UPDATE items SET price = 9", "DELETE FROM items"],
      ...[
        "DROP TABLE items",
        "CREATE TABLE other (a int)",
        "CREATE INDEX x ON items (price)",
        "ALTER TABLE items ADD COLUMN x int",
      ],
    ]) {
      for (const how of ["all", "exec"] as const)
        expect([sql, await code(sql, "READ", how)]).toEqual([sql, "binding_denied"]);
    }
    expect(await count()).toBe(2);
  });

  test("who has some tables and views has these, and their schema is not its own", async () => {
    const { ask, code, raw } = bound(client());
    await ask("exec", { sql: "CREATE TABLE hidden (word text); INSERT INTO hidden VALUES ('secret')" });
    expect(await raw("SELECT name FROM dear", [], "SOME")).toEqual([["name"], ["tea"]]);
    expect(await raw("UPDATE items SET price = 4 WHERE name = 'tea' RETURNING price", [], "SOME")).toEqual([
      ["price"],
      [4],
    ]);
    for (const sql of [
      ...[
        "SELECT * FROM hidden",
        "INSERT INTO hidden VALUES ('x')",
        "WITH x AS (SELECT * FROM hidden) SELECT * FROM x",
      ],
      ...["INSERT INTO items (name) SELECT word FROM hidden", "SELECT name FROM items UNION SELECT word FROM hidden"],
      ...["DELETE FROM hidden", "SELECT (SELECT word FROM hidden)", ...dialect.beyond.hidden],
    ]) {
      expect([sql, await code(sql, "SOME")]).toEqual([sql, dialect.beyond.code]);
    }
    for (const sql of [
      "DROP TABLE items",
      "CREATE TABLE x (a int)",
      "ALTER TABLE items ADD COLUMN x int",
      "CREATE VIEW v AS SELECT 1",
    ]) {
      expect([sql, await code(sql, "SOME")]).toEqual([sql, "binding_denied"]);
    }
  });

  test("transactions, sessions and files are not the program's", async () => {
    const { code } = bound(client());
    for (const sql of ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s", "RELEASE s", ...dialect.refused]) {
      for (const via of ["DB", "READ", "SOME"])
        expect([sql, via, await code(sql, via)]).toEqual([sql, via, "binding_denied"]);
      expect([sql, await code(sql, "DB", "exec")]).toEqual([sql, "binding_denied"]);
    }
    expect(await code("SELECT 1", "NONE")).not.toBe("none");
  });

  test("a statement that does not end is ended with its invocation, and others go on", async () => {
    const late = new Client(`${parts().server.url}/late`);
    const ended = await late.send("all", { sql: ENDLESS });
    expect(ended.status).toBe(504);
    expect(await client().raw("SELECT 1 AS one")).toEqual([["one"], [1]]);
  });
}

function bound(client: Client): Pick<Client, "ask" | "raw" | "code"> {
  return { ask: client.ask.bind(client), raw: client.raw.bind(client), code: client.code.bind(client) };
}
