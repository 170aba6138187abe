/** A folder of apps on a real server: found, reloaded, gone, broken, and called by their methods. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deploy, saying } from "../../testing/control_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";
import { settled } from "../../testing/websocket_client.ts";

let server: TestServer;

beforeAll(async () => {
  const config = 'apps = "./apps"\n[[functions]]\nname = "own"\npath = "./own.ts"\nroutes = ["GET /own"]\n';
  const files = {
    "own.ts": saying("own"),
    "apps/one/index.ts":
      'import { text } from "./lib.ts"; export const twice = (n) => 2 * n; export default (r, e, ctx) => new Response(text + " " + new URL(r.url).pathname);',
    "apps/one/lib.ts": 'export const text = "one";',
    "apps/broken/index.ts": "export default () => {\n  const = 1;\n};",
    "apps/empty/readme.txt": "nothing to run",
    "apps/own/index.ts": saying("an app that is hidden"),
  };
  server = await startTestServer({ config, files });
});
afterAll(() => server[Symbol.asyncDispose]());

const get = async (path: string) => {
  const response = await fetch(server.url + path);
  return `${response.status} ${await response.text()}`;
};
const becomes = (path: string, begins: string) =>
  settled(`${path} to answer ${begins}`, async () => ((await get(path)).startsWith(begins) ? true : undefined));
const at = (...parts: string[]) => join(server.directory, "apps", ...parts);

test("every folder is a function, and a broken one says so at its own address", async () => {
  expect(await get("/apps/one")).toBe("200 one /apps/one");
  expect(await get("/apps/one/a/b?c")).toBe("200 one /apps/one/a/b");
  const broken = await get("/apps/broken/x");
  expect(broken).toMatch(/^400 .*"syntax_error".*"line":2/);
  // Where the apps lie is no business of who calls them.
  expect(broken).toContain("(index.ts:2:9)");
  expect(broken).not.toContain(at("broken"));
  expect(await get("/apps/empty")).toMatch(/^404 .*no index\.ts/);
  expect(await get("/apps/none")).toMatch(/^404 .*Nothing answers/);
  expect(await get("/own")).toBe("200 own");
  expect(await get("/apps/own")).toMatch(/^404/);
  const call = await fetch(`${server.url}/rpc/one`, {
    method: "POST",
    body: '{"jsonrpc":"2.0","method":"twice","params":[4],"id":1}',
  });
  expect(await call.json()).toEqual({ jsonrpc: "2.0", id: 1, result: 8 });
  const { body } = await deploy(server, "one", saying("x"));
  expect(body.error.code).toBe("name_taken");
});

test("apps come, change, are mended and go while the others are served", async () => {
  mkdirSync(at("two"));
  writeFileSync(at("two", "main.js"), "export default () => new Response('two');");
  await becomes("/apps/two", "200 two");
  writeFileSync(at("one", "lib.ts"), 'export const text = "another";');
  await becomes("/apps/one", "200 another");
  writeFileSync(at("broken", "index.ts"), saying("mended"));
  await becomes("/apps/broken", "200 mended");
  renameSync(at("two"), at("three"));
  await becomes("/apps/three", "200 two");
  await becomes("/apps/two", "404");
  rmSync(at("three"), { recursive: true });
  await becomes("/apps/three", "404");
  expect(await get("/apps/one")).toStartWith("200 another");
});

test("an apps.json names them instead, and one that cannot be read changes nothing", async () => {
  writeFileSync(at("apps.json"), JSON.stringify([{ name: "named", path: "./one" }]));
  await becomes("/apps/named", "200 another");
  await becomes("/apps/one", "404");
  writeFileSync(at("apps.json"), "{");
  writeFileSync(at("one", "lib.ts"), 'export const text = "unread";');
  await Promise.all(Array.from({ length: 20 }, () => get("/apps/named")));
  expect(await get("/apps/named")).toStartWith("200 another");
  rmSync(at("apps.json"));
  await becomes("/apps/one", "200 unread");
});
