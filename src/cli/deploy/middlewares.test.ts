/** Middlewares that are deployed with their functions: a part of the version, from the command line and through the API. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { isopod } from "../../testing/command_line.ts";
import { ask } from "../../testing/control_client.ts";
import { functionFiles, marking, PERSISTENT, persistent } from "../../testing/middleware_rig.ts";
import { ProjectFolder } from "../../testing/project_folder.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

let server: TestServer;
let env: Record<string, string>;

beforeAll(async () => {
  server = await startTestServer({ config: '[plans.scripts]\nrun = "none"\nnative = false\n' });
  env = { ISOPOD_URL: server.adminUrl, ISOPOD_DATA: join(server.directory, "data") };
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const module = (name: string) => `import { mark } from "./lib/mark.ts";
export const before = (event: any) => mark(event.headers, "${name}");
export function after(response: Response) {
  response.headers.set("x-order", (response.headers.get("x-order") ?? "") + "${name}");
}`;

const PERSISTENT_MARK = persistent('value["headers"]["x-order"] = value["headers"].get("x-order", "") + "q"');

async function project(config: string): Promise<ProjectFolder> {
  const folder = new ProjectFolder({
    "isopod.toml": config,
    "middlewares/p": marking("p"),
    "middlewares/q": PERSISTENT_MARK,
    "middlewares/q.json": PERSISTENT,
    "middlewares/m.ts": module("m"),
    "middlewares/n.ts": module("n"),
    "middlewares/lib/mark.ts": `export const mark = (headers: Record<string, string>, name: string) => {
      headers["x-order"] = (headers["x-order"] ?? "") + name; };`,
  });
  for (const [name, text] of Object.entries(await functionFiles())) folder.write(name, text);
  for (const file of ["middlewares/p", "middlewares/q", "runtime/bootstrap"]) chmodSync(join(folder.path, file), 0o755);
  return folder;
}

const table = (name: string, toml: string, list: string) =>
  `[[functions]]\nname = "${name}"\nroutes = ["ANY /${name}"]\n${toml}\nmiddlewares = [${list}]\n`;

async function deploy(folder: ProjectFolder, ...args: string[]) {
  const { code, stdout, stderr } = await isopod(["deploy", folder.path, "--json", ...args], { env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout) as {
    functions: { change: string; details: string[]; version: string; unchanged: boolean }[];
  };
}

const orders = async (path: string) => {
  const answer = await fetch(`${server.url}/${path}`);
  return [answer.status, await answer.text(), answer.headers.get("x-order")];
};

test("they go along with functions of every engine, and are a part of the version", async () => {
  const all = '"m", "p", "q", "n"';
  using folder = await project(
    table("script", 'path = "script.ts"', all) +
      table("module", 'path = "module.wasm"', all) +
      table("runtime", 'path = "runtime"', all) +
      table("inline", 'path = "script.ts"', '"m", "n"'),
  );
  const first = await deploy(folder);
  for (const path of ["script", "module", "runtime"]) expect(await orders(path)).toEqual([200, "mpqn", "nqpm"]);
  expect(await orders("inline")).toEqual([200, "mn", "nm"]);
  // The same again, also from another folder, is the same version.
  using other = await project(await Bun.file(join(folder.path, "isopod.toml")).text());
  const again = await deploy(other);
  expect(again.functions.map(({ unchanged, version }) => [unchanged, version])).toEqual(
    first.functions.map(({ version }) => [true, version]),
  );
  folder.write(
    "middlewares/lib/mark.ts",
    'export const mark = (h: any, n: string) => { h["x-order"] = (h["x-order"] ?? "") + n + n; };',
  );
  const changed = await deploy(folder);
  expect(changed.functions.map(({ details }) => details)).toEqual([["~ code"], ["~ code"], ["~ code"], ["~ code"]]);
  expect(await orders("script")).toEqual([200, "mmpqnn", "nqpm"]);
  expect(await orders("inline")).toEqual([200, "mmnn", "nm"]);
}, 60_000);

test("what is to change is shown, and a rollback takes them back", async () => {
  using folder = await project(table("shown", 'path = "script.ts"', '"p"'));
  const { stdout } = await isopod(["deploy", folder.path], { env });
  expect(stdout).toContain("    + middleware p\n");
  folder.write("isopod.toml", table("shown", 'path = "script.ts"', '"q", "p"'));
  const { functions } = await deploy(folder);
  expect(functions[0]?.details).toEqual(["~ code", "~ middleware p", "+ middleware q"]);
  expect(await orders("shown")).toEqual([200, "qp", "pq"]);
  await isopod(["rollback", "shown"], { env });
  expect(await orders("shown")).toEqual([200, "p", "p"]);
}, 30_000);

const FUNCTION = { path: "index.ts", content: 'export default (r: Request) => r.headers.get("x-order");' };

test("through the API: files below middlewares/, named by the settings or by the variable", async () => {
  const at = (name: string) => `/v1/projects/default/functions/${name}/deploy`;
  const files = [FUNCTION, { path: "middlewares/p", content: marking("p") }];
  const list = [{ name: "p" }];
  const said = { files, settings: { middlewares: { list } }, routes: ["GET /said"] };
  expect((await ask(server, "POST", at("said"), said)).status).toBe(200);
  expect(await orders("said")).toEqual([200, '"p"', "p"]);
  const byVariable = {
    files: [
      ...files,
      { path: "middlewares/q", content: PERSISTENT_MARK },
      { path: "middlewares/q.json", content: "{}" },
    ],
    settings: { env: { SLSMIDDLEWARES: "q,p" } },
    routes: ["GET /variable"],
  };
  expect((await ask(server, "POST", at("variable"), byVariable)).status).toBe(200);
  expect(await orders("variable")).toEqual([200, '"qp"', "pq"]);
  const absent = await ask(server, "POST", at("absent"), { files: [FUNCTION], settings: { middlewares: { list } } });
  expect([absent.status, absent.body.error.message]).toEqual([
    400,
    'Cannot deploy "absent": its middleware middlewares/p is not among its files',
  ]);
  const odd = { files, settings: { middlewares: { list: [{ name: "../p" }] } } };
  expect((await ask(server, "POST", at("odd"), odd)).status).toBe(400);
}, 30_000);

test("a key whose plan has no native code deploys no executable beside a script", async () => {
  const { body } = await ask(server, "POST", "/v1/projects/default/keys", { scopes: ["deploy"], plan: "scripts" });
  const send = (settings: object) =>
    server.admin("/v1/projects/default/functions/strange/deploy", {
      method: "POST",
      headers: { authorization: `Bearer ${body.key}`, "content-type": "application/json" },
      body: JSON.stringify({ files: [FUNCTION, { path: "middlewares/p", content: marking("p") }], settings }),
    });
  expect((await send({ middlewares: { list: [{ name: "p" }] } })).status).toBe(403);
  expect((await send({ env: { SLSMIDDLEWARES: "p" } })).status).toBe(403);
  expect((await send({})).status).toBe(200);
});
