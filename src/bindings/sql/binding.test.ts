/** SQL through a real server: code that was written for D1, what two functions and projects share, and what they do not. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { describeEnvBinding } from "../../testing/env-binding-suite.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

/** As one writes it for D1: nothing in it is of ours. */
const COMMENTS = `
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const db = env.DB;
    try {
      if (url.pathname === "/comments/setup") {
        const { count } = await db.exec(
          "CREATE TABLE IF NOT EXISTS comments (id INTEGER PRIMARY KEY AUTOINCREMENT, author TEXT NOT NULL UNIQUE, body TEXT NOT NULL, post_slug TEXT NOT NULL);\\n" +
          "CREATE INDEX IF NOT EXISTS idx_comments_slug ON comments (post_slug)");
        return Response.json({ count });
      }
      if (url.pathname === "/comments/batch") {
        const insert = db.prepare("INSERT INTO comments (author, body, post_slug) VALUES (?1, ?2, ?3)");
        const rows = await request.json();
        const results = await db.batch([
          ...rows.map(({ author, body }) => insert.bind(author, body, "hello")),
          db.prepare("SELECT COUNT(*) AS total FROM comments"),
        ]);
        return Response.json({ ok: results.every((r) => r.success), total: results.at(-1).results[0].total, changes: results[0].meta.changes });
      }
      if (request.method === "POST") {
        const { author, body } = await request.json();
        const { success, meta } = await db.prepare("INSERT INTO comments (author, body, post_slug) VALUES (?, ?, ?)")
          .bind(author, body, "hello").run();
        return Response.json({ success, id: meta.last_row_id, changes: meta.changes, changed: meta.changed_db }, { status: success ? 201 : 500 });
      }
      const slug = url.searchParams.get("slug");
      const all = db.prepare("SELECT id, author FROM comments WHERE post_slug = ? ORDER BY id");
      const { results } = await all.bind(slug).all();
      const newest = await db.prepare("SELECT author FROM comments ORDER BY id DESC").first("author");
      const row = await db.prepare("SELECT * FROM comments WHERE id = ?").bind(1).first();
      const none = await db.prepare("SELECT * FROM comments WHERE id = ?").bind(-1).first();
      const raw = await all.bind(slug).raw({ columnNames: true });
      return Response.json({ results, newest, row, none, raw });
    } catch (e) {
      return Response.json({ error: e.message, unique: e.message.includes("UNIQUE constraint failed") }, { status: 409 });
    }
  },
};`;

/** Evaluates what it is sent, with the database and what the catalogue calls its mistakes. */
const ANYTHING = `
const show = (value) => JSON.stringify(value, (_, each) =>
  typeof each === "bigint" ? "bigint " + each : each instanceof Uint8Array ? "bytes " + each : each);
export default async (request, env) => {
  const { sql, values = [], options, how = "raw" } = await request.json();
  try {
    if (how === "exec") return new Response(show(await env.DB.exec(sql)));
    const decoded = values.map((each) => each?.bytes ? new Uint8Array(each.bytes) : each?.integer ? BigInt(each.integer) : each);
    return new Response(show(await env.DB.prepare(sql, options).bind(...decoded)[how]()));
  } catch (error) {
    return Response.json({ code: error.code, name: error.name, message: error.message });
  }
};`;

const fn = (name: string, binding: string, path = "./anything.js") => `
[[functions]]
name = "${name}"
path = "${path}"
routes = ["ANY /${name}", "ANY /${name}/*"]
limits = { wall_ms = 3000 }
[functions.bindings]
DB = { ${binding} }
`;

const CONFIG = [
  fn("comments", 'type = "sql", name = "blog"', "./comments.js"),
  fn("owner", 'type = "sql", name = "shop"'),
  fn("reader", 'type = "sql", name = "shop", mode = "read"'),
  fn("narrow", 'type = "sql", name = "shop", mode = "read", tables = ["shown"], dialect = "sqlite"'),
  fn("other", 'type = "sql", name = "other"'),
  '[plans.anonymous]\nbindings.DB = { type = "sql", name = "shop", mode = "read", tables = ["shown"] }',
].join("\n");

describeEnvBinding({
  type: "sql",
  script: {
    write: `await B.batch([
      B.prepare("CREATE TABLE IF NOT EXISTS kept (id PRIMARY KEY, text)"),
      B.prepare("INSERT OR REPLACE INTO kept VALUES (?, ?)").bind(id, text),
    ])`,
    read: `
      const there = await B.prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'kept'").first("count(*)");
      return there === 0 ? null : B.prepare("SELECT text FROM kept WHERE id = ?").bind(id).first("text");
    `,
  },
  python: {
    write: `
made = ["CREATE TABLE IF NOT EXISTS kept (id PRIMARY KEY, text)"]
B("POST", "/query", json.dumps({"o": "batch", "s": [made, ["INSERT OR REPLACE INTO kept VALUES (?, ?)", id, text]]}))`,
    read: `
def first(*statement): return json.loads(B("POST", "/query", json.dumps({"o": "query", "s": [statement]}))[1])[0]["r"]
if first("SELECT count(*) FROM sqlite_schema WHERE name = 'kept'")[0][0] == 0: return None
rows = first("SELECT text FROM kept WHERE id = ?", id)
return rows[0][0] if rows else None`,
  },
});

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ files: { "comments.js": COMMENTS, "anything.js": ANYTHING }, config: CONFIG });
  await ask("owner", {
    how: "exec",
    sql: "CREATE TABLE shown (a); CREATE TABLE hidden (a); INSERT INTO shown VALUES (1)",
  });
});

