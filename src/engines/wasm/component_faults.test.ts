/** Components that are broken or mean harm: each is named for what it did, and the next invocation finds nothing of it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { buildComponent, componentModule, makeChoice, makeComponent, readWit } from "../../testing/component_rig.ts";
import { ask, functionPath } from "../../testing/control_client.ts";
import { startWasmServer, type WasmServer } from "../../testing/wasm_rig.ts";

const GOOD = "(call $answer (local.get $out) (i32.const 1024) (i32.const 4))";
const UNKNOWN = `(component
  (import "acme:shop/basket@1.0.0" (instance $shop (export "add" (func))))
  (core func $add (canon lower (func $shop "add")))
  (core module $m (import "a" "add" (func $add)) (func (export "f") (call $add)))
  (core instance $i (instantiate $m (with "a" (instance (export "add" (func $add)))))))`;
const EXPORTS_NOTHING = '(component (core module $m (func (export "f"))) (core instance $i (instantiate $m)))';

interface Unloadable {
  make(): Promise<Uint8Array>;
  readonly told: string;
}

const header = (...more: number[]) => new Uint8Array([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0, ...more]);

/** Known once the component is read, so at its deploy. */
const UNLOADABLE: Readonly<Record<string, Unloadable>> = {
  garbage: { make: async () => header(1, 2, 3, 4, 5), told: "it is not valid: " },
  empty: { make: async () => header(), told: "it does not export wasi:http/incoming-handler of WASI 0.2, but nothing" },
  cut: { make: async () => (await makeComponent(GOOD, { data: "good" })).slice(0, 900), told: "it is not valid: " },
  unknown: {
    make: () => buildComponent(UNKNOWN),
    told: 'it imports the interface "acme:shop/basket", which is not there',
  },
  function: {
    make: async () => {
      const added = "get-lucky: func() -> u32;\n    get-random-bytes: func";
      const wit = (await readWit()).replace("get-random-bytes: func", added);
      const lucky = '(module (import "wasi:random/random@0.2.0" "get-lucky" (func $lucky (result i32))) ';
      return buildComponent(componentModule(`(drop (call $lucky)) ${GOOD}`).replace("(module ", lucky), wit);
    },
    told: 'it imports "getLucky" of the interface "wasi:random/random", which is not there',
  },
  idle: { make: () => buildComponent(EXPORTS_NOTHING), told: "it does not export wasi:http/incoming-handler" },
  start: {
    make: () => makeComponent(GOOD, { data: "good", more: "(func $s unreachable) (start $s)" }),
    told: "it cannot be instantiated: Unreachable code",
  },
  huge: {
    make: async () => {
      const text = componentModule(GOOD, { data: "good" }).replace(
        '(memory (export "memory") 2)',
        '(memory (export "memory") 65536)',
      );
      return buildComponent(text);
    },
    told: "it begins with a memory of 4294967296 bytes, over its limit memory_mb = 128",
  },
};

interface Fault {
  readonly body: string;
  readonly told: string;
  readonly code?: string;
}

const HANDLE = "it uses a handle that it does not hold";

/** Known when it runs; the letter is the end of the path. */
const FAILING: Readonly<Record<string, Fault>> = {
  t: { body: "(unreachable)", told: "Unreachable code should not be executed" },
  n: { body: "", told: "it returned without an answer" },
  e: {
    body: `(call $set (local.get $out) (i32.const 1) (i32.const 38) (i32.const 1) (i64.const 1024)
      (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 0))`,
    told: "it answered with the error internal-error: good",
  },
  m: { body: "(drop (i32.load (i32.const -4)))", told: "Out of bounds memory access" },
  h: { body: "(call $say (i32.const 77) (i32.const 0) (i32.const 1) (i32.const 0))", told: HANDLE },
  // Pointers beyond the memory give it nothing.
  o: { body: "(call $say (call $stderr) (i32.const -1) (i32.const 100) (i32.const 0))", told: "without an answer" },
  w: {
    body: "(call $write (call $stderr) (i32.const 0) (i32.const 1) (i32.const 0))",
    told: "write: 1 bytes, over the 0 that check-write gave",
  },
  l: { body: "(call $say (call $stderr) (i32.const 0) (i32.const 5000) (i32.const 0))", told: "5000 bytes, over 4096" },
  p: { body: "(call $poll (i32.const 0) (i32.const 0) (i32.const 16))", told: "poll: there is nothing to wait for" },
  x: { body: "(call $exit (i32.const 1))", told: "exited with code 1" },
  r: { body: "(call $deep)", told: "Maximum call stack size" },
  // The answer is set twice; its body is dropped, left open, and not written to its end.
  "2": {
    body: `(drop (call $begin (local.get $out) (i32.const 200)))
      (call $respond (local.get $out) (call $response (call $fields)))`,
    told: HANDLE,
  },
  d: {
    body: `(local.set $s (call $begin (local.get $out) (i32.const 200)))
      (call $say (local.get $s) (i32.const 1024) (i32.const 4) (i32.const 0))
      (call $out_drop (local.get $s)) (call $body_drop (global.get $body))`,
    told: "its body was dropped before it was finished",
  },
  u: {
    body: `(local.set $s (call $begin (local.get $out) (i32.const 200)))
      (call $say (local.get $s) (i32.const 1024) (i32.const 4) (i32.const 0))`,
    told: "it returned before it had finished its body",
  },
  c: { body: "(loop $l (br $l))", told: "cpu_ms = 500", code: "cpu_limit" },
  g: {
    body: `(loop $l
      (if (i32.ge_s (memory.grow (i32.const 64)) (i32.const 0))
        (then (memory.fill (local.get $a) (i32.const 1) (i32.const 4194304))))
      (local.set $a (i32.add (local.get $a) (i32.const 4194304)))
      (br_if $l (i32.gt_s (memory.size) (i32.const 0))))`,
    told: "memory_mb = 128",
    code: "memory_limit",
  },
};

