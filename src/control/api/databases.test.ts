/** SQL databases over the admin API: statements, scripts, copies, and who may. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ask, withKey } from "../../testing/control_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

const PATH = "/v1/projects/default/databases";
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(() => server[Symbol.asyncDispose]());

const query = async (name: string, ...statements: readonly { readonly sql: string; readonly params?: unknown[] }[]) => {
  const { status, body } = await ask(server, "POST", `${PATH}/${name}/query`, { statements });
  return {
    status,
    ...(body as unknown as { results: { columns: string[]; rows: unknown[][]; meta: object }[] }),
    body,
  };
};

test("statements run in one transaction", async () => {
  const made = await query(
    "first",
    { sql: "CREATE TABLE t (a, b)" },
    { sql: "INSERT INTO t VALUES (?, ?)", params: [1, { i: "9007199254740993" }] },
    { sql: "SELECT * FROM t" },
  );
  expect(made.status).toBe(200);
  expect(made.results[2]).toMatchObject({ columns: ["a", "b"], rows: [[1, { i: "9007199254740993" }]] });
  const failed = await query("first", { sql: "DELETE FROM t" }, { sql: "SELEKT" });
  expect([failed.status, failed.body.error.code]).toEqual([400, "sql_error"]);
  expect((await query("first", { sql: "SELECT count(*) FROM t" })).results[0]?.rows).toEqual([[1]]);
  const attached = await query("first", { sql: "ATTACH 'x' AS y" });
  expect([attached.status, attached.body.error.code]).toEqual([403, "binding_denied"]);
  const { body } = await ask(server, "GET", PATH);
  expect(body.items).toContainEqual({ name: "first", dialect: "sqlite", bytes: expect.any(Number) });
});

test("the size of a database has what is in its log and not yet in its file", async () => {
  await query("grown", { sql: "CREATE TABLE t (a)" });
  await query("grown", { sql: "INSERT INTO t VALUES (zeroblob(500000))" });
  const { body } = await ask(server, "GET", `${PATH}/grown`);
  expect((body as { bytes?: number }).bytes).toBeGreaterThan(500_000);
});

test("a script is all or nothing", async () => {
  const script = (...texts: string[]) => ask(server, "POST", `${PATH}/scripted/script`, { texts });
  expect(
    (await script("CREATE TABLE t (a);", "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2);")).body,
  ).toMatchObject({ statements: 3 });
  expect((await script("DELETE FROM t;", "SELEKT;")).body.error).toMatchObject({ code: "sql_error" });
  expect((await query("scripted", { sql: "SELECT count(*) FROM t" })).results[0]?.rows).toEqual([[2]]);
});

test("a database goes out as a file and comes in as one, under another name too", async () => {
  await query("source", { sql: "CREATE TABLE t (a)" }, { sql: "INSERT INTO t VALUES ('kept')" });
  const file = await (await server.admin(`${PATH}/source/file`)).bytes();
  const path = join(server.directory, "copy.sqlite");
  writeFileSync(path, file);
  const opened = new DatabaseSync(path);
  expect(
    opened
      .prepare("SELECT a FROM t")
      .all()
      .map((row) => ({ ...row })),
  ).toEqual([{ a: "kept" }]);
  opened.close();
  await query("target", { sql: "CREATE TABLE was_there (a)" });
  const put = (body: Uint8Array | string) => server.admin(`${PATH}/target/file`, { method: "PUT", body });
  expect((await put(file)).status).toBe(204);
  expect((await query("target", { sql: "SELECT a FROM t" })).results[0]?.rows).toEqual([["kept"]]);
  for (const wrong of ["no database at all, whatever it says ".repeat(200), file.slice(0, 5000)]) {
    const refused = await put(wrong);
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain("Cannot ");
  }
  expect((await query("target", { sql: "SELECT a FROM t" })).results[0]?.rows).toEqual([["kept"]]);
  const { body } = await ask(server, "GET", PATH);
  expect(body.items.filter(({ name }) => String(name).startsWith("import-"))).toEqual([]);
  expect((await server.admin(`${PATH}/nobody/file`)).status).toBe(404);
});

test("deleting takes the admin scope, a name and a database", async () => {
  await query("doomed", { sql: "CREATE TABLE t (a)" });
  const { body } = await ask(server, "POST", "/v1/projects/default/keys", { scopes: ["deploy"] });
  const headers = withKey(body.key);
  expect((await ask(server, "DELETE", `${PATH}/doomed`, undefined, headers)).status).toBe(403);
  expect((await ask(server, "GET", PATH, undefined, headers)).status).toBe(200);
  expect((await ask(server, "DELETE", `${PATH}/doomed`)).status).toBe(204);
  expect((await ask(server, "DELETE", `${PATH}/doomed`)).status).toBe(404);
  expect((await ask(server, "POST", `${PATH}/..%2Fdoomed/query`, { statements: [{ sql: "SELECT 1" }] })).status).toBe(
    400,
  );
});

test("a project has no more databases than may grow to its quota", async () => {
  const quotas = { sqlBytesMax: 2 * 1024 ** 3 };
  expect((await ask(server, "POST", "/v1/projects", { name: "small", quotas })).status).toBe(201);
  const make = (name: string) =>
    ask(server, "POST", `/v1/projects/small/databases/${name}/query`, { statements: [{ sql: "SELECT 1" }] });
  const made = await Promise.all(["a", "b", "c", "d"].map(make));
  expect(made.map(({ status }) => status).sort()).toEqual([200, 200, 403, 403]);
  const refused = made.find(({ status }) => status === 403);
  expect(refused?.body.error).toMatchObject({ code: "quota_exceeded", limit: { name: "sqlBytesMax" } });
});
