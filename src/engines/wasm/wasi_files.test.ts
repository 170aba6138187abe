/** Where a command's files come from, and how commands are told from modules that are called by an export. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hashOf } from "../../stdx/hash.ts";
import { ask, functionPath } from "../../testing/control_client.ts";
import { ProjectFolder } from "../../testing/project_folder.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";
import { handleModule } from "../../testing/wasm_rig.ts";
import { compileWat } from "../../testing/wat.ts";

const suite = (area: string): Uint8Array => readFileSync(join(import.meta.dir, "wasi_suite", `${area}.wasm`));
const wrong = (text: string): string[] =>
  text
    .trimEnd()
    .split("\n")
    .filter((line) => !line.startsWith("ok "));

/** Prints its arguments, one a line; or, called by `handle`, says so. */
const BOTH = `(module
  (import "env" "memory" (memory 1))
  (import "env" "response_set_body" (func $body (param i32 i64)))
  (data (i32.const 0) "by export")
  (func (export "handle") (call $body (i32.const 0) (i64.const 9)))
  (func (export "_start") (call $body (i32.const 0) (i64.const 2))))`;
const PRINTS = `(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 100) "Content-Type: text/plain\\n\\n")
  (func (export "handle"))
  (func (export "_start")
    (drop (call $sizes (i32.const 0) (i32.const 4))) (drop (call $args (i32.const 1000) (i32.const 2000)))
    (i32.store (i32.const 8) (i32.const 100)) (i32.store (i32.const 12) (i32.const 26))
    (i32.store (i32.const 16) (i32.const 2000)) (i32.store (i32.const 20) (i32.load (i32.const 4)))
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 2) (i32.const 24)))))`;

let server: TestServer;
let prints: Uint8Array;
beforeAll(async () => {
  prints = await compileWat(PRINTS);
  const table = (name: string, lines: string) =>
    `[[functions]]\nname = "${name}"\nroutes = ["GET /${name}"]\n${lines}\n`;
  server = await startTestServer({
    files: {
      ...{ "folder/main.wasm": suite("read_only"), "folder/hello.txt": "hello\n", "folder/deep/er/file.txt": "x" },
      ...{ "folder/deep/link": "no link, and a second entry", "folder/.secret": "hidden", "prints.wasm": prints },
      ...{ "both.wasm": await compileWat(BOTH), "handle.wasm": await compileWat(handleModule("")) },
    },
    config: [
      '[plans.anonymous]\nrun = "any"\n',
      table("folder", 'path = "folder"'),
      table("prints", 'path = "prints.wasm"\nargs = ["-x", "grüß"]'),
      table("both", 'path = "both.wasm"'),
      table("handle", 'path = "handle.wasm"\nabi = "handle"'),
      table("homeless", 'path = "prints.wasm"\ntmp_mb = 0'),
    ].join(""),
  });
});
afterAll(() => server[Symbol.asyncDispose]());

const get = (path: string) => fetch(`${server.url}/${path}`);
const messageOf = async (got: Response) => ((await got.json()) as { error: { message: string } }).error.message;

describe("files", () => {
  test("are those of the folder that the function is, without the module and what is hidden", async () => {
    expect(wrong(await (await get("folder")).text())).toEqual([]);
  });

  test("are those of the deploy, and other ones are another version", async () => {
    const file = (path: string, content: Uint8Array | string) => ({
      path,
      contentBase64: Buffer.from(content).toString("base64"),
    });
    const files = [file("app/main.wasm", suite("read_only")), file("hello.txt", "hello\n"), file("deep/er/f", "x")];
    const deploy = (more: readonly object[], settings = {}) =>
      ask(server, "POST", functionPath("files", "/deploy"), {
        ...{ engine: "wasm", entry: "app/main.wasm", settings, routes: ["GET /deployed"] },
        files: [...files, ...more],
      });
    const first = await deploy([file("deep/link", "a file")]);
    expect(first.status).toBe(200);
    expect(wrong(await (await get("deployed")).text())).toEqual([]);
    const second = await deploy([file("deep/link", "another file")]);
    expect(second.body.version).not.toBe(first.body.version);
    const third = await deploy([file("deep/link", "a file")], { wasm: { args: ["x"], tmpBytes: 0 } });
    expect(third.body.version).not.toBe(first.body.version);
    const text = await (await get("deployed")).text();
    expect(wrong(text).length).toBeGreaterThan(0);
  });

  test("that are too many are refused, by file and by deploy", async () => {
    const files: { path: string; hash: string }[] = [];
    const parts: Record<string, Uint8Array> = { "main.wasm": prints };
    for (const path of ["a", "b", "c"]) {
      const content = new Uint8Array(9 * 1024 * 1024).fill(path.charCodeAt(0));
      const hash = hashOf(content);
      parts[path] = content;
      files.push({ path, hash });
      const put = await server.admin(`/v1/projects/default/blobs/${hash}`, { method: "PUT", body: content });
      expect(put.ok).toBe(true);
    }
    const module = { path: "main.wasm", contentBase64: Buffer.from(prints).toString("base64") };
    const body = { engine: "wasm", entry: "main.wasm", files: [module, ...files] };
    const deployed = await ask(server, "POST", functionPath("big", "/deploy"), body);
    expect([deployed.status, deployed.body.error.code]).toEqual([413, "code_too_large"]);
    using folder = new ProjectFolder({});
    for (const [name, content] of Object.entries(parts)) writeFileSync(join(folder.path, name), content);
    const config = `[[functions]]\nname = "big"\npath = ${JSON.stringify(folder.path)}\n`;
    await expect(startTestServer({ config })).rejects.toThrow(/the module and its files are \d+ bytes, over 20971520/);
  });
});

