/** The modules in `wasm/` are what their sources say, and answer as they are served. */
import { describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { whyNoClang } from "../src/testing/compile_c.ts";
import { startTestServer } from "../src/testing/server.ts";
import { startTcpServer } from "../src/testing/tcp_server.ts";
import { buildModules } from "./wasm/build.ts";

const at = (file: string): string => join(import.meta.dir, "wasm", file);

test("each module is made of the text beside it", async () => {
  const built = await buildModules();
  expect([...built.keys()].sort()).toEqual(["backend.wasm", "echo.wasm", "hello.wasm"]);
  for (const [file, bytes] of built) expect([file, readFileSync(at(file)).equals(bytes)]).toEqual([file, true]);
});

test("they are served by the older form as it stands", async () => {
  await using backend = await startTcpServer((socket) => socket.once("data", (line) => socket.end(`heard ${line}`)));
  const entry = (file: string, path: string, more: string) =>
    `[[applications]]\nfile_path = ${JSON.stringify(at(file))}\nmethod = "GET"\nurl_path = "${path}"\n${more}\n`;
  const backendEnv = `env = { "/env/backend" = "${backend.address}" }`;
  await using server = await startTestServer({
    config: [
      entry("hello.wasm", "/hello", 'function = "hello"'),
      entry("hello.wasm", "/greet", 'function = "greet"'),
      entry("backend.wasm", "/backend", backendEnv),
      entry("echo.wasm", "/echo", "").replace("GET", "POST"),
    ].join(""),
  });
  const ask = async (path: string) => (await fetch(server.url + path)).text();
  expect(await ask("/hello")).toBe("hello world");
  expect(await ask("/greet")).toBe("Grüße aus Zürich, à bientôt!\n");
  const echo = await fetch(`${server.url}/echo`, { method: "POST", body: "an echo" });
  expect([echo.headers.get("content-type"), await echo.text()]).toEqual(["text/plain", "an echo"]);
  expect(await ask("/backend")).toBe("heard GET\n");
});

/** Runs the command that stands at the beginning of a source; the module that it makes. */
async function built(source: string, module: string): Promise<Buffer> {
  const [command] = /^.*\S+ .*-o \S+\.wasm( \S+\.go)?/m.exec(readFileSync(at(source), "utf8")) ?? [];
  const folder = mkdtempSync(join(tmpdir(), "isopod-module-"));
  try {
    cpSync(dirname(at(source)), folder, { recursive: true, filter: (path) => !path.endsWith(".wasm") });
    const words = (command ?? "").replace(/^\/\/ ?/, "").trim();
    const child = Bun.spawn(["/bin/sh", "-c", words], {
      ...{ cwd: folder, env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? folder } },
      ...{ stdout: "ignore", stderr: "pipe" },
    });
    const said = await new Response(child.stderr).text();
    if ((await child.exited) !== 0) throw new Error(`Cannot build ${source} by ${words}: ${said}`);
    return readFileSync(join(folder, module));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A compiler that has compiled nothing yet compiles its library first. */
const BUILD_MS_MAX = 180_000;

const clang = whyNoClang();
const wasiLibc = clang ?? (existsSync("/usr/include/wasm32-wasi/stdio.h") ? undefined : "wasi-libc is not installed");
const asc = existsSync(at("assembly/node_modules"))
  ? undefined
  : "`npm install` in examples/wasm/assembly was not done";
const go = Bun.which("go") === null ? "go is not installed" : undefined;
const why = (reason: string | undefined) => (reason === undefined ? "" : `; ${reason}`);

describe("a module is made by the command that its source names:", () => {
  const matches = async (source: string, module: string) => {
    expect(readFileSync(join(dirname(at(source)), module)).equals(await built(source, module))).toBe(true);
  };
  test.skipIf(clang !== undefined)(`C${why(clang)}`, () => matches("counter.c", "counter.wasm"));
  test.skipIf(wasiLibc !== undefined)(`C with a library${why(wasiLibc)}`, () => matches("page/main.c", "main.wasm"));
  test.skipIf(asc !== undefined)(
    `AssemblyScript${why(asc)}`,
    () => matches("assembly/hello.ts", "hello.wasm"),
    BUILD_MS_MAX,
  );
});

test("C, AssemblyScript, and a command with its files are served", async () => {
  const table = (name: string, path: string, more = "") =>
    `[[functions]]\nname = "${name}"\npath = ${JSON.stringify(at(path))}\nroutes = ["GET /${name}"]\n${more}\n`;
  await using server = await startTestServer({
    config: [
      table("counter", "counter.wasm", 'bindings = { DB = { type = "kv", name = "visits" } }'),
      table("hello", "assembly/hello.wasm", 'export = "hello"'),
      table("greet", "assembly/hello.wasm", 'export = "greet"'),
      table("page", "page", 'args = ["stranger"]'),
    ].join(""),
  });
  const ask = async (path: string) => (await fetch(server.url + path)).text();
  for (const count of ["1", "2", "3"]) expect(await ask("/counter")).toBe(count);
  expect(await ask("/hello")).toBe("hello, GET");
  expect(await ask("/greet")).toBe("Grüße aus Köln, à bientôt!\n");
  const page = await fetch(`${server.url}/page?Ada&<b>`);
  expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
  expect(await page.text()).toContain("<h1>Hello, Ada&#38;%3Cb%3E!</h1>");
  expect(await ask("/page")).toContain("<h1>Hello, stranger!</h1>");
});

test.skipIf(go !== undefined)(
  `what Go makes is a command${why(go)}`,
  async () => {
    const module = await built("go/main.go", "main.wasm");
    const config = '[[functions]]\nname = "sort"\npath = "./main.wasm"\nroutes = ["POST /sort"]\n';
    await using server = await startTestServer({ files: { "main.wasm": module }, config });
    const got = await fetch(`${server.url}/sort`, { method: "POST", body: "b\nä\na\n" });
    expect([got.status, await got.text()]).toEqual([200, "a\nb\nä"]);
  },
  BUILD_MS_MAX,
);
