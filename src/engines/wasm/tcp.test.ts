/** Backends of modules: the TCP functions of the `handle` ABI, and the older form of the configuration that allows them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startTestServer } from "../../testing/server.ts";
import { startTcpServer, type TcpServer } from "../../testing/tcp_server.ts";
import { handleModule, startWasmServer, type WasmServer } from "../../testing/wasm_rig.ts";
import { compileWat } from "../../testing/wat.ts";

/** Reads the address from `/env/backend`, says "ping", answers with what comes back; 502 when it cannot connect. */
const CLIENT = handleModule(
  `(local $size i64) (local $socket i32)
   (local.set $size (call $db_get (i32.const 0) (i64.const 12) (i32.const 100) (i64.const 100)))
   (local.set $socket (call $tcp_connect (i32.const 100) (local.get $size)))
   (if (i32.lt_s (local.get $socket) (i32.const 0)) (then (call $status (i32.const 502) (i32.const 0) (i64.const 0)) (return)))
   (drop (call $tcp_write (local.get $socket) (i32.const 12) (i64.const 4)))
   (local.set $size (call $tcp_read (local.get $socket) (i32.const 200) (i64.const 1000)))
   (call $body (i32.const 200) (local.get $size))`,
  { data: "/env/backendping" },
);

/** As a module reads: until the far end closes. */
const READER = handleModule(
  `(local $socket i32) (local $size i64) (local $end i32)
   (local.set $end (i32.const 1000))
   (local.set $size (call $db_get (i32.const 0) (i64.const 12) (i32.const 100) (i64.const 100)))
   (local.set $socket (call $tcp_connect (i32.const 100) (local.get $size)))
   (loop $more
     (local.set $size (call $tcp_read (local.get $socket) (local.get $end) (i64.const 7)))
     (local.set $end (i32.add (local.get $end) (i32.wrap_i64 (local.get $size))))
     (br_if $more (i64.gt_s (local.get $size) (i64.const 0))))
   (call $body (i32.const 1000) (i64.extend_i32_u (i32.sub (local.get $end) (i32.const 1000))))`,
  { data: "/env/backend" },
);

let pong: TcpServer;
let held: TcpServer;
let speaker: TcpServer;
let server: WasmServer;
/** Answers everybody who waits at the second backend. */
let release = () => {};
let waiting = 0;
let whenWaiting: { readonly count: number; resolve(): void } | undefined;

beforeAll(async () => {
  const everybody: (() => void)[] = [];
  release = () => {
    for (const answer of everybody.splice(0)) answer();
    waiting = 0;
  };
  [pong, held, speaker] = await Promise.all([
    startTcpServer((socket) => socket.on("data", (data) => socket.write(`pong for ${data}`))),
    startTcpServer((socket) =>
      socket.on("data", () => {
        everybody.push(() => socket.end("at last"));
        waiting += 1;
        if (waiting === whenWaiting?.count) whenWaiting.resolve();
      }),
    ),
    startTcpServer((socket) => socket.end("a longer text that comes in one piece")),
  ]);
  const bound = (address: string) =>
    `env = { "/env/backend" = "${address}" }\nbindings = { TCP = { type = "tcp", allow = ["${address}"] } }`;
  server = await startWasmServer(
    {
      client: { wat: CLIENT, toml: bound(pong.address) },
      reader: { wat: READER, toml: bound(speaker.address) },
      held: { wat: CLIENT, toml: `${bound(held.address)}\ninstances = 1\nlimits = { concurrency = 300 }` },
      brief: { wat: CLIENT, toml: `${bound(held.address)}\ninstances = 1\nlimits = { wall_ms = 300 }` },
      unbound: { wat: CLIENT, toml: `env = { "/env/backend" = "${pong.address}" }` },
      denied: {
        wat: CLIENT,
        toml: `env = { "/env/backend" = "${pong.address}" }\nbindings = { TCP = { type = "tcp", allow = ["${held.address}"] } }`,
      },
      numbers: {
        wat: handleModule(
          `(i64.store (i32.const 0) (call $tcp_read (i32.const 3) (i32.const 0) (i64.const 8)))
           (i64.store (i32.const 8) (call $tcp_write (i32.const -1) (i32.const 0) (i64.const 8)))
           (i64.store32 (i32.const 16) (i64.extend_i32_s (call $tcp_connect (i32.const 0) (i64.const 0))))
           (call $body (i32.const 0) (i64.const 20))`,
        ),
      },
    },
    `[plans.anonymous]\nrun = "none"\nconcurrency = 400`,
  );
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await Promise.all([pong, held, speaker].map((each) => each[Symbol.asyncDispose]()));
});

describe("a backend", () => {
  test("is connected to, written to and read from; it is left as the invocation ends", async () => {
    expect(await (await server.ask("client")).text()).toBe("pong for ping");
    expect(await (await server.ask("reader")).text()).toBe("a longer text that comes in one piece");
    await Promise.all([pong.empty(), speaker.empty()]);
  });

  test("that is slow holds 200 invocations of one instance, and none of the others", async () => {
    const all = new Promise<void>((resolve) => {
      whenWaiting = { count: 200, resolve };
    });
    const answers = Array.from({ length: 200 }, () => server.ask("held").then((got) => got.text()));
    await all;
    expect(await (await server.ask("client")).text()).toBe("pong for ping");
    release();
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["at last"]));
    await held.empty();
  });

  test("that never answers costs an invocation its time, and the next ones nothing", async () => {
    for (let count = 0; count < 3; count += 1) {
      const got = await server.ask("brief");
      expect([got.status, ((await got.json()) as { error: { code: string } }).error.code]).toEqual([504, "wall_limit"]);
    }
    await held.empty();
  });

  test("that is not bound, or not allowed, is -1 to the module", async () => {
    expect([(await server.ask("unbound")).status, (await server.ask("denied")).status]).toEqual([502, 502]);
  });

  test("that was never connected, is -1 to the module", async () => {
    const bytes = await (await server.ask("numbers")).bytes();
    expect(bytes).toEqual(new Uint8Array(20).fill(255));
  });
});

describe("the older form", () => {
  test("serves a module, and allows the backends that its variables name", async () => {
    const files = {
      "samples/testfunc.wasm": await compileWat(CLIENT.replace('(export "handle")', '(export "hello")')),
    };
    const entry = (path: string, backend: string) => `[[applications]]
file_path = "./samples/testfunc.wasm"
method = "GET"
url_path = "${path}"
function = "hello"
env = { "/env/backend" = "${backend}" }
`;
    await using older = await startTestServer({
      files,
      config: entry("/hello", pong.address) + entry("/other", "no backend"),
    });
    const got = await fetch(`${older.url}/hello`);
    expect([got.status, await got.text()]).toEqual([200, "pong for ping"]);
    expect((await fetch(`${older.url}/other`)).status).toBe(502);
    expect((await fetch(`${older.url}/hello`, { method: "POST" })).status).toBe(405);
  });
});
