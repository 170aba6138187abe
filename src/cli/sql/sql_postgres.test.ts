/** `isopod sql` with databases of PostgreSQL: by the names that functions and plans have for them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { isopod } from "../../testing/command_line.ts";
import { ask, deploy, withKey } from "../../testing/control_client.ts";
import { PostgresServer, postgresFolder } from "../../testing/postgres_server.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

const missing = postgresFolder() === undefined;
const name = missing ? "isopod sql with PostgreSQL (skipped: it is not installed)" : "isopod sql with PostgreSQL";
const PATH = "/v1/projects/default/databases";

let postgres: PostgresServer;
let server: TestServer;
beforeAll(async () => {
  if (missing) return;
  postgres = await PostgresServer.start();
  for (const database of ["shop", "other"]) await postgres.admin(`CREATE DATABASE ${database}`);
  await postgres.admin("CREATE USER narrow");
  const pg = 'type = "sql", dialect = "postgres"';
  const config = `
[[functions]]
name = "f"
path = "./f.js"
routes = ["GET /f"]
[functions.bindings]
DB = { ${pg}, name = "shop", value_file = "./shop.txt" }
REPORT = { ${pg}, name = "shop", value_file = "./narrow.txt", mode = "read" }
LITE = { type = "sql", name = "lite" }
[plans.anonymous.bindings]
OTHER = { ${pg}, name = "other", value_file = "./other.txt" }
ONE = { ${pg}, name = "both", value_file = "./other.txt" }
TWO = { ${pg}, name = "both", value_file = "./shop.txt" }
`;
  const urls = { "shop.txt": postgres.url("shop"), "other.txt": postgres.url("other") };
  const files = { ...urls, "narrow.txt": postgres.url("shop", "narrow"), "f.js": "export default () => {}" };
  server = await startTestServer({ config, files });
}, 60_000);
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await postgres?.[Symbol.asyncDispose]();
});

const sql = (...args: string[]) =>
  isopod(["sql", ...args], { env: { ISOPOD_URL: server.adminUrl, ISOPOD_TOKEN: server.token } });
const file = (path: string) => join(server.directory, path);

describe.skipIf(missing)(name, () => {
  test("shows what a query gives, as a table and as JSON", async () => {
    expect(
      (await sql("shop", "CREATE TABLE items (id int PRIMARY KEY, tags text[], data bytea, is_new bool)")).code,
    ).toBe(0);
    const inserted = await sql(
      "shop",
      "INSERT INTO items VALUES (?, '{a,b}', '\\x0011', true), (2, NULL, NULL, false)",
      "1",
    );
    expect(inserted).toMatchObject({ code: 0, stdout: "2 rows changed\n" });
    const { stdout } = await sql("shop", "SELECT *, 9007199254740993 AS big FROM items ORDER BY id");
    expect(stdout.split("\n").map((line) => line.trimEnd())).toEqual([
      "id  tags       data   is_new  big",
      ' 1  ["a","b"]  <2 B>  true    9007199254740993',
      " 2  NULL       NULL   false   9007199254740993",
      "",
    ]);
    const json = JSON.parse((await sql("shop", "SELECT tags FROM items WHERE id = ?", "1", "--json")).stdout);
    expect(json).toMatchObject({ columns: ["tags"], rows: [[["a", "b"]]] });
    const wrong = await sql("shop", "SELECT * FROM nowhere");
    expect([wrong.code, wrong.stderr.includes("42P01")]).toEqual([1, true]);
    expect(wrong.stderr).not.toContain("secret");
  });

  test("runs migrations once, in order, and a failing one leaves nothing", async () => {
    await Bun.write(file("m/0001.sql"), "CREATE TABLE a (x int); INSERT INTO a VALUES (1);\n-- done; with it");
    await Bun.write(
      file("m/0002.sql"),
      "CREATE FUNCTION two() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 2; END $$;",
    );
    const run = () => sql("migrate", "shop", file("m"), "--json");
    expect(JSON.parse((await run()).stdout)).toEqual({ applied: ["0001.sql", "0002.sql"], before: 0 });
    expect(JSON.parse((await run()).stdout)).toEqual({ applied: [], before: 2 });
    await Bun.write(file("m/0003.sql"), "INSERT INTO a VALUES (2); SELECT nonsense;");
    const failed = await run();
    expect([failed.code, failed.stderr]).toEqual([
      1,
      expect.stringContaining("Cannot run 0003.sql, of which nothing was kept"),
    ]);
    await Bun.write(file("m/0003.sql"), "INSERT INTO a VALUES (3);");
    expect(JSON.parse((await run()).stdout)).toEqual({ applied: ["0003.sql"], before: 2 });
    expect(JSON.parse((await sql("shop", "SELECT x FROM a ORDER BY x", "--json")).stdout).rows).toEqual([[1], [3]]);
  });

  test("copies rows out and in, of every type, in an order that references allow", async () => {
    const schema = `
      CREATE TABLE "Aa child" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent int, twice bigint GENERATED ALWAYS AS (parent * 2) STORED);
      CREATE TABLE z_parent (id int PRIMARY KEY, t text, n numeric, b bytea, j jsonb, d timestamptz, a text[], f float8, i interval);
      ALTER TABLE "Aa child" ADD FOREIGN KEY (parent) REFERENCES z_parent;`;
    await Bun.write(file("schema/1.sql"), schema);
    for (const each of ["shop", "other"]) expect((await sql("migrate", each, file("schema"))).code).toBe(0);
    const rows = `INSERT INTO z_parent VALUES (1, E'it''s; \\\\ \\n$$ \\u00fc', 1.50, '\\x00ff27', '{"a": "''"}', '2026-01-02 03:04:05.678+02', '{"a,b",NULL,""}', 0.1, '1 day 2 h'), (2, '', NULL, NULL, NULL, 'infinity', '{}', 'NaN', NULL)`;
    await sql("shop", rows);
    await sql("shop", `INSERT INTO z_parent SELECT n, repeat('x', 300) FROM generate_series(10, 1009) AS n`);
    await sql("shop", `INSERT INTO "Aa child" (parent) SELECT id FROM z_parent ORDER BY id`);
    await sql("shop", "DROP TABLE items; DROP TABLE a");
    for (const table of ["items", "a"]) await sql("shop", `DROP TABLE ${table}`);
    expect((await sql("export", "shop", file("shop.sql"))).stdout).toStartWith(`${file("shop.sql")}  `);
    expect(await sql("import", "other", file("shop.sql"))).toMatchObject({ code: 0, stdout: "imported into other\n" });
    const contents = async (database: string) =>
      postgres.admin(
        `SELECT md5(string_agg(x::text, '|' ORDER BY x::text)) FROM (SELECT z::text AS x FROM z_parent z UNION ALL SELECT c::text FROM "Aa child" c) AS all_rows`,
        database,
      );
    expect(await contents("other")).toBe(await contents("shop"));
    // Numbers go on where they were.
    expect(await postgres.admin(`INSERT INTO "Aa child" (parent) VALUES (1) RETURNING id`, "other")).toBe("1003");
    expect(await sql("import", "other", file("shop.sql"))).toMatchObject({ code: 1 });
    expect((await sql("import", "other", file("shop.txt"))).stderr).toContain("PostgreSQL");
    expect((await sql("export", "both", file("both.sql"))).stderr).toContain("several urls");
  });

  test("takes dumps of pg_dump", async () => {
    const dump = `--
-- PostgreSQL database dump
--

\\restrict abcDEF123

SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
SET row_security = off;

CREATE TABLE public.dumped (
    a integer, b text
);
INSERT INTO public.dumped VALUES (1, 'SET a = b;
SET statement_timeout = 0');
\\unrestrict abcDEF123
`;
    await Bun.write(file("dump.sql"), dump);
    expect(await sql("import", "shop", file("dump.sql"))).toMatchObject({ code: 0 });
    expect(await postgres.admin("SELECT b FROM dumped", "shop")).toBe("SET a = b;\nSET statement_timeout = 0");
    await Bun.write(file("role.sql"), "SET ROLE narrow; SELECT 1;");
    expect((await sql("import", "shop", file("role.sql"))).stderr).toContain("binding_denied");
  });

  test("lists what there is, and deletes nothing that is not ours", async () => {
    await sql("lite", "CREATE TABLE a (x)");
    const listed = JSON.parse((await sql("list", "--json")).stdout) as { name: string; dialect: string }[];
    expect(listed.map((each) => `${each.name} ${each.dialect}`)).toEqual([
      "both postgres",
      "lite sqlite",
      "other postgres",
      "shop postgres",
    ]);
    expect((await sql("list")).stdout).toMatch(/shop +postgres/);
    expect((await sql("delete", "shop", "--yes")).stderr).toContain("deleted where it is");
  });

  test("is not for keys that may only deploy, where the operator has given the url", async () => {
    const { body } = await ask(server, "POST", "/v1/projects/default/keys", { scopes: ["deploy"] });
    const asked = { statements: [{ sql: "SELECT 1" }] };
    for (const [path, method, sent] of [
      ["query", "POST", asked],
      ["script", "POST", { texts: ["SELECT 1"] }],
      ["file", "GET", undefined],
    ] as const) {
      const { status } = await ask(server, method, `${PATH}/shop/${path}`, sent, withKey(body.key));
      expect([path, status]).toEqual([path, 403]);
    }
    expect((await ask(server, "POST", `${PATH}/lite/query`, asked, withKey(body.key))).status).toBe(200);
    const admin = await ask(server, "POST", "/v1/projects/default/keys", { scopes: ["admin"] });
    expect((await ask(server, "POST", `${PATH}/shop/query`, asked, withKey(admin.body.key))).status).toBe(200);
  });

  test("is for whoever may deploy where the url is the project's own, and leads where that may lead", async () => {
    const put = await ask(server, "PUT", "/v1/projects/default/secrets/OWN_URL", { value: postgres.url("shop") });
    expect(put.status).toBeLessThan(300);
    const settings = { bindings: { DB: { type: "sql", name: "own", dialect: "postgres", secret: "OWN_URL" } } };
    expect(
      (await deploy(server, "g", "export default () => new Response('')", { settings, path: "main.js" })).status,
    ).toBe(200);
    const { body } = await ask(server, "POST", "/v1/projects/default/keys", { scopes: ["deploy"] });
    const asked = { statements: [{ sql: "SELECT 1" }] };
    const answer = await ask(server, "POST", `${PATH}/own/query`, asked, withKey(body.key));
    expect([answer.status, answer.body.error.message]).toEqual([
      502,
      "Cannot use the database: its host is not public",
    ]);
    const refused = await ask(server, "DELETE", "/v1/projects/default/secrets/OWN_URL");
    expect([refused.status, refused.body.error.code]).toEqual([409, "in_use"]);
  });
});