afterAll(() => server[Symbol.asyncDispose]());

async function ask(name: string, body: unknown): Promise<unknown> {
  return await (await fetch(`${server.url}/${name}`, { method: "POST", body: JSON.stringify(body) })).json();
}

test("code that was written for D1 runs unchanged", async () => {
  const send = async (path: string, body?: unknown) => {
    const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    return await (await fetch(`${server.url}/comments${path}`, init)).json();
  };
  expect(await send("/setup")).toEqual({ count: 2 });
  expect(await send("", { author: "Ann", body: "first" })).toEqual({ success: true, id: 1, changes: 1, changed: true });
  expect(await send("", { author: "Ann", body: "again" })).toMatchObject({ unique: true });
  const two = [
    { author: "Bob", body: "second" },
    { author: "Cy", body: "third" },
  ];
  expect(await send("/batch", two)).toEqual({ ok: true, total: 3, changes: 1 });
  expect(await send("/batch", [{ author: "Dee", body: "lost" }, two[0]])).toMatchObject({ unique: true });
  expect(await send("?slug=hello")).toEqual({
    results: [
      { id: 1, author: "Ann" },
      { id: 2, author: "Bob" },
      { id: 3, author: "Cy" },
    ],
    newest: "Cy",
    row: { id: 1, author: "Ann", body: "first", post_slug: "hello" },
    none: null,
    raw: [
      ["id", "author"],
      [1, "Ann"],
      [2, "Bob"],
      [3, "Cy"],
    ],
  });
});

test("values go both ways, and integers beyond 2^53 come as text, or as BigInt when asked", async () => {
  const sql = "SELECT ?, ?, ?, ?, ?, ?";
  const values = [null, true, 1.5, "x", { bytes: [0, 255] }, { integer: "9007199254740993" }];
  expect(await ask("owner", { sql, values })).toEqual([[null, 1, 1.5, "x", "bytes 0,255", "9007199254740993"]]);
  expect(await ask("owner", { sql, values, options: { bigint: true } })).toEqual([
    [null, 1, 1.5, "x", "bytes 0,255", "bigint 9007199254740993"],
  ]);
  expect(await ask("owner", { sql: "SELECT 1e999, -1e999", how: "first" })).toEqual({ "1e999": null, "-1e999": null });
  expect(await ask("owner", { sql: "SELECT ?", values: [{ not: "a value" }] })).toMatchObject({ name: "TypeError" });
});

test("a large value and a large result make their way", async () => {
  const text = "é".repeat(400_000);
  expect(await ask("owner", { sql: "SELECT length(?1), ?1 = ?1", values: [text] })).toEqual([[400_000, 1]]);
  expect(await ask("owner", { sql: "SELECT ?", values: [text] })).toEqual([[text]]);
  const endless = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x, randomblob(100) FROM c";
  expect(await ask("owner", { sql: endless })).toMatchObject({ code: "result_too_large" });
  expect(await ask("owner", { sql: endless, how: "first" })).toMatchObject({ x: 1 });
});

describe("what a function reaches", () => {
  test("is what its binding names, in its mode and of its tables", async () => {
    expect(await ask("reader", { sql: "SELECT * FROM shown" })).toEqual([[1]]);
    expect(await ask("reader", { sql: "DELETE FROM shown" })).toMatchObject({ code: "binding_denied" });
    expect(await ask("narrow", { sql: "SELECT * FROM shown" })).toEqual([[1]]);
    expect(await ask("narrow", { sql: "SELECT * FROM hidden" })).toMatchObject({ code: "binding_denied" });
    expect(await ask("other", { sql: "SELECT * FROM shown" })).toMatchObject({ code: "sql_error" });
  });

  test("is what its plan gives when it came with its request", async () => {
    const program = (sql: string) =>
      `export default async (_, env) => Response.json(await env.DB.prepare("${sql}").all().then((r) => r.results, (e) => e.code))`;
    expect(await (await server.run(program("SELECT * FROM shown"))).json()).toEqual([{ a: 1 }]);
    expect(await (await server.run(program("SELECT * FROM hidden"))).json()).toBe("binding_denied");
    expect(await (await server.run(program("DELETE FROM shown"))).json()).toBe("binding_denied");
  });

  test("is of its project, and goes with it", async () => {
    const create = { method: "POST", body: JSON.stringify({ name: "tenant" }) };
    expect((await server.admin("/v1/projects", create)).status).toBe(201);
    const path = "/v1/projects/tenant/databases/shop";
    const query = (sql: string) =>
      server.admin(`${path}/query`, { method: "POST", body: JSON.stringify({ statements: [{ sql }] }) });
    expect((await query("SELECT * FROM shown")).status).toBe(400);
    expect((await query("CREATE TABLE own (x)")).status).toBe(200);
    expect(await ask("owner", { sql: "SELECT * FROM own" })).toMatchObject({ code: "sql_error" });
    expect((await server.admin("/v1/projects/tenant", { method: "DELETE" })).status).toBe(204);
    expect((await server.admin("/v1/projects", create)).status).toBe(201);
    expect((await query("SELECT * FROM own")).status).toBe(400);
  });
});

test("a function whose query does not end is ended by its own limit, and others of the database go on", async () => {
  const endless = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";
  const late = await fetch(`${server.url}/owner`, { method: "POST", body: JSON.stringify({ sql: endless }) });
  expect(late.status).toBe(504);
  expect(await ask("reader", { sql: "SELECT * FROM shown" })).toEqual([[1]]);
});
