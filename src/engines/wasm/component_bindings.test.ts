/** What components reach beside their request: stores in both drafts, the log, others by HTTP; and what holds them back. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import { makeChoice } from "../../testing/component_rig.ts";
import { startWasmServer, type WasmServer } from "../../testing/wasm_rig.ts";

/** `hello` at 1024, `count` at 1030, `CACHE` at 1040, `none` at 1050, `/held` at 1054, `AUTHORITY` at 1060; pairs and keys. */
const DATA =
  "hello\\00count\\00\\00\\00\\00\\00CACHE\\00\\00\\00\\00\\00none/held\\00AUTHORITY\\00\\00\\00" +
  "\\06\\04\\00\\00\\05\\00\\00\\00\\00\\04\\00\\00\\05\\00\\00\\00\\1a\\04\\00\\00\\04\\00\\00\\00";
const [PAIRS, KEY_COUNT] = [1072, 1088];

const open = (draft: string) =>
  `(call $open${draft} (i32.const 1040) (i32.const 5) (i32.const 0)) (local.set $b (i32.load (i32.const 4)))`;
const status = (number: string) => `(local.set $s (call $begin (local.get $out) ${number})) (call $end (local.get $s))`;

const CHOICES: Readonly<Record<string, string>> = {
  // Sets many, gets two of which one is there, and answers its value; the status says which were there.
  b: `${open("")}
      (call $set_many (local.get $b) (i32.const ${PAIRS}) (i32.const 1) (i32.const 0))
      (i32.store (i32.const 2048) (i32.const 1030)) (i32.store (i32.const 2052) (i32.const 5))
      (i64.store (i32.const 2056) (i64.load (i32.const ${KEY_COUNT})))
      (call $get_many (local.get $b) (i32.const 2048) (i32.const 2) (i32.const 0))
      (local.set $a (i32.load (i32.const 4)))
      (local.set $s (call $begin (local.get $out) (i32.add (i32.const 200)
        (i32.add (i32.load8_u (local.get $a)) (i32.mul (i32.const 2) (i32.load8_u offset=20 (local.get $a)))))))
      (call $say (local.get $s) (i32.load offset=12 (local.get $a)) (i32.load offset=16 (local.get $a)) (i32.const 0))
      (call $end (local.get $s))`,
  x: `${open("")}
      (i32.store (i32.const 2048) (i32.const 1030)) (i32.store (i32.const 2052) (i32.const 5))
      (call $delete_many (local.get $b) (i32.const 2048) (i32.const 1) (i32.const 0))
      (call $bucket_get (local.get $b) (i32.const 1030) (i32.const 5) (i32.const 0))
      ${status("(i32.add (i32.const 200) (i32.load8_u (i32.const 4)))")}`,
  // Of two that have read the same, the second swaps and the first fails.
  u: `${open("2")}
      (call $cas (local.get $b) (i32.const 1030) (i32.const 5) (i32.const 0))
      (local.set $a (i32.load (i32.const 4)))
      (call $cas (local.get $b) (i32.const 1030) (i32.const 5) (i32.const 0))
      (call $swap (i32.load (i32.const 4)) (i32.const 1024) (i32.const 5) (i32.const 0))
      (if (i32.load8_u (i32.const 0)) (then (unreachable)))
      (call $swap (local.get $a) (i32.const 1040) (i32.const 5) (i32.const 0))
      ${status("(i32.add (i32.const 200) (i32.add (i32.load8_u (i32.const 0)) (i32.mul (i32.const 2) (i32.load8_u (i32.const 4)))))")}`,
  // The first key.
  y: `${open("2")}
      (call $list_keys (local.get $b) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
      (local.set $a (i32.load (i32.const 4)))
      (call $answer (local.get $out) (i32.load (local.get $a)) (i32.load offset=4 (local.get $a)))`,
  // A store that is not bound: the number of the error.
  n: `(call $open (i32.const 1050) (i32.const 4) (i32.const 0))
      ${status("(i32.add (i32.const 400) (i32.add (i32.load8_u (i32.const 0)) (i32.load8_u (i32.const 4))))")}`,
  // The log, in two ways.
  l: `(call $log (i32.const 4) (i32.const 1040) (i32.const 5) (i32.const 1024) (i32.const 5))
      (call $say (call $stderr) (i32.const 1024) (i32.const 5) (i32.const 0))
      ${status("(i32.const 200)")}`,
  // The name of its first variable.
  v: `(call $environment (i32.const 0))
      (local.set $a (i32.load (i32.const 0)))
      (call $answer (local.get $out) (i32.load (local.get $a)) (i32.load offset=4 (local.get $a)))`,
  // Whether two draws differ, and whether it is later than 2026 began.
  q: `(call $random (i64.const 16) (i32.const 0))
      (call $random (i64.const 16) (i32.const 16))
      (call $wall (i32.const 32))
      ${status(`(i32.add (i32.const 200) (i32.add
        (i64.ne (i64.load (i32.load (i32.const 0))) (i64.load (i32.load (i32.const 16))))
        (i32.mul (i32.const 2) (i64.gt_u (i64.load (i32.const 32)) (i64.const 1767225600)))))`)}`,
  // A request that nobody waits for.
  r: `(call $config (i32.const 1060) (i32.const 9) (i32.const 0))
      (local.set $s (call $request (call $fields)))
      (drop (call $set_scheme (local.get $s) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
      (drop (call $set_authority (local.get $s) (i32.const 1) (i32.load (i32.const 8)) (i32.load (i32.const 12))))
      (drop (call $set_path (local.get $s) (i32.const 1) (i32.const 1054) (i32.const 5)))
      (call $send (local.get $s) (i32.const 0) (i32.const 0) (i32.const 0))
      (call $block (call $future_subscribe (i32.load (i32.const 8))))
      (unreachable)`,
  e: "(call $pass (local.get $out) (call $input (local.get $request)))",
};

