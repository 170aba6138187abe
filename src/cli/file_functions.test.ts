/** Functions of the configuration file by the command line: shown, called, and never spoken of as if they were not there. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { isopod } from "../testing/command_line.ts";
import { ask, deploy, saying } from "../testing/control_client.ts";
import { startTestServer, type TestServer } from "../testing/server.ts";

const HELLO = `export default (request, env, ctx) =>
  Response.json([request.method, new URL(request.url).pathname, ctx.params?.name ?? null]);`;
const CONFIG = `
[[functions]]
name = "hello"
path = "./hello.ts"
routes = ["GET /hello/:name", "PUT /hello"]
[[functions]]
name = "timer"
path = "./hello.ts"
`;

let server: TestServer;
let env: Record<string, string>;

beforeAll(async () => {
  server = await startTestServer({ config: CONFIG, files: { "hello.ts": HELLO } });
  env = { ISOPOD_URL: server.adminUrl, ISOPOD_DATA: join(server.directory, "data") };
  await deploy(server, "deployed", saying("here"));
  await ask(server, "POST", "/v1/projects", { name: "other" });
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const run = (...args: string[]) => isopod(args, { env });

test("status lists them apart, with their routes; other projects have none", async () => {
  const { stdout } = await run("status");
  expect(stdout).toMatch(/\nfunction +serves +routes +changed\ndeployed +production/);
  expect(stdout).toEndWith(
    "\nof the configuration file  routes\nhello                      GET /hello/:name, PUT /hello\ntimer                      none\n",
  );
  const { fileFunctions } = JSON.parse((await run("status", "--json")).stdout);
  expect(fileFunctions).toMatchObject([
    { name: "hello", routes: ["GET /hello/:name", "PUT /hello"], version: expect.stringMatching(/^sha256-/) },
    { name: "timer", routes: [] },
  ]);
  const other = await run("status", "--project", "other", "--json");
  expect(JSON.parse(other.stdout).fileFunctions).toEqual([]);
});

test("invoke calls them as it calls those that were deployed", async () => {
  expect(JSON.parse((await run("invoke", "hello")).stdout)).toEqual(["PUT", "/hello", null]);
  expect(JSON.parse((await run("invoke", "hello", "--path", "/hello/Ada")).stdout)).toEqual([
    ...["GET", "/hello/Ada", "Ada"],
  ]);
  expect(JSON.parse((await run("invoke", "timer")).stdout)).toEqual(["GET", "/", null]);
  const answer = JSON.parse((await run("invoke", "hello", "--json")).stdout);
  expect(answer.version).toMatch(/^sha256-/);
  expect((await run("invoke", "hello", "--version", answer.version.slice(7, 19))).code).toBe(0);
});

test("what takes a version of one says what it is, and how it is called", async () => {
  const what =
    '"hello" is a function of the configuration file: it is called by its routes (GET /hello/:name, PUT /hello)';
  expect(await run("versions", "hello")).toEqual({
    ...{ code: 5, stdout: "", stderr: `isopod: ${what}, and has no versions. (not_found)\n` },
  });
  expect((await run("versions", "timer")).stderr).toBe(
    'isopod: "timer" is a function of the configuration file: it has no routes, and no versions. (not_found)\n',
  );
  const other = await run("invoke", "hello", "--version", "next");
  expect([other.code, other.stderr]).toEqual([
    ...[
      5,
      `isopod: ${what}, and has no versions. (not_found)\n  → \`isopod.toml\` has it; it is changed there, and not here\n`,
    ],
  ]);
  const vars = await run("env", "vars", "list");
  expect(vars.stderr).toContain('There is no function "vars"');
  expect((await run("env", "hello", "list")).stderr).toBe(other.stderr);
});
