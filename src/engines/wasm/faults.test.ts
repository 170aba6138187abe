/** Modules that are broken or mean harm: each is named for what it did, and the next invocation finds nothing of it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { ask, functionPath } from "../../testing/control_client.ts";
import { logsOf } from "../../testing/log_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";
import {
  FILLS_MEMORY,
  handleModule,
  startWasmServer,
  type WasmFunction,
  type WasmServer,
} from "../../testing/wasm_rig.ts";
import { compileWat } from "../../testing/wat.ts";

const HEAD = [0, 0x61, 0x73, 0x6d];
const bytes = (...more: number[]) => ({ wasm: new Uint8Array([...HEAD, ...more]) });
const LIMITS = "limits = { cpu_ms = 300 }";

interface Fault extends WasmFunction {
  /** What its callers are told. */
  readonly told: string;
  /** The error's code, where it is not that of a program that threw. */
  readonly code?: string;
  /** Its limits in a deploy. */
  readonly limits?: object;
}

/** Known once the module is read, so at its deploy. */
const UNLOADABLE: Readonly<Record<string, Fault>> = {
  garbage: { ...bytes(1, 0, 0, 0, 255, 1, 2, 3), told: "it is not valid: WebAssembly.Module doesn't parse at byte 8" },
  short: { ...bytes(), told: "it is not valid" },
  text: { wasm: new TextEncoder().encode("export default 1"), told: "it is not valid" },
  export: { wat: '(module (func (export "other")))', told: 'no function "handle" among its exports: other' },
  global: { wat: '(module (global (export "handle") i32 (i32.const 1)))', told: 'no function "handle"' },
  import: {
    wat: '(module (import "env" "open" (func)) (func (export "handle")))',
    told: 'it imports the function "env.open"; there are env.memory, log,',
  },
  table: {
    wat: '(module (import "env" "memory" (table 1 funcref)) (func (export "handle")))',
    told: 'it imports the table "env.memory"',
  },
  homeless: {
    wat: '(module (import "env" "log" (func (param i32 i64))) (func (export "handle")))',
    told: "it neither imports nor exports a memory",
  },
  huge: {
    wat: '(module (import "env" "memory" (memory 65536)) (func (export "handle")))',
    told: "it begins with a memory of 4294967296 bytes, over its limit memory_mb = 128",
  },
  own: { wat: '(module (memory 65536) (func (export "handle")))', told: "a memory of 4294967296 bytes" },
  wide: { wat: '(module (memory i64 1) (func (export "handle")))', told: "Memory64 is not enabled" },
  parameters: { wat: '(module (func (export "handle") (param i32)))', told: 'its export "handle" has parameters' },
  results: {
    wat: '(module (func (export "handle") (result i64) (i64.const 1)))',
    told: 'its export "handle" has parameters or results: it is () -> i64',
  },
  signature: {
    wat: '(module (import "env" "log" (func (param i32 i32))) (memory (export "memory") 1) (func (export "handle")))',
    told: 'it imports "env.log" as (i32, i32), and it is (i32, i64)',
  },
  wasi: {
    wat: '(module (import "wasi_snapshot_preview1" "fd_fly" (func)) (memory (export "memory") 1) (func (export "_start")))',
    told: 'it imports the function "wasi_snapshot_preview1.fd_fly"',
  },
  unstarted: {
    wat: '(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) (memory (export "memory") 1))',
    told: 'has no function "_start"',
  },
  start: {
    wat: '(module (func $s unreachable) (start $s) (func (export "handle")))',
    told: "it does not start: Unreachable code should not be executed",
  },
  data: {
    wat: '(module (memory 1) (data (i32.const 65530) "too long") (func (export "handle")))',
    told: "it does not start: Invalid data segment initialization",
  },
  tables: { wat: '(module (table 100000000 funcref) (func (export "handle")))', told: "couldn't create Table" },
  looping: {
    wat: '(module (func $s (loop $l (br $l))) (start $s) (func (export "handle")))',
    ...{ toml: LIMITS, limits: { cpuMs: 300 }, told: "cpu_ms = 300" },
  },
};