let upstream: ReturnType<typeof Bun.serve>;
let held: { readonly arrived: PromiseWithResolvers<void>; readonly gone: PromiseWithResolvers<void> };
let server: WasmServer;
beforeAll(async () => {
  held = { arrived: Promise.withResolvers<void>(), gone: Promise.withResolvers<void>() };
  upstream = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1", idleTimeout: 0 },
    fetch(request) {
      held.arrived.resolve();
      request.signal.addEventListener("abort", () => held.gone.resolve());
      return new Promise<Response>(() => {});
    },
  });
  const authority = `127.0.0.1:${upstream.port}`;
  const own = `env = { AUTHORITY = "${authority}" }\negress = ["${authority}"]\nlimits = { wall_ms = 60000, body_mb = 100 }`;
  server = await startWasmServer({
    one: {
      wasm: await makeChoice(CHOICES, { data: DATA }),
      toml: `${own}\n  [functions.bindings]\n  CACHE = { type = "kv", name = "cache" }`,
    },
  });
}, 60_000);
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await upstream.stop(true);
});

const ask = async (path: string, init: RequestInit = {}) => {
  const got = await server.ask("one", { path, ...init });
  return `${got.status} ${await got.text()}`;
};

test("many keys at once, in the first draft of keyvalue", async () => {
  expect(await ask("/b")).toBe("201 hello");
  expect(await ask("/y")).toBe("200 count");
  expect(await ask("/x")).toBe("200 ");
});

test("compare and swap, in the second draft", async () => {
  expect(await ask("/u")).toBe("203 ");
  // Once there is something, too.
  expect(await ask("/u")).toBe("203 ");
});

test("variables, random numbers and the time", async () => {
  expect(await ask("/v")).toBe("200 AUTHORITY");
  expect(await ask("/q")).toBe("203 ");
});

test("a store that is not bound is not there", async () => {
  expect(await ask("/n")).toBe("401 ");
});

test("what it logs and writes to standard error are lines of the log", async () => {
  const logged = await server.admin("/v1/logs?follow=true&function=one");
  const reader = (logged.body as ReadableStream<Uint8Array>).getReader();
  expect(await ask("/l")).toBe("200 ");
  let text = "";
  while (!(text.includes("CACHE: hello") && /"hello"/.test(text))) {
    const { value, done } = await reader.read();
    if (done) break;
    text += new TextDecoder().decode(value);
  }
  expect(text).toContain("CACHE: hello");
  await reader.cancel();
});

test("a request of its own ends with the invocation whose caller has hung up", async () => {
  const hanging = new AbortController();
  const asked = server.ask("one", { path: "/r", signal: hanging.signal }).catch(() => "gone");
  await held.arrived.promise;
  hanging.abort();
  expect(await asked).toBe("gone");
  await held.gone.promise;
});

test("a client that vanishes in the middle of its body leaves nothing behind", async () => {
  const socket = connect({ host: "127.0.0.1", port: server.port });
  await once(socket, "connect");
  socket.write("POST /one/e HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\nsome");
  // What it has sent comes back: the component waits for the rest now.
  for (let text = ""; !text.includes("some"); ) text += String((await once(socket, "data"))[0]);
  socket.destroy();
  const running = async () => {
    const { pool } = (await (await server.admin("/v1/status")).json()) as { pool: { invocations: number } };
    return pool.invocations;
  };
  while ((await running()) > 0) await new Promise((resolve) => setImmediate(resolve));
  expect(await ask("/v")).toBe("200 AUTHORITY");
});

test("a client that does not read holds the component back, and the one who sends to it", async () => {
  const total = 64 * 1024 * 1024;
  const chunk = Buffer.alloc(64 * 1024, "x");
  const socket = connect({ host: "127.0.0.1", port: server.port });
  await once(socket, "connect");
  socket.pause();
  socket.write(`POST /one/e HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: ${total}\r\n\r\n`);
  let sent = 0;
  const send = async (idleMs: number): Promise<void> => {
    while (sent < total) {
      sent += chunk.length;
      if (socket.write(chunk)) continue;
      const drained = once(socket, "drain").then(() => true);
      if (!(await Promise.race([drained, Bun.sleep(idleMs).then(() => false)]))) return;
    }
  };
  // Until the server takes no more: what is on its way is in sockets, and in a few windows of 64 KiB.
  await send(1000);
  expect(sent).toBeLessThan(total / 2);
  let received = 0;
  socket.on("data", (bytes) => {
    received += bytes.length;
  });
  socket.resume();
  const closed = once(socket, "close");
  if (socket.writableNeedDrain) await once(socket, "drain");
  await send(60_000);
  await closed;
  expect(sent).toBe(total);
  expect(received).toBeGreaterThan(total);
}, 60_000);
