/** Commands of WASI preview 1 as CGI programs, through a real server and a real sandbox. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { FILLS_MEMORY, startWasmServer, type WasmServer } from "../../testing/wasm_rig.ts";

/** A command with `body` as its `_start`, and `$print` for a text at an address. */
function command(body: string, { data = "", memory = 2 } = {}): string {
  const call = (name: string, params: string) =>
    `(import "wasi_snapshot_preview1" "${name}" (func $${name} (param ${params}) (result i32)))`;
  return `(module
  ${call("fd_write", "i32 i32 i32 i32")} ${call("fd_read", "i32 i32 i32 i32")} ${call("random_get", "i32 i32")}
  ${call("environ_sizes_get", "i32 i32")} ${call("environ_get", "i32 i32")} ${call("args_sizes_get", "i32 i32")}
  ${call("args_get", "i32 i32")} ${call("poll_oneoff", "i32 i32 i32 i32")} ${call("fd_prestat_get", "i32 i32")}
  ${call("clock_time_get", "i32 i64 i32")}
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") ${memory})
  (data (i32.const 1024) "${data}")
  (func $print (param $fd i32) (param $at i32) (param $size i32)
    (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $size))
    (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func (export "_start") (local $size i32) ${body}))`;
}

const PLAIN = "Content-Type: text/plain\\n\\n";
const PLAIN_BYTES = 26;
const print = (size: number, at = 1024, fd = 1) =>
  `(call $print (i32.const ${fd}) (i32.const ${at}) (i32.const ${size}))`;

const FUNCTIONS: Readonly<Record<string, { readonly wat: string; readonly toml?: string }>> = {
  hello: { wat: command(print(PLAIN_BYTES + 5), { data: `${PLAIN}hello` }) },
  status: { wat: command(print(35), { data: "Status: 404 Not Found\\r\\nX-A: b\\r\\n\\r\\ngo" }) },
  moved: {
    wat: command(print(22), { data: "Location: /else/here\\n\\n" }),
  },
  environment: {
    wat: command(
      `${print(PLAIN_BYTES)} (drop (call $environ_sizes_get (i32.const 12) (i32.const 16)))
       (drop (call $environ_get (i32.const 2048) (i32.const 8192)))
       (call $print (i32.const 1) (i32.const 8192) (i32.load (i32.const 16)))`,
      { data: PLAIN },
    ),
    toml: 'env = { GREETING = "grüß" }',
  },
  echo: {
    wat: command(
      `${print(PLAIN_BYTES)}
       (loop $more
         (i32.store (i32.const 0) (i32.const 8192)) (i32.store (i32.const 4) (i32.const 5000))
         (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
         (local.set $size (i32.load (i32.const 8)))
         (if (local.get $size)
           (then (call $print (i32.const 1) (i32.const 8192) (local.get $size)) (br $more))))`,
      { data: PLAIN },
    ),
  },
  sleeps: {
    wat: command(
      `(i32.store8 (i32.const 4104) (i32.const 0)) (i64.store (i32.const 4120) (i64.const 50000000))
       (drop (call $poll_oneoff (i32.const 4096) (i32.const 5000) (i32.const 1) (i32.const 12)))
       ${print(PLAIN_BYTES)} (call $print (i32.const 1) (i32.const 12) (i32.const 1))`,
      { data: PLAIN },
    ),
  },
  exits: { wat: command(`${print(PLAIN_BYTES)} (call $proc_exit (i32.const 0)) unreachable`, { data: PLAIN }) },
  fails: { wat: command(`${print(PLAIN_BYTES)} (call $proc_exit (i32.const 3))`, { data: PLAIN }) },
  traps: { wat: command("unreachable") },
  silent: { wat: command("") },
  headless: { wat: command(print(5), { data: "hello" }) },
  outside: { wat: command(print(100, 131_050)) },
  vectors: { wat: command("(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 8)))") },
  floods: { wat: command(`(loop $l ${print(100_000)} (br $l))`) },
  loops: { wat: command("(loop $l (br $l))"), toml: "limits = { cpu_ms = 300 }" },
  recursion: {
    wat: command("(call $print (i32.const 1) (i32.const 0) (i32.const 0)) (call $r)").replace(
      /\)$/,
      "(func $r (call $r)))",
    ),
  },
  forever: {
    // Waits for an hour.
    wat: command(
      `(i64.store (i32.const 4120) (i64.const 3600000000000))
       (drop (call $poll_oneoff (i32.const 4096) (i32.const 5000) (i32.const 1) (i32.const 12)))`,
    ),
    toml: "instances = 1\nlimits = { wall_ms = 300 }",
  },
  growth: {
    wat: command(FILLS_MEMORY),
    toml: "limits = { memory_mb = 64 }",
  },
  counter: {
    // What it has in memory, and its file in /tmp, is as new each time.
    wat: command(
      `(i32.store (i32.const 1100) (i32.add (i32.load (i32.const 1100)) (i32.const 1)))
       ${print(PLAIN_BYTES)} (call $print (i32.const 1) (i32.const 1100) (i32.const 1))`,
      { data: PLAIN },
    ),
  },
  files: {
    wat: command(
      `(i32.store (i32.const 12) (call $fd_prestat_get (i32.const 3) (i32.const 2048)))
       ${print(PLAIN_BYTES)} (call $print (i32.const 1) (i32.const 12) (i32.const 1))`,
      { data: PLAIN },
    ),
  },
};