/** Known when it runs. */
const FAILING: Readonly<Record<string, Fault>> = {
  trap: { wat: handleModule("unreachable"), told: "RuntimeError: Unreachable code should not be executed" },
  bounds: { wat: handleModule("(drop (i32.load (i32.const 65536)))"), told: "Out of bounds memory access" },
  divide: { wat: handleModule("(drop (i32.div_u (i32.const 1) (i32.const 0)))"), told: "Division by zero" },
  recursion: { wat: handleModule("(call $r)", { more: "(func $r (call $r))" }), told: "Maximum call stack size" },
  loop: { wat: handleModule("(loop $l (br $l))"), toml: LIMITS, told: "cpu_ms = 300", code: "cpu_limit" },
  growth: {
    wat: handleModule("(loop $l (drop (memory.grow (i32.const 1))) (br $l))", { memory: "1 64" }),
    ...{ toml: LIMITS, told: "cpu_ms = 300", code: "cpu_limit" },
  },
  filling: {
    wat: handleModule(FILLS_MEMORY),
    ...{ toml: "limits = { memory_mb = 64 }", told: "memory_mb = 64", code: "memory_limit" },
  },
  end: {
    wat: handleModule("(call $body (i32.const 65530) (i64.const 100))"),
    told: "response_set_body: pointer 65530 and size 100 lie outside the memory of 65536 bytes",
  },
  negative: {
    wat: handleModule("(call $body (i32.const -1) (i64.const -1))"),
    told: "response_set_body: pointer 4294967295 and size -1 lie outside",
  },
  unsafe: {
    wat: handleModule("(call $body (i32.const 0) (i64.const 9007199254740993))"),
    told: "size 9007199254740993 lie outside",
  },
  largest: {
    wat: handleModule("(call $log (i32.const 0) (i64.const 0x7fffffffffffffff))"),
    told: "log: pointer 0 and size 9223372036854775807 lie outside",
  },
  target: {
    wat: handleModule("(drop (call $method (i32.const 65536) (i64.const 1)))"),
    told: "request_method: pointer 65536 and size 1 lie outside",
  },
  received: {
    wat: handleModule(
      "(drop (call $request_header (i32.const 0) (i64.const 4) (i32.const 0) (i64.const 0x100000000)))",
    ),
    told: "request_header: pointer 0 and size 4294967296 lie outside",
  },
  status: {
    wat: handleModule("(call $status (i32.const 199) (i32.const 0) (i64.const 0))"),
    told: "response_set_status_line: 199 is no status",
  },
  split: {
    wat: handleModule("(call $header (i32.const 0) (i64.const 1) (i32.const 1) (i64.const 5))", { data: "aa\\r\\nb:" }),
    told: 'response_set_header: "a: a\\r\\nb:" is no header',
  },
};

const GOOD = handleModule("(call $body (i32.const 0) (i64.const 4))", { data: "good" });
/** Traps when there is a body, after it has written to its memory. */
const MOODY = handleModule(
  `(if (i64.gt_s (call $request_body (i32.const 100) (i64.const 8)) (i64.const 0))
     (then (i32.store (i32.const 0) (i32.const 0)) (unreachable)))
   (call $body (i32.const 0) (i64.const 4))`,
  { data: "good" },
);

let server: WasmServer;
let reloaded: TestServer;
beforeAll(async () => {
  const more = { good: { wat: GOOD }, moody: { wat: MOODY, toml: "instances = 1" } };
  server = await startWasmServer({ ...FAILING, ...more }, '[plans.anonymous]\nrun = "any"\ncpu_ms = 2000');
  const f = '[[functions]]\nname = "f"\npath = "./good.wasm"\nroutes = ["GET /f"]\n';
  reloaded = await startTestServer({ files: { "good.wasm": await compileWat(GOOD) }, config: f });
});
afterAll(() => Promise.all([server, reloaded].map((each) => each[Symbol.asyncDispose]())));

test.each(Object.keys(FAILING))("a module with the fault %s is told so, each time", async (name) => {
  const { told, code = "uncaught_exception" } = FAILING[name] as Fault;
  for (let count = 0; count < 2; count += 1) {
    const got = await server.ask(name);
    const { error } = (await got.json()) as { error: { code: string; message: string } };
    expect([got.status, error.code]).toEqual([500, code]);
    expect(error.message).toContain(told);
    expect(error.message).not.toContain("evaluating");
  }
  expect(await (await server.ask("good")).text()).toBe("good");
});

