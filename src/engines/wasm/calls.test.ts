/** What modules ask of other functions, of the outside and of queues. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startTestServer, type TestServer } from "../../testing/server.ts";
import { compileWat } from "../../testing/wat.ts";

/** A module that reads its headers `b` and `head` to 100 and 1000, its body to 2000, and goes on with `body`. */
const module = (imported: string, body: string) => `(module
  ${imported}
  (import "env" "request_header" (func $header (param i32 i64 i32 i64) (result i64)))
  (import "env" "request_body" (func $sent (param i32 i64) (result i64)))
  (import "env" "response_set_status_line" (func $status (param i32 i32 i64)))
  (import "env" "response_set_header" (func $set (param i32 i64 i32 i64)))
  (import "env" "response_set_body" (func $body (param i32 i64)))
  (import "env" "last_value" (func $last (param i32 i64) (result i64)))
  (memory (export "memory") 4)
  (data (i32.const 0) "bhead") (data (i32.const 10) "x-tag")
  (func (export "handle") (local $b i64) (local $h i64) (local $n i64) (local $r i64)
    (local.set $b (call $header (i32.const 0) (i64.const 1) (i32.const 100) (i64.const 800)))
    (if (i64.lt_s (local.get $b) (i64.const 0)) (then (local.set $b (i64.const 0))))
    (local.set $h (call $header (i32.const 1) (i64.const 4) (i32.const 1000) (i64.const 900)))
    (if (i64.lt_s (local.get $h) (i64.const 0)) (then (local.set $h (i64.const 0))))
    (local.set $n (call $sent (i32.const 2000) (i64.const 9000)))
    ${body}
    (call $body (i32.const 20000) (call $last (i32.const 20000) (i64.const 100000)))))`;
const HTTP = module(
  `(import "env" "http_request" (func $ask (param i32 i64 i32 i64 i32 i64 i32 i64) (result i64)))
  (import "env" "last_status" (func $code (result i32)))
  (import "env" "last_header" (func $tag (param i32 i64 i32 i64) (result i64)))`,
  `(local.set $r (call $ask (i32.const 100) (local.get $b) (i32.const 1000) (local.get $h)
      (i32.const 2000) (local.get $n) (i32.const 0) (i64.const 0)))
    (if (i64.lt_s (local.get $r) (i64.const 0)) (then (call $status (i32.const 502) (i32.const 0) (i64.const 0)))
      (else (call $status (call $code) (i32.const 0) (i64.const 0))))
    (local.set $r (call $tag (i32.const 10) (i64.const 5) (i32.const 12000) (i64.const 100)))
    (if (i64.ge_s (local.get $r) (i64.const 0))
      (then (call $set (i32.const 10) (i64.const 5) (i32.const 12000) (local.get $r))))`,
);
const QUEUE = module(
  '(import "env" "queue_send" (func $send (param i32 i64 i32 i64 i32 i64) (result i32)))',
  `(if (i32.lt_s (call $send (i32.const 100) (local.get $b) (i32.const 2000) (local.get $n)
      (i32.const 1000) (local.get $h)) (i32.const 0))
      (then (call $status (i32.const 502) (i32.const 0) (i64.const 0))))`,
);
const OTHER = `export default async (request) => {
  const text = [request.method, new URL(request.url).pathname, request.headers.get("x-own"), await request.text()].join(" ");
  return new Response(text, { status: 203, headers: { "x-tag": "tagged" } });
};`;
const CONSUMER = `const seen = [];
export default {
  fetch: () => Response.json(seen),
  queue: (batch) => { for (const { body } of batch.messages) seen.push(body instanceof Uint8Array ? [...body] : body); },
};`;

let server: TestServer;
let outside: Bun.Server<undefined>;
beforeAll(async () => {
  outside = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1" },
    fetch: (request) => new Response(`outside ${request.method}`, { status: 201 }),
  });
  const one = (name: string, lines: string) =>
    `[[functions]]\nname = "${name}"\nroutes = ["ANY /${name}"]\ninstances = 1\n${lines}\n`;
  server = await startTestServer({
    files: {
      ...{ "http.wasm": await compileWat(HTTP), "queue.wasm": await compileWat(QUEUE) },
      ...{ "other.js": OTHER, "consumer.js": CONSUMER },
    },
    config: [
      one(
        "http",
        `path = "./http.wasm"\negress = ["localhost:${outside.port}"]\nbindings = { OTHER = { type = "function", name = "other" } }`,
      ),
      one("queue", 'path = "./queue.wasm"\nbindings = { JOBS = { type = "queue", name = "jobs" } }'),
      one("other", 'path = "./other.js"'),
      one("consumer", 'path = "./consumer.js"'),
      '[[consumers]]\nqueue = "jobs"\nfunction = "consumer"\n',
    ].join(""),
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await outside.stop(true);
});

const say = (name: string, b: string, head: string | object, body = "") => {
  const headers = { b, head: typeof head === "string" ? head : JSON.stringify(head) };
  return fetch(`${server.url}/${name}`, { method: "POST", headers, body });
};

test("a module asks another function, and learns the status, a header and the body", async () => {
  const got = await say("http", "OTHER", { url: "http://x/path", headers: { "x-own": "mine" } }, "sent");
  expect([got.status, got.headers.get("x-tag"), await got.text()]).toEqual([203, "tagged", "POST /path mine sent"]);
  const bare = await say("http", "OTHER", { url: "http://x/" });
  expect(await bare.text()).toBe("GET /  ");
});

test("without a name, what its egress allows, and nothing else", async () => {
  const reached = await say("http", "", { url: `http://localhost:${outside.port}/`, method: "PUT" }, "x");
  expect([reached.status, await reached.text()]).toEqual([201, "outside PUT"]);
  const denied = await say("http", "", { url: "http://example.org/" });
  expect([denied.status, ((await denied.json()) as { code: string }).code]).toEqual([502, "egress_denied"]);
});

test.each([
  ["http", "NONE", { url: "http://x/" }, "", /no function binding named \\?"NONE/],
  ["http", "OTHER", "nonsense", "", /expected JSON/],
  ["http", "OTHER", { url: 1 }, "", /expected \{\\"url\\"/],
  ["http", "OTHER", { url: "http://x/", method: "B AD" }, "", /./],
  ["queue", "NONE", "", "1", /no queue binding named/],
  ["queue", "JOBS", "", "{no json", /expected JSON, not/],
  ["queue", "JOBS", { contentType: "v8" }, "1", /no content type/],
])("what cannot be done is told: %s, %s, %j", async (name, binding, head, body, why) => {
  const got = await say(name, binding, head, body);
  expect([got.status, await got.text()]).toEqual([502, expect.stringMatching(why)]);
});

test("a module sends messages as JSON, text and bytes", async () => {
  for (const [head, body] of [
    ["", '{"a": 1}'],
    [{ contentType: "text" }, "a text"],
    [{ contentType: "bytes", delaySeconds: 0 }, "ab"],
  ] as const) {
    const got = await say("queue", "JOBS", head, body);
    expect([got.status, await got.text()]).toEqual([200, ""]);
  }
  let seen: unknown[] = [];
  while (seen.length < 3) seen = (await (await fetch(`${server.url}/consumer`)).json()) as unknown[];
  expect(seen).toContainEqual({ a: 1 });
  expect(seen).toContainEqual("a text");
  expect(seen).toContainEqual([97, 98]);
});
