/** Components of `wasi:http/proxy`, through the gateway: what they read, write, wait for and are bound to. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { buildComponent, componentModule, makeChoice } from "../../testing/component_rig.ts";
import { startWasmServer, type WasmServer } from "../../testing/wasm_rig.ts";

/** Texts by their places: a greeting at 1024, a key at 1030, a name at 1040, an authority at 1050. */
const DATA = "hello\\00count\\00\\00\\00\\00\\00CACHE\\00\\00\\00\\00\\00x-a1/data";

/** Opens the bucket CACHE, whose handle is then `$b`. */
const OPEN = `(call $open (i32.const 1040) (i32.const 5) (i32.const 0)) (local.set $b (i32.load (i32.const 4)))`;
/** Sends a request to the authority that the variable AUTHORITY names, and passes its answer on. */
const SEND = `
  (call $config (i32.const 1060) (i32.const 9) (i32.const 0))
  (local.set $s (call $request (call $fields)))
  (drop (call $set_scheme (local.get $s) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
  (drop (call $set_authority (local.get $s) (i32.const 1) (i32.load (i32.const 8)) (i32.load (i32.const 12))))
  (drop (call $set_path (local.get $s) (i32.const 1) (i32.const 1054) (i32.const 5)))
  (call $send (local.get $s) (i32.const 0) (i32.const 0) (i32.const 0))
  (local.set $s (i32.load (i32.const 8)))
  (call $block (call $future_subscribe (local.get $s)))
  (call $future_get (local.get $s) (i32.const 0))`;

const CHOICES: Readonly<Record<string, string>> = {
  h: "(call $answer (local.get $out) (i32.const 1024) (i32.const 5))",
  e: "(call $pass (local.get $out) (call $input (local.get $request)))",
  // The path itself.
  p: `(call $path (local.get $request) (i32.const 0))
      (call $answer (local.get $out) (i32.load (i32.const 4)) (i32.load (i32.const 8)))`,
  // A status and a header.
  s: `(local.set $b (call $fields))
      (call $fields_append (local.get $b) (i32.const 1050) (i32.const 4) (i32.const 1024) (i32.const 5) (i32.const 0))
      (local.set $s (call $response (local.get $b)))
      (drop (call $set_status (local.get $s) (i32.const 418)))
      (call $respond (local.get $out) (local.get $s))`,
  // Counts in KV, and says how far.
  k: `${OPEN}
      (call $increment (local.get $b) (i32.const 1030) (i32.const 5) (i64.const 1) (i32.const 0))
      (call $bucket_get (local.get $b) (i32.const 1030) (i32.const 5) (i32.const 0))
      (call $answer (local.get $out) (i32.load (i32.const 8)) (i32.load (i32.const 12)))`,
  // Keeps the greeting under the key.
  w: `${OPEN}
      (call $bucket_set (local.get $b) (i32.const 1030) (i32.const 5) (i32.const 1024) (i32.const 5) (i32.const 0))
      (call $answer (local.get $out) (i32.const 1024) (i32.load8_u (i32.const 0)))`,
  // A variable by its name, or the letter of the error.
  c: `(call $config (i32.const 1040) (i32.const 5) (i32.const 0))
      (call $answer (local.get $out) (i32.const 1024) (i32.load8_u (i32.const 4)))`,
  o: `${SEND}
      (call $arrived_consume (i32.load (i32.const 24)) (i32.const 0))
      (call $stream (i32.load (i32.const 4)) (i32.const 0))
      (call $pass (local.get $out) (i32.load (i32.const 4)))`,
  // The number of the error code that a request failed of, as a status.
  d: `${SEND}
      (local.set $s (call $begin (local.get $out) (i32.add (i32.const 400) (i32.load8_u (i32.const 24)))))
      (call $end (local.get $s))`,
  // How often this instance has been asked, as a status.
  n: `(global.set $asked (i32.add (global.get $asked) (i32.const 1)))
      (call $end (call $begin (local.get $out) (i32.add (i32.const 200) (global.get $asked))))`,
  // Waits for the first of two moments, a third of a second and a minute away.
  t: `(i32.store (i32.const 0) (call $after (i64.const 60000000000)))
      (i32.store (i32.const 4) (call $after (i64.const 300000000)))
      (call $poll (i32.const 0) (i32.const 2) (i32.const 16))
      (call $answer (local.get $out) (i32.const 1024) (i32.load (i32.load (i32.const 16))))`,
};

