/** KV, SQL and blob bindings of modules, beyond what every engine's programs can do with them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { logsOf } from "../../testing/log_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";
import { compileWat } from "../../testing/wat.ts";

/** A module that imports `kv_get` and `kv_put`, with `body` as its function. */
const kvModule = (body: string, data = "B") => `(module
  (import "env" "kv_get" (func $get (param i32 i64 i32 i64 i32 i64) (result i64)))
  (import "env" "kv_put" (func $put (param i32 i64 i32 i64 i32 i64 i64) (result i32)))
  (import "env" "last_value" (func $last (param i32 i64) (result i64)))
  (import "env" "request_header" (func $header (param i32 i64 i32 i64) (result i64)))
  (import "env" "log" (func $log (param i32 i64)))
  (import "env" "response_set_body" (func $body (param i32 i64)))
  (memory (export "memory") 1)
  (data (i32.const 0) "${data}")
  (func (export "handle") ${body}))`;

/** Logs its header `n` before it asks its binding, and after it. */
const LOGS = kvModule(
  `(drop (call $header (i32.const 1) (i64.const 1) (i32.const 100) (i64.const 2)))
   (call $log (i32.const 100) (i64.const 2))
   (drop (call $get (i32.const 0) (i64.const 1) (i32.const 100) (i64.const 2) (i32.const 0) (i64.const 0)))
   (call $log (i32.const 100) (i64.const 2))
   (drop (call $put (i32.const 0) (i64.const 1) (i32.const 100) (i64.const 2) (i32.const 100) (i64.const 2) (i64.const 0)))
   (call $log (i32.const 100) (i64.const 2))
   (drop (call $get (i32.const 0) (i64.const 1) (i32.const 100) (i64.const 2) (i32.const 200) (i64.const 2)))
   (call $body (i32.const 200) (i64.const 2))`,
  "Bn",
);
/** A command that prints what its binding has under "k". */
const COMMAND = `(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "env" "kv_get" (func $get (param i32 i64 i32 i64 i32 i64) (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 100) "Content-Type: text/plain\\n\\n") (data (i32.const 200) "Bk")
  (func (export "_start")
    (i32.store (i32.const 8) (i32.const 100)) (i32.store (i32.const 12) (i32.const 26))
    (i32.store (i32.const 16) (i32.const 300))
    (i32.store (i32.const 20) (i32.wrap_i64
      (call $get (i32.const 200) (i64.const 1) (i32.const 201) (i64.const 1) (i32.const 300) (i64.const 100))))
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 2) (i32.const 24)))))`;

let server: TestServer;
beforeAll(async () => {
  const bound = (name: string, file: string, binding: string) =>
    `[[functions]]\nname = "${name}"\npath = "./${file}"\nroutes = ["GET /${name}"]\nbindings = { B = ${binding} }\ninstances = 1\n`;
  const kv = '{ type = "kv", name = "one" }';
  server = await startTestServer({
    files: {
      "all.wasm": readFileSync(join(import.meta.dir, "../../testing/wasm_bindings.wasm")),
      "logs.wasm": await compileWat(LOGS),
      "command.wasm": await compileWat(COMMAND),
      "outside.wasm": await compileWat(
        kvModule(
          `(drop (call $put (i32.const 0) (i64.const 1) (i32.const 0) (i64.const 1) (i32.const 0) (i64.const 1) (i64.const 0)))
           (drop (call $get (i32.const 0) (i64.const 1) (i32.const 0) (i64.const 1) (i32.const 65530) (i64.const 100)))`,
        ),
      ),
      "negative.wasm": await compileWat(
        kvModule(
          "(drop (call $put (i32.const 0) (i64.const 1) (i32.const 0) (i64.const 1) (i32.const 0) (i64.const -1) (i64.const 0)))",
        ),
      ),
    },
    config: [
      ...[bound("kv", "all.wasm", kv), bound("sql", "all.wasm", '{ type = "sql", name = "one" }')],
      ...[bound("blob", "all.wasm", '{ type = "blob", name = "one" }'), bound("logs", "logs.wasm", kv)],
      ...[bound("command", "command.wasm", kv), bound("outside", "outside.wasm", kv)],
      bound("negative", "negative.wasm", kv),
    ].join(""),
  });
});
afterAll(() => server[Symbol.asyncDispose]());