/** What has been sent is cut off: far more than the 64 KiB that a component may be ahead. */
const CUT = `(local.set $s (call $begin (local.get $out) (i32.const 200)))
  (loop $more
    (call $say (local.get $s) (i32.const 1024) (i32.const 4096) (i32.const 0))
    (br_if $more (i32.lt_u (local.tee $b (i32.add (local.get $b) (i32.const 1))) (i32.const 200))))
  (unreachable)`;

let server: WasmServer;
beforeAll(async () => {
  const bodies = Object.fromEntries(Object.entries(FAILING).map(([letter, { body }]) => [letter, body]));
  const wasm = await makeChoice(
    { ...bodies, k: CUT, "1": GOOD, i: "(call $block (call $after (i64.const 3600000000000)))" },
    { data: "good", more: "(func $deep (call $deep))" },
  );
  server = await startWasmServer(
    { bad: { wasm, toml: "instances = 1\nlimits = { cpu_ms = 500, wall_ms = 5000 }" } },
    '[plans.anonymous]\nrun = "any"',
  );
}, 60_000);
afterAll(() => server[Symbol.asyncDispose]());

const good = async () => (await server.ask("bad", { path: "/1" })).text();

test.each(Object.keys(FAILING))(
  "a component with the fault %s is told so, each time",
  async (letter) => {
    const { told, code = "uncaught_exception" } = FAILING[letter] as Fault;
    for (let count = 0; count < 2; count += 1) {
      const got = await server.ask("bad", { path: `/${letter}` });
      const { error } = (await got.json()) as { error: { code: string; message: string } };
      expect([got.status, error.code]).toEqual([500, code]);
      expect(error.message).toContain(told);
      expect(error.message).not.toContain("evaluating");
    }
    expect(await good()).toBe("good");
  },
  60_000,
);

test("the log says what failed, and no frames of code that is ours", async () => {
  await server.ask("bad", { path: "/c" });
  const { items } = (await (await server.admin("/v1/logs?limit=1000")).json()) as { items: Record<string, string>[] };
  const texts = items.filter(({ kind }) => kind === "error").map(({ text = "" }) => text);
  expect(texts).not.toBeEmpty();
  expect(texts.filter((text) => /\n\s+at /.test(text))).toEqual([]);
});

test("an answer that is not complete never looks so", async () => {
  const got = await server.ask("bad", { path: "/k" });
  expect(got.status).toBe(200);
  const read = got.text().then((text) => `${text.length} characters`);
  expect(await read.catch(() => "cut")).toBe("cut");
  expect(await good()).toBe("good");
});

test("who hangs up ends what waits, and others go on", async () => {
  const hanging = new AbortController();
  const waiting = server.ask("bad", { path: "/i", signal: hanging.signal }).catch(() => "gone");
  expect(await good()).toBe("good");
  hanging.abort();
  expect(await waiting).toBe("gone");
  expect(await good()).toBe("good");
});

test.each(Object.keys(UNLOADABLE))(
  "a deploy of one with the fault %s is refused, and says why",
  async (name) => {
    const { make, told } = UNLOADABLE[name] as Unloadable;
    const bytes = await make();
    const files = [{ path: "main.wasm", contentBase64: Buffer.from(bytes).toString("base64") }];
    const path = functionPath(`deployed-${name}`, "/deploy");
    for (let count = 0; count < 2; count += 1) {
      const { status, body } = await ask(server, "POST", path, { engine: "wasm", entry: "main.wasm", files });
      expect([status, body.error.code]).toEqual([422, "program_invalid"]);
      expect(body.error.message).toContain(told);
    }
  },
  60_000,
);

test("one that is refused when it is sent is told why", async () => {
  const headers = { "content-type": "application/wasm" };
  const got = await fetch(`${server.url}/run`, {
    method: "POST",
    headers,
    body: (await buildComponent(UNKNOWN)) as Uint8Array<ArrayBuffer>,
  });
  const { error } = (await got.json()) as { error: { code: string; message: string } };
  expect([got.status, error.code]).toEqual([500, "uncaught_exception"]);
  expect(error.message).toContain('it imports the interface "acme:shop/basket"');
});
