/** Modules that scripts import: in folders, in deploys, from addresses, and by `isopod run`; and what is none. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isopod } from "../../testing/command_line.ts";
import { ask, functionPath } from "../../testing/control_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";
import { compileWat } from "../../testing/wat.ts";

const ADD = '(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))';
const MAIN = `import add from "./lib/add.wasm";
export default () => {
  const { exports } = new WebAssembly.Instance(add);
  return new Response([add instanceof WebAssembly.Module, exports.add(2, 3)].join(" "));
};`;
const COMPONENT = new Uint8Array([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]);

let add: Uint8Array;
let server: TestServer;
let upstream: ReturnType<typeof Bun.serve>;
beforeAll(async () => {
  add = await compileWat(ADD);
  const sources: Record<string, string | Uint8Array> = { "/main.ts": MAIN, "/lib/add.wasm": add };
  upstream = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1" },
    fetch: (request) => new Response(sources[new URL(request.url).pathname] as Uint8Array<ArrayBuffer>),
  });
  server = await startTestServer({
    files: { "main.ts": MAIN, "lib/add.wasm": add },
    config: `[codeless]\nsources = ["http://127.0.0.1:${upstream.port}/"]\n[plans.anonymous]\nrun = "any"
[[functions]]\nname = "sum"\npath = "./main.ts"\nroutes = ["GET /sum"]\n`,
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await upstream.stop(true);
});

const get = async (path: string) => (await fetch(server.url + path)).text();

test("a function of the configuration", async () => {
  expect(await get("/sum")).toBe("true 5");
});

test("a program that is fetched by its address", async () => {
  expect(await get(`/run/127.0.0.1:${upstream.port}/main.ts`)).toBe("true 5");
});

const deploy = (name: string, module: Uint8Array) =>
  ask(server, "POST", functionPath(name, "/deploy"), {
    entry: "main.ts",
    files: [
      { path: "main.ts", content: MAIN },
      { path: "lib/add.wasm", contentBase64: Buffer.from(module).toString("base64") },
    ],
    routes: [`GET /${name}`],
  });

test("a function that is deployed with its files", async () => {
  const { status } = await deploy("deployed", add);
  expect(status).toBe(200);
  expect(await get("/deployed")).toBe("true 5");
});

test("what is no module is refused at deploy, and says so", async () => {
  const broken = await deploy("broken", add.slice(0, 20));
  expect([broken.status, broken.body.error.code]).toEqual([400, "syntax_error"]);
  expect(broken.body.error.message).toContain("lib/add.wasm is no valid module of WebAssembly: ");
  const component = await deploy("component", COMPONENT);
  expect(component.body.error.message).toContain("lib/add.wasm is a component, and scripts import modules");
});

test("modules are 10 MiB at the most, all together", async () => {
  // A custom section may hold anything.
  const large = new Uint8Array(9 * 1024 * 1024);
  large.set([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0]);
  const size = large.length - 14;
  for (let at = 0; at < 5; at += 1) large[9 + at] = ((size >>> (7 * at)) & 0x7f) | (at < 4 ? 0x80 : 0);
  const files = {
    "main.ts": 'import a from "./a.wasm"; import b from "./b.wasm"; export default () => [a, b].length;',
    ...{ "a.wasm": large, "b.wasm": large },
  };
  const config = '[[functions]]\nname = "large"\npath = "./main.ts"\nroutes = ["GET /large"]\n';
  const starting = startTestServer({ files, config }).then(() => "started");
  expect(await starting.catch((error) => error.message)).toContain("larger than 10 MiB");
});

test("`isopod run` and `isopod deploy` bring them along", async () => {
  const folder = mkdtempSync(join(tmpdir(), "isopod-test-"));
  try {
    mkdirSync(join(folder, "lib"));
    writeFileSync(join(folder, "main.ts"), MAIN);
    writeFileSync(join(folder, "lib", "add.wasm"), add);
    writeFileSync(
      join(folder, "isopod.toml"),
      '[[functions]]\nname = "brought"\npath = "./main.ts"\nroutes = ["GET /brought"]\n',
    );
    const ran = await isopod(["run", join(folder, "main.ts"), "--url", server.url]);
    expect(ran).toEqual({ code: 0, stdout: "true 5", stderr: "" });
    const env = { ISOPOD_URL: server.adminUrl, ISOPOD_DATA: join(server.directory, "data") };
    const { code, stderr } = await isopod(["deploy", folder, "--json"], { env });
    expect([code, stderr]).toEqual([0, ""]);
    expect(await get("/brought")).toBe("true 5");
    writeFileSync(join(folder, "lib", "add.wasm"), COMPONENT);
    const refused = await isopod(["deploy", folder, "--json"], { env });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("add.wasm is a component, and scripts import modules of WebAssembly");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);