let upstream: ReturnType<typeof Bun.serve>;
let server: WasmServer;
beforeAll(async () => {
  upstream = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => new Response(`at ${new URL(request.url).pathname}`),
  });
  const data = `${DATA}\\00AUTHORITY`;
  const wasm = await makeChoice(CHOICES, { data, more: "(global $asked (mut i32) (i32.const 0))" });
  const authority = `127.0.0.1:${upstream.port}`;
  const bound = (more: string) => `${more}\n  [functions.bindings]\n  CACHE = { type = "kv", name = "cache" }`;
  server = await startWasmServer(
    {
      one: { wasm, toml: bound(`env = { AUTHORITY = "${authority}" }\negress = ["${authority}"]\ninstances = 1`) },
      denied: { wasm, toml: `env = { AUTHORITY = "${authority}" }` },
    },
    '[plans.anonymous]\nrun = "any"',
  );
}, 60_000);
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await upstream.stop(true);
});

const textAt = async (path: string, init: RequestInit = {}) => {
  const got = await server.ask("one", { path, ...init });
  return `${got.status} ${await got.text()}`;
};

test("a component answers, with status, headers and what it was asked for", async () => {
  expect(await textAt("/h")).toBe("200 hello");
  expect(await textAt("/a/path?of=p")).toBe("200 /one/a/path?of=p");
  const got = await server.ask("one", { path: "/s" });
  expect([got.status, got.headers.get("x-a1"), await got.text()]).toEqual([418, "hello", ""]);
});

test("each invocation has an instance of its own", async () => {
  const all = await Promise.all(Array.from({ length: 20 }, () => textAt("/n")));
  expect(new Set(all)).toEqual(new Set(["201 "]));
});

test("what is sent runs as what is deployed", async () => {
  const body = await buildComponent(componentModule(CHOICES["h"] as string, { data: "hello" }));
  const headers = { "content-type": "application/wasm" };
  for (let count = 0; count < 2; count += 1) {
    const got = await fetch(`${server.url}/run`, {
      method: "POST",
      headers,
      body: new Blob([body as Uint8Array<ArrayBuffer>]),
    });
    expect([got.status, await got.text()]).toEqual([200, "hello"]);
  }
}, 60_000);

test("bodies stream both ways, a byte at a time and many at once", async () => {
  expect(await textAt("/e", { method: "POST", body: "" })).toBe("200 ");
  const long = "0123456789abcdef".repeat(200_000);
  expect(await textAt("/e", { method: "POST", body: long })).toBe(`200 ${long}`);
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const encoder = new TextEncoder();
  const first = writer.write(encoder.encode("ping"));
  const got = await server.ask("one", { path: "/e", method: "POST", body: readable });
  const reader = (got.body as ReadableStream<Uint8Array>).getReader();
  // The answer to the first chunk is here before the second is sent.
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("ping");
  await first;
  await writer.write(encoder.encode("pong"));
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("pong");
  await writer.close();
  expect((await reader.read()).done).toBe(true);
});

test("keys and values are those of the KV binding, and counting loses nothing", async () => {
  const counted = await Promise.all(Array.from({ length: 10 }, () => textAt("/k")));
  // Who read may have seen what others had added meanwhile; the last of them saw all.
  expect(
    counted
      .map((text) => Number(text.slice(4)))
      .sort((one, other) => one - other)
      .at(-1),
  ).toBe(10);
  expect(await textAt("/w")).toBe("200 ");
  // What is no number any more cannot be counted on: it stays as it was written.
  expect(await textAt("/k")).toBe("200 hello");
});

test("requests go out where the function may, and are refused elsewhere", async () => {
  expect(await textAt("/o")).toBe("200 at /data");
  const got = await server.ask("denied", { path: "/d" });
  // HTTP-request-denied is the 16th of WASI's codes, from 0 on.
  expect(got.status).toBe(415);
});

test("who waits holds up nobody: 50 wait for the first of two moments in one instance", async () => {
  const began = performance.now();
  const all = await Promise.all(Array.from({ length: 50 }, () => textAt("/t")));
  expect(new Set(all)).toEqual(new Set(["200 h"]));
  expect(performance.now() - began).toBeLessThan(50 * 300);
});