let server: WasmServer;
beforeAll(async () => {
  server = await startWasmServer(FUNCTIONS, '[plans.anonymous]\nrun = "any"');
});
afterAll(() => server[Symbol.asyncDispose]());

const textOf = async (name: string, init?: RequestInit & { readonly path?: string }) =>
  (await server.ask(name, init)).text();

test("an answer is what a command writes, with its status and headers", async () => {
  const hello = await server.ask("hello");
  expect([hello.status, hello.headers.get("content-type"), await hello.text()]).toEqual([200, "text/plain", "hello"]);
  const status = await server.ask("status");
  expect([status.status, status.headers.get("x-a"), await status.text()]).toEqual([404, "b", "go"]);
  const moved = await server.ask("moved", { redirect: "manual" });
  expect([moved.status, moved.headers.get("location")]).toEqual([302, "/else/here"]);
  expect((await server.ask("exits")).status).toBe(200);
});

test("the request is in its environment, and a header can take no name of a setting", async () => {
  const headers = { "x-test": "yes", proxy: "http://evil.example", "content-type": "text/x" };
  const text = await textOf("environment", { path: "/a%20b?c=d", method: "POST", body: "12345", headers });
  const found = Object.fromEntries(text.split("\0").map((line) => line.split(/=(.*)/s).slice(0, 2)));
  expect(found).toMatchObject({
    ...{ REQUEST_METHOD: "POST", PATH_INFO: "/environment/a%20b", QUERY_STRING: "c=d", CONTENT_LENGTH: "5" },
    ...{ CONTENT_TYPE: "text/x", HTTP_X_TEST: "yes", GATEWAY_INTERFACE: "CGI/1.1", GREETING: "grüß" },
  });
  expect(text).not.toContain("evil");
});

test("the body is on its standard input, also a long one", async () => {
  for (const body of ["", "short", "x".repeat(300_000)]) {
    expect((await textOf("echo", { method: "POST", body })) === body).toBe(true);
  }
});

test("commands that sleep do so beside each other", async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => textOf("sleeps")));
  expect(new Set(answers)).toEqual(new Set(["\u0001"]));
});

test("a command that is sent is run, too", async () => {
  const got = await server.runModule(FUNCTIONS["hello"]?.wat ?? "");
  expect([got.status, await got.text()]).toEqual([200, "hello"]);
});

test("a command that is sent, or has no files, has /tmp and an empty root", async () => {
  expect(await textOf("files")).toBe("\u0000");
  const got = await server.runModule(FUNCTIONS["files"]?.wat ?? "");
  expect([got.status, await got.text()]).toEqual([200, "\u0000"]);
});

test.each([
  ["loops", 500, "cpu_limit", "cpu_ms = 300"],
  ["forever", 504, "wall_limit", "wall_ms = 300"],
  ["growth", 500, "memory_limit", "memory_mb = 64"],
])("one that %s is ended by its limit, each time", async (name, status, code, told) => {
  for (let count = 0; count < 2; count += 1) {
    const got = await server.ask(name);
    const { error } = (await got.json()) as { error: { code: string; message: string } };
    expect([got.status, error.code, error.message]).toEqual([status, code, expect.stringContaining(told)]);
  }
  expect(await textOf("hello")).toBe("hello");
});

test("nothing of one invocation is in the memory of the next", async () => {
  const answers = await Promise.all(Array.from({ length: 60 }, () => textOf("counter")));
  for (let count = 0; count < 20; count += 1) answers.push(await textOf("counter"));
  expect(new Set(answers)).toEqual(new Set(["\u0001"]));
});

test.each([
  ["recursion", "Maximum call stack size"],
  ["fails", "exited with code 3"],
  ["traps", "Unreachable code"],
  ["silent", "does not begin with headers"],
  ["headless", 'but with "hello"'],
  ["outside", "fd_write: pointer 131050 and size 100 lie outside"],
  ["vectors", "fd_write: -1 vectors"],
  ["floods", "over 67108864 bytes of output"],
])("what %s is told so, and harms nobody", async (name, told) => {
  const got = await server.ask(name);
  const { error } = (await got.json()) as { error: { code: string; message: string } };
  expect([got.status, error.code, error.message]).toEqual([500, "uncaught_exception", expect.stringContaining(told)]);
  expect(await textOf("hello")).toBe("hello");
});
