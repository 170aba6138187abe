/** PostgreSQL as programs see it: code in D1's form, by a url that the operator gives or that is a secret of the project. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ask, deploy, withKey } from "../../../testing/control_client.ts";
import { PostgresServer, postgresFolder } from "../../../testing/postgres_server.ts";
import { startTestServer, type TestServer } from "../../../testing/server.ts";

const missing = postgresFolder() === undefined;
const name = missing ? "a program's PostgreSQL (skipped: it is not installed)" : "a program's PostgreSQL";

const CODE = `
  export default async (request, env) => {
    const told = (call) => call.then((value) => value, (error) => ({ code: error.code, isError: error instanceof Error, message: error.message }));
    const { pathname } = new URL(request.url);
    if (pathname === "/kind") return Response.json({ keys: Object.keys(env), text: JSON.stringify(env.DB) ?? "", inspected: Bun.inspect(env.DB) });
    if (pathname === "/denied") return Response.json(await told(env.READ.prepare("INSERT INTO users VALUES (9, 'x')").run()));
    if (pathname === "/remote") return Response.json(await told(env.REMOTE.prepare("SELECT 1").first()));
    await env.DB.exec("CREATE TABLE IF NOT EXISTS users (id int PRIMARY KEY, name text)");
    const insert = env.DB.prepare("INSERT INTO users (id, name) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET name = excluded.name");
    await env.DB.batch([insert.bind(1, "Ada"), insert.bind(2, "Grace")]);
    const all = env.DB.prepare("SELECT id, name FROM users WHERE id >= ? ORDER BY id").bind(1);
    return Response.json({
      all: (await all.all()).results, first: await all.first("name"), none: await env.DB.prepare("SELECT 1 WHERE false").first(),
      raw: await all.raw({ columnNames: true }), read: await env.READ.prepare("SELECT count(*) AS n FROM users").first("n"),
      big: String(await env.DB.prepare("SELECT 9007199254740993::int8 AS big", { bigint: true }).first("big")),
    });
  };`;

let postgres: PostgresServer;
let server: TestServer;
beforeAll(async () => {
  if (missing) return;
  postgres = await PostgresServer.start();
  const url = 'dialect = "postgres", value_file = "./url.txt"';
  const config = `[[functions]]
name = "f"
path = "./f.js"
routes = ["GET /*"]
  [functions.bindings]
  DB = { type = "sql", name = "shop", ${url} }
  READ = { type = "sql", name = "shop", mode = "read", ${url} }
`;
  const plan = 'type = "sql", name = "shop", dialect = "postgres"';
  const plans = `[plans.anonymous.bindings]
ALL = { ${plan}, value_file = "./url.txt" }
SEEN = { ${plan}, value_file = "./narrow.txt", tables = ["users"], mode = "read" }
WIDE = { ${plan}, value_file = "./url.txt", tables = ["users"] }
OWN = { ${plan}, secret = "PLAN_URL" }
`;
  await postgres.admin("CREATE TABLE hidden (x text)");
  await postgres.admin("CREATE USER narrow");
  const urls = { "url.txt": postgres.url(), "narrow.txt": postgres.url("postgres", "narrow") };
  server = await startTestServer({ config: config + plans, files: { "f.js": CODE, ...urls } });
}, 60_000);
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await postgres?.[Symbol.asyncDispose]();
});

const putSecret = (name: string, project = "default") =>
  ask(server, "PUT", `/v1/projects/${project}/secrets/${name}`, { value: postgres.url() });
const get = async (path: string) => (await fetch(server.url + path)).json() as Promise<Record<string, unknown>>;

describe.skipIf(missing)(name, () => {
  test("takes what D1 takes, and gives what D1 gives", async () => {
    expect(await get("/")).toEqual({
      all: [
        { id: 1, name: "Ada" },
        { id: 2, name: "Grace" },
      ],
      first: "Ada",
      none: null,
      raw: [
        ["id", "name"],
        [1, "Ada"],
        [2, "Grace"],
      ],
      read: 2,
      big: "9007199254740993",
    });
    expect(await get("/denied")).toMatchObject({ code: "binding_denied", isError: true });
  });

  test("is nowhere told where it is", async () => {
    expect(JSON.stringify(await get("/kind"))).not.toContain(String(postgres.port));
  });

  test("is what a plan gives to programs that are sent, narrowed as it says", async () => {
    await get("/");
    await postgres.admin("GRANT SELECT, INSERT ON users TO narrow");
    const ask = async (binding: string, sql: string) => {
      const told = "(r) => r.results, (e) => [e.code, e.message]";
      const code = `export default async (_, env) => Response.json(await env.${binding}.prepare(${JSON.stringify(sql)}).all().then(${told}))`;
      return (await server.run(code)).json();
    };
    const users = [{ name: "Ada" }, { name: "Grace" }];
    expect(await ask("ALL", "SELECT name FROM users ORDER BY id")).toEqual(users);
    expect(await ask("SEEN", "SELECT name FROM users ORDER BY id")).toEqual(users);
    expect(await ask("SEEN", "SELECT * FROM hidden")).toMatchObject(["sql_error", expect.any(String)]);
    expect(await ask("SEEN", "INSERT INTO users VALUES (3, 'x')")).toMatchObject([
      "binding_denied",
      expect.any(String),
    ]);
    expect(await ask("WIDE", "SELECT 1")).toMatchObject(["binding_denied", expect.stringContaining("tables")]);
    expect(await ask("OWN", "SELECT 1")).toMatchObject(["binding_failed", expect.stringContaining("PLAN_URL")]);
    await putSecret("PLAN_URL");
    expect(await ask("OWN", "SELECT 1")).toMatchObject(["binding_failed", expect.stringContaining("not public")]);
  });

  test("is that of the caller's own project where a plan names a secret", async () => {
    const bindings = { DB: { type: "sql", dialect: "postgres", secret: "TENANT_URL" } };
    expect((await ask(server, "PUT", "/v1/plans/shared", { run: "any", bindings })).status).toBeLessThan(300);
    const told: string[] = [];
    for (const project of ["has", "has-not"]) {
      await ask(server, "POST", "/v1/projects", { name: project });
      if (project === "has") await putSecret("TENANT_URL", project);
      const made = await ask(server, "POST", `/v1/projects/${project}/keys`, { scopes: ["run"], plan: "shared" });
      const code =
        "export default async (_, env) => Response.json(await env.DB.prepare('SELECT 1').all().catch((e) => e.message))";
      told.push((await (await server.run(code, { headers: withKey(made.body.key) })).json()) as string);
    }
    expect(told).toEqual([
      "Cannot use the database: its host is not public",
      'Cannot use the database: project "has-not" has no secret "TENANT_URL"',
    ]);
  });

  test("leads a project's own url to what is public, and nowhere else", async () => {
    await putSecret("REMOTE_URL");
    const settings = { bindings: { REMOTE: { type: "sql", dialect: "postgres", secret: "REMOTE_URL" } } };
    const { status } = await deploy(server, "remote", CODE, { settings, routes: [{ route: "GET /remote" }] });
    expect(status).toBe(200);
    const told = await get("/remote");
    expect(told).toMatchObject({
      code: "binding_failed",
      isError: true,
      message: "Cannot use the database: its host is not public",
    });
    const bare = { bindings: { REMOTE: { type: "sql", secret: "REMOTE_URL" } } };
    expect((await deploy(server, "bare", CODE, { settings: bare })).status).toBe(400);
  });
});
