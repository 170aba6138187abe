/** The url of a database, looked for wherever somebody could read it: in answers, on `env`, in the log, in the API, on the command line. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { isopod } from "../../../testing/command_line.ts";
import { PostgresServer, postgresFolder } from "../../../testing/postgres_server.ts";
import { ServeProcess } from "../../../testing/serve_process.ts";

const missing = postgresFolder() === undefined;
const name = missing ? "the url of a database (skipped: PostgreSQL is not installed)" : "the url of a database";
const PASSWORD = "hunter2-and-more";

const CODE = `
  const told = (call) => call.then((value) => ({ value }), (error) => ({ code: error.code, message: error.message, stack: error.stack, own: Object.getOwnPropertyNames(error).map((each) => String(error[each])) }));
  export default async (request, env) => {
    const { via, sql } = await request.json();
    console.log("asked", via, Bun.inspect(env), JSON.stringify(env));
    if (sql === "env") return Response.json([Object.keys(env), Bun.inspect(env, { depth: 9, showHidden: true }), JSON.stringify(process?.env ?? {})]);
    const answer = await told(env[via].prepare(sql).all());
    console.error("answered", JSON.stringify(answer));
    return Response.json(answer);
  };`;

let postgres: PostgresServer;
let server: ServeProcess;
const urls: Record<string, string> = {};
/** All that anybody was told. */
const told: string[] = [];

beforeAll(async () => {
  if (missing) return;
  postgres = await PostgresServer.start();
  await postgres.admin(`CREATE USER strict PASSWORD '${PASSWORD}-not'`);
  const rules = ["local all all trust", "host all admin 127.0.0.1/32 trust", "host all strict all scram-sha-256"];
  await Bun.write(join(postgres.directory, "data/pg_hba.conf"), [...rules, ""].join("\n"));
  await postgres.admin("SELECT pg_reload_conf()");
  const at = `127.0.0.1:${postgres.port}`;
  Object.assign(urls, {
    GOOD: `postgres://admin:${PASSWORD}@${at}/postgres`,
    WRONG: `postgres://strict:${PASSWORD}@${at}/postgres`,
    NOWHERE: `postgres://admin:${PASSWORD}@127.0.0.1:1/postgres`,
    NAMELESS: `postgres://admin:${PASSWORD}@no.such.host.invalid/postgres`,
    LOST: `postgres://admin:${PASSWORD}@${at}/no_such_database`,
    ODD: `postgres://admin:${PASSWORD}@${at}/postgres?password=${PASSWORD}`,
    NONSENSE: `${PASSWORD}`,
    SECURE: `postgres://admin:${PASSWORD}@${at}/postgres?sslmode=verify-full`,
  });
  const bindings = Object.keys(urls).map((each) => {
    const tables = each === "GOOD" ? "" : ', tables = ["t"]';
    return `${each} = { type = "sql", name = "n-${each.toLowerCase()}", dialect = "postgres", value_file = "./${each}.txt"${tables} }\n`;
  });
  const listen = 'listen_address = "127.0.0.1:0"\nadmin_address = "127.0.0.1:0"\n';
  const table = '[[functions]]\nname = "f"\npath = "./f.js"\nroutes = ["POST /f"]\n';
  const wide = `[plans.anonymous.bindings]\nWIDE = { type = "sql", dialect = "postgres", value_file = "./GOOD.txt", tables = ["t"] }\n`;
  const files = Object.fromEntries(Object.entries(urls).map(([each, url]) => [`${each}.txt`, url]));
  const config = `${listen}${table}[functions.bindings]\n${bindings.join("")}${wide}`;
  server = await ServeProcess.start({ "isopod.toml": config, "f.js": CODE, ...files });
}, 60_000);
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await postgres?.[Symbol.asyncDispose]();
});

async function ask(via: string, sql: string): Promise<string> {
  const text = await (await fetch(`${server.url}/f`, { method: "POST", body: JSON.stringify({ via, sql }) })).text();
  told.push(text);
  return text;
}

describe.skipIf(missing)(name, () => {
  test("is in no answer, and on no env", async () => {
    await ask("GOOD", "env");
    expect(await ask("GOOD", "SELECT 1 AS one")).toContain('"one":1');
    for (const sql of ["SELECT * FROM nowhere", "SELEKT", "SET x = 1", "SELECT 1/0"]) await ask("GOOD", sql);
    for (const via of Object.keys(urls)) {
      if (via !== "GOOD") expect([via, JSON.parse(await ask(via, "SELECT 1")).code]).toEqual([via, "binding_failed"]);
    }
    const ended = ask("GOOD", "SELECT pg_sleep(60)");
    const active = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'isopod' AND state = 'active'";
    while ((await postgres.admin(active)) === "0");
    await postgres.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'isopod'");
    expect(await ended).toContain("database_lost");
    const program =
      "export default async (_, env) => Response.json(await env.WIDE.prepare('SELECT 1').all().catch(String))";
    told.push(await (await fetch(`${server.url}/run`, { method: "POST", body: program })).text());
    expect(told.at(-1)).toContain("tables");
  });

  test("is in nothing that the admin API and the command line tell", async () => {
    for (const path of [
      "/status",
      "/v1/projects/default/databases",
      "/v1/projects/default/functions",
      "/v1/audit",
      "/metrics",
    ]) {
      told.push(await (await server.admin(path)).text());
    }
    for (const via of Object.keys(urls)) {
      const path = `/v1/projects/default/databases/n-${via.toLowerCase()}`;
      const body = JSON.stringify({ statements: [{ sql: "SELECT 1" }] });
      told.push(await (await server.admin(`${path}/query`, { method: "POST", body })).text());
      told.push(await (await server.admin(`${path}/file`)).text(), await (await server.admin(path)).text());
    }
    for (const args of [["n-wrong", "SELECT 1"], ["n-good", "SELECT 1"], ["list"]]) {
      const { stdout, stderr } = await isopod(["sql", ...args], {
        env: { ISOPOD_URL: server.adminUrl, ISOPOD_TOKEN: server.token },
      });
      told.push(stdout, stderr);
    }
  });

  test("is not in the log, whatever went wrong, and has not left the server by any of the ways", async () => {
    told.push(await (await server.admin("/v1/projects/default/logs?limit=1000")).text());
    server.write("isopod.toml", "listen_address = nonsense");
    server.signal("SIGHUP");
    await server.logged("The configuration was not reloaded");
    const written = [...told, ...server.logLines.map((line) => JSON.stringify(line))];
    expect(told.length).toBeGreaterThan(20);
    expect(server.logLines.length).toBeGreaterThan(5);
    for (const text of written) expect(text).not.toContain(PASSWORD);
    const answers = told.filter((text) => !text.includes("listen"));
    for (const text of answers) expect(text).not.toContain(`:${postgres.port}`);
  });
});