test("the log says what failed, and no frames of code that is ours", async () => {
  expect((await server.runModule("(module)")).status).toBe(500);
  await server.ask("trap");
  const { items } = (await (await server.admin("/v1/logs?limit=1000")).json()) as { items: Record<string, string>[] };
  const texts = items.filter(({ kind }) => kind === "error").map(({ text = "" }) => text);
  expect(texts.some((text) => text.startsWith("TypeError: Cannot load module: it has no function"))).toBeTrue();
  expect(texts).toContain("RuntimeError: Unreachable code should not be executed");
  expect(texts.filter((text) => /\n\s+at /.test(text))).toEqual([]);
});

const moduleOf = async ({ wat, wasm }: Fault) => wasm ?? (await compileWat(wat ?? ""));

test.each(Object.keys(UNLOADABLE))("a deploy of one with the fault %s is refused", async (name) => {
  const fault = UNLOADABLE[name] as Fault;
  const files = [{ path: "main.wasm", contentBase64: Buffer.from(await moduleOf(fault)).toString("base64") }];
  const settings = { limits: fault.limits };
  const path = functionPath(`deployed-${name}`, "/deploy");
  const { status, body } = await ask(server, "POST", path, { engine: "wasm", entry: "main.wasm", files, settings });
  expect([status, body.error.code]).toEqual([422, "program_invalid"]);
  expect(body.error.message).toContain(fault.told);
  expect(await (await server.ask("good")).text()).toBe("good");
});

test.each(Object.keys(UNLOADABLE))(
  "a configuration with the fault %s is refused, and the one before stays",
  async (name) => {
    const fault = UNLOADABLE[name] as Fault;
    await Bun.write(join(reloaded.directory, "new.wasm"), await moduleOf(fault));
    const entry = (file: string) =>
      `[[functions]]\nname = "f"\npath = "./${file}.wasm"\nroutes = ["GET /f"]\n${file === "new" ? (fault.toml ?? "") : ""}\n`;
    await expect(reloaded.reload(entry("new"))).rejects.toThrow(fault.told);
    expect(await (await fetch(`${reloaded.url}/f`)).text()).toBe("good");
  },
);

test("a server does not start with a module that cannot be loaded", async () => {
  const files = { "f.wasm": await moduleOf(UNLOADABLE["start"] as Fault) };
  const config = '[[functions]]\nname = "f"\npath = "./f.wasm"\n';
  await expect(startTestServer({ files, config })).rejects.toThrow(
    'Cannot load function "f": TypeError: Cannot load module: it does not start: Unreachable code',
  );
});

test("one that is sent is told the same", async () => {
  for (const name of ["start", "parameters", "signature", "huge", "looping"]) {
    const fault = UNLOADABLE[name] as Fault;
    const got = await fetch(`${server.url}/run`, {
      ...{ method: "POST", headers: { "content-type": "application/wasm" }, body: await moduleOf(fault) },
    });
    const { error } = (await got.json()) as { error: { message: string } };
    expect([name, got.ok, error.message]).toEqual([
      name,
      false,
      expect.stringContaining(fault.told.replace("it does not start: ", "").replace("300", "2000")),
    ]);
  }
});

test("a trap's message is in the log", async () => {
  const lines = (await logsOf(server, await server.ask("trap"))).flatMap((item) =>
    item.kind === "error" ? [item.text] : [],
  );
  expect(lines.join()).toContain("Unreachable code should not be executed");
});

test("what traps in an instance leaves its neighbours there alone", async () => {
  const answers = await Promise.all(
    Array.from({ length: 60 }, async (_, at) => {
      const got = await server.ask("moody", at % 2 === 0 ? {} : { method: "POST", body: "trap" });
      return `${at % 2} ${got.status} ${got.ok ? await got.text() : ""}`;
    }),
  );
  expect(new Set(answers)).toEqual(new Set(["0 200 good", "1 500 "]));
});
