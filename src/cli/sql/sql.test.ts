/** `isopod sql` against a real server: queries as tables, migrations, and databases as files. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { isopod } from "../../testing/command_line.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(() => server[Symbol.asyncDispose]());

const sql = (...args: string[]) =>
  isopod(["sql", ...args], { env: { ISOPOD_URL: server.adminUrl, ISOPOD_TOKEN: server.token } });
const file = (name: string) => join(server.directory, name);

test("a query comes as a table, or as JSON", async () => {
  expect(await sql("shop", "CREATE TABLE items (id INTEGER PRIMARY KEY, name, price)")).toMatchObject({
    code: 0,
    stderr: "",
  });
  const inserted = await sql(
    "shop",
    "INSERT INTO items (name, price) VALUES (?, ?), ('\u001b[31mred', NULL)",
    "tea",
    "2.5",
  );
  expect(inserted).toMatchObject({ code: 0, stdout: "2 rows changed\n" });
  const { stdout } = await sql("shop", "SELECT id, name, price, x'0011' AS bytes, 9007199254740993 AS big FROM items");
  expect(stdout.split("\n").map((line) => line.trimEnd())).toEqual([
    "id  name      price  bytes  big",
    " 1  tea         2.5  <2 B>  9007199254740993",
    " 2  \ufffd[31mred   NULL  <2 B>  9007199254740993",
    "",
  ]);
  const json = JSON.parse((await sql("shop", "SELECT name FROM items WHERE id = ?", "1", "--json")).stdout);
  expect(json).toMatchObject({ columns: ["name"], rows: [["tea"]] });
  const wrong = await sql("shop", "SELEKT");
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toContain('near "SELEKT": syntax error (sql_error)');
});

test("migrations run once, in order, and a failing one leaves nothing", async () => {
  await Bun.write(file("migrations/0001_first.sql"), "CREATE TABLE a (x); INSERT INTO a VALUES (1); -- done");
  await Bun.write(file("migrations/0002_second.sql"), "ALTER TABLE a ADD COLUMN y;");
  const first = await sql("migrated", "SELECT 1");
  expect(first.code).toBe(5);
  expect(first.stderr).toContain('There is no database "migrated" yet');
  expect((await sql("list", "--json")).stdout).not.toContain("migrated");
  const run = () => sql("migrate", "migrated", file("migrations"), "--json");
  expect(JSON.parse((await run()).stdout)).toEqual({ applied: ["0001_first.sql", "0002_second.sql"], before: 0 });
  expect(JSON.parse((await run()).stdout)).toEqual({ applied: [], before: 2 });
  await Bun.write(file("migrations/0003_third.sql"), "INSERT INTO a VALUES (2, 2); SELEKT;");
  const failed = await run();
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain("Cannot run 0003_third.sql, of which nothing was kept");
  await Bun.write(file("migrations/0003_third.sql"), "INSERT INTO a VALUES (3, 3);");
  expect(JSON.parse((await run()).stdout)).toEqual({ applied: ["0003_third.sql"], before: 2 });
  expect(JSON.parse((await sql("migrated", "SELECT x, y FROM a", "--json")).stdout).rows).toEqual([
    [1, null],
    [3, 3],
  ]);
  expect((await sql("migrate", "migrated", file("nowhere"))).code).toBe(2);
});

test("a database goes out and comes in, whole or as a dump", async () => {
  await sql("one", "CREATE TABLE t (a)");
  await sql("one", "INSERT INTO t VALUES ('kept')");
  expect((await sql("export", "one", file("one.sqlite"))).stdout).toStartWith(`${file("one.sqlite")}  `);
  expect((await sql("export", "one", file("one.sqlite"))).code).toBe(2);
  expect(await sql("import", "two", file("one.sqlite"))).toMatchObject({ code: 0, stdout: "imported into two\n" });
  const overwriting = await sql("import", "two", file("one.sqlite"));
  expect([overwriting.code, overwriting.stderr]).toEqual([
    2,
    expect.stringContaining("add --yes to replace it unasked"),
  ]);
  expect((await sql("import", "two", file("one.sqlite"), "--yes")).code).toBe(0);
  expect((await sql("two", "SELECT a FROM t")).stdout).toBe("a\nkept\n");
  await Bun.write(file("dump.sql"), "BEGIN TRANSACTION;\nCREATE TABLE d (a);\nINSERT INTO d VALUES('x');\nCOMMIT;\n");
  expect((await sql("import", "two", file("dump.sql"))).code).toBe(0);
  expect((await sql("two", "SELECT a FROM d")).stdout).toBe("a\nx\n");
  const names = JSON.parse((await sql("list", "--json")).stdout).map(({ name }: { name: string }) => name);
  expect(names).toContain("two");
  const unasked = await sql("delete", "two");
  expect([unasked.code, unasked.stderr]).toEqual([2, expect.stringContaining("add --yes to delete it unasked")]);
  expect((await sql("delete", "two", "--yes")).code).toBe(0);
  expect((await sql("delete", "two", "--yes")).code).toBe(5);
  expect((await sql("export", "two", file("two.sqlite"))).code).toBe(5);
});