/** What each call gave, and what `last_value` says of it. */
async function own(name: string): Promise<[number, string][]> {
  const text = await (await fetch(`${server.url}/${name}?do=own`)).text();
  return text
    .trimEnd()
    .split("\n")
    .map((line) => [Number.parseInt(line, 10), line.slice(line.indexOf(" ") + 1)]);
}
const failed = (code: string, message: string): [number, string] => [
  -2,
  expect.stringMatching(new RegExp(`"code":"${code}".*${message}`)) as unknown as string,
];
const gave = (...parts: string[]) => expect.stringMatching(new RegExp(parts.join(".*"))) as unknown as string;

test("a KV binding gives, keeps with an end, lists and removes; what failed is told", async () => {
  expect(await own("kv")).toEqual([
    [0, ""],
    [0, ""],
    [3, "one"],
    [expect.any(Number) as number, gave('"keys":\\[{"name":"own/1"', '"list_complete":false', '"cursor":')],
    [0, ""],
    [-1, ""],
    failed("bad_request", "expected a key"),
    failed("bad_request", "expected ttl to be"),
    failed("bad_request", "expected JSON, not"),
    failed("binding_denied", "no kv binding named"),
  ]);
});

test("a SQL binding takes values of every kind, and batches as one transaction", async () => {
  const rows = await own("sql");
  expect(rows.map(([size, said]) => (size > 0 ? size === said.length : size))).toEqual([
    true,
    true,
    true,
    -2,
    true,
    -2,
    -2,
    -2,
  ]);
  expect(JSON.parse(rows[2]?.[1] ?? "").results).toEqual([{ a: "9007199254740993", b: { base64: "AAEC" } }]);
  expect(rows[3]).toEqual(failed("sql_error", "NONSENSE"));
  expect(JSON.parse(rows[4]?.[1] ?? "").results).toEqual([{ n: 1 }]);
  expect(rows.slice(5)).toEqual([
    failed("bad_request", "expected a list of JSON"),
    failed("bad_request", "expected lists of SQL and values"),
    failed("binding_denied", "no sql binding named"),
  ]);
});

test("a blob binding gives parts of objects, and what is known of them", async () => {
  expect(await own("blob")).toEqual([
    ...([
      [0, ""],
      [3, "456"],
      [2, "89"],
      [0, ""],
      [-1, ""],
    ] as [number, string][]),
    [
      expect.any(Number) as number,
      gave('"key":"own/1","size":10', '"contentType":"text/x"', '"customMetadata":{"a":"b"}'),
    ],
    [expect.any(Number) as number, gave('"objects":\\[{"key":"own/1"', '"truncated":false')],
    ...([
      [0, ""],
      [-1, ""],
    ] as [number, string][]),
    failed("binding_denied", "no blob binding named"),
  ]);
});

test("pointers outside the memory end the invocation before anything is done", async () => {
  for (const [name, told] of [
    ["outside", "kv_get: pointer 65530 and size 100 lie outside"],
    ["negative", "kv_put: pointer 0 and size -1 lie outside"],
  ] as const) {
    const got = await fetch(`${server.url}/${name}`);
    const { error } = (await got.json()) as { error: { code: string; message: string } };
    expect([got.status, error.code, error.message]).toEqual([500, "uncaught_exception", expect.stringContaining(told)]);
  }
});

test("a command of WASI calls them, too", async () => {
  const { status } = await fetch(`${server.url}/kv?do=write&id=k&text=found`);
  expect([status, await (await fetch(`${server.url}/command`)).text()]).toEqual([200, "found"]);
});

test("many at once in one instance are told apart, in what they get and in the log", async () => {
  const numbers = Array.from({ length: 40 }, (_, at) => String(at + 10));
  const answers = await Promise.all(numbers.map((n) => fetch(`${server.url}/logs`, { headers: { n } })));
  for (const [at, answer] of answers.entries()) {
    const n = numbers[at] as string;
    expect(await answer.clone().text()).toBe(n);
    const lines = (await logsOf(server, answer)).flatMap((item) => (item.kind === "line" ? [item.text] : []));
    expect(lines).toEqual([n, n, n]);
  }
});
