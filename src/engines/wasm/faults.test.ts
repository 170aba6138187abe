/** Modules that are broken or mean harm: each is named for what it did, and the next invocation finds nothing of it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { ask, functionPath } from "../../testing/control_client.ts";
import { handleModule, startWasmServer, type WasmFunction, type WasmServer } from "../../testing/wasm_rig.ts";
import { compileWat } from "../../testing/wat.ts";

const HEAD = [0, 0x61, 0x73, 0x6d];
const bytes = (...more: number[]) => ({ wasm: new Uint8Array([...HEAD, ...more]) });
const LIMITS = "limits = { cpu_ms = 300 }";

interface Fault extends WasmFunction {
  /** What its callers are told. */
  readonly told: string;
  /** The error's code, where it is not that of a program that threw. */
  readonly code?: string;
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
};

/** Known when it runs. */
const FAILING: Readonly<Record<string, Fault>> = {
  parameters: { wat: '(module (func (export "handle") (param i32)))', told: 'its export "handle" has parameters' },
  start: { wat: '(module (func $s unreachable) (start $s) (func (export "handle")))', told: "Unreachable code" },
  tables: { wat: '(module (table 100000000 funcref) (func (export "handle")))', told: "couldn't create Table" },
  trap: { wat: handleModule("unreachable"), told: "RuntimeError: Unreachable code should not be executed" },
  bounds: { wat: handleModule("(drop (i32.load (i32.const 65536)))"), told: "Out of bounds memory access" },
  divide: { wat: handleModule("(drop (i32.div_u (i32.const 1) (i32.const 0)))"), told: "Division by zero" },
  recursion: { wat: handleModule("(call $r)", { more: "(func $r (call $r))" }), told: "Maximum call stack size" },
  loop: { wat: handleModule("(loop $l (br $l))"), toml: LIMITS, told: "cpu_ms = 300", code: "cpu_limit" },
  growth: {
    wat: handleModule("(loop $l (drop (memory.grow (i32.const 64))) (br $l))"),
    ...{ toml: LIMITS, told: "cpu_ms = 300", code: "cpu_limit" },
  },
  filling: {
    wat: handleModule(
      `(local $at i32)
       (loop $l
         (if (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0))
           (then (memory.fill (local.get $at) (i32.const 1) (i32.const 1048576))))
         (local.set $at (i32.and (i32.add (local.get $at) (i32.const 1048576)) (i32.const 0x3ffffff)))
         (br $l))`,
    ),
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
beforeAll(async () => {
  const more = { good: { wat: GOOD }, moody: { wat: MOODY, toml: "instances = 1" } };
  server = await startWasmServer({ ...UNLOADABLE, ...FAILING, ...more }, '[plans.anonymous]\nrun = "any"');
});
afterAll(() => server[Symbol.asyncDispose]());

const faults = { ...UNLOADABLE, ...FAILING };

test.each(Object.keys(faults))("a module with the fault %s is told so, each time", async (name) => {
  const { told, code = "uncaught_exception" } = faults[name] as Fault;
  for (let count = 0; count < 2; count += 1) {
    const got = await server.ask(name);
    const { error } = (await got.json()) as { error: { code: string; message: string } };
    expect([got.status, error.code]).toEqual([500, code]);
    expect(error.message).toContain(told);
    expect(error.message).not.toContain("evaluating");
  }
  expect(await (await server.ask("good")).text()).toBe("good");
});

test.each(Object.keys(UNLOADABLE))("a deploy of one with the fault %s is refused", async (name) => {
  const { wat, wasm, told } = UNLOADABLE[name] as Fault;
  const module = wasm ?? (await compileWat(wat ?? ""));
  const files = [{ path: "main.wasm", contentBase64: Buffer.from(module).toString("base64") }];
  const path = functionPath(`deployed-${name}`, "/deploy");
  const { status, body } = await ask(server, "POST", path, { engine: "wasm", entry: "main.wasm", files });
  expect([status, body.error.code]).toEqual([422, "program_invalid"]);
  expect(body.error.message).toContain(told);
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