describe("the ABI", () => {
  test("is found by what a module imports and exports, or said", async () => {
    expect(await (await get("both")).text()).toBe("by export");
    expect((await get("handle")).status).toBe(200);
  });

  test.each([
    ['path = "both.wasm"\nabi = "wasi"', 'imports the memory "env.memory", which a command of WASI preview 1 does not'],
    ['path = "prints.wasm"\nabi = "handle"', 'imports the function "wasi_snapshot_preview1.fd_write"; there are'],
  ])("that is said is the one that counts: %s", async (lines, told) => {
    const files = { "prints.wasm": prints, "both.wasm": await compileWat(BOTH) };
    const config = `[[functions]]\nname = "f"\n${lines}\n`;
    await expect(startTestServer({ files, config })).rejects.toThrow(told);
  });

  test("is said by a header for a module that is sent", async () => {
    const run = (body: Uint8Array | string, headers: Record<string, string>, type = "application/wasm") =>
      fetch(`${server.url}/run`, { method: "POST", body, headers: { "content-type": type, ...headers } });
    expect(await (await run(prints, { "isopod-args": '["a", "b"]' })).text()).toBe("program.wasm\0a\0b\0");
    expect(await (await run(prints, { "isopod-args": '{"no": "list"}' })).text()).toBe("program.wasm\0");
    expect(await messageOf(await run(prints, { "isopod-abi": "handle" }))).toContain("wasi_snapshot_preview1.fd_write");
    const unknown = await run(prints, { "isopod-abi": "cgi" });
    expect([unknown.status, await messageOf(unknown)]).toEqual([
      400,
      'Cannot read Isopod-Abi: expected handle or wasi or component, not "cgi".',
    ]);
    const script = await run("1", { "isopod-abi": "wasi" }, "text/typescript");
    expect([script.status, await messageOf(script)]).toEqual([
      400,
      expect.stringContaining("no module of WebAssembly"),
    ]);
  });

  test("is checked as a module is deployed", async () => {
    const deploy = (settings: object, engine = "wasm") =>
      ask(server, "POST", functionPath("abi", "/deploy"), {
        ...{ engine, entry: "prints.wasm", settings },
        files: [{ path: "prints.wasm", contentBase64: Buffer.from(prints).toString("base64") }],
      });
    const forced = await deploy({ wasm: { abi: "handle" } });
    expect([forced.status, forced.body.error.code]).toEqual([422, "program_invalid"]);
    const unknown = await deploy({ wasm: { abi: "cgi" } });
    expect([unknown.status, unknown.body.error.code]).toEqual([400, "bad_request"]);
    const script = await deploy({ wasm: {} }, "script");
    expect(script.body.error.message).toContain('only functions of the engine "wasm" have settings.wasm');
    const unbound = await deploy({ wasm: { directories: { "/models": "FILES" } } });
    expect([unbound.status, unbound.body.error.message]).toEqual([
      400,
      expect.stringContaining('settings.wasm.directories: "/models" is to be filled from "FILES"'),
    ]);
    const bindings = { FILES: { type: "blob", name: "files" } };
    expect((await deploy({ wasm: { directories: { "/models": "FILES" } }, bindings })).status).toBe(200);
    expect((await deploy({ wasm: { abi: "wasi" } })).status).toBe(200);
  });
});

test("arguments are the name of the module, and what the configuration says", async () => {
  expect(await (await get("prints")).text()).toBe("prints.wasm\0-x\0grüß\0");
});
