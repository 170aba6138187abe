/** Modules of the `handle` ABI, through a real server and a real sandbox. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { handleModule, startWasmServer, type WasmServer } from "../../testing/wasm_rig.ts";

const HELLO = readFileSync(join(import.meta.dir, "../../../examples/wasm/hello.wat"), "utf8");

/** Answers with the i64 that `call` leaves, as eight bytes at 1000, and what it wrote from 1008 on. */
const told = (call: string, bytes = 64): string =>
  `(i64.store (i32.const 1000) ${call}) (call $body (i32.const 1000) (i64.const ${8 + bytes}))`;

let server: WasmServer;
beforeAll(async () => {
  server = await startWasmServer(
    {
      hello: { wat: HELLO, toml: 'export = "hello"' },
      greet: { wat: HELLO, toml: 'export = "greet"' },
      nothing: { wat: '(module (func (export "handle")))' },
      own: {
        wat: `(module
          (import "env" "response_set_body" (func $body (param i32 i64)))
          (memory (export "memory") 1) (data (i32.const 8) "my own")
          (func (export "handle") (call $body (i32.const 8) (i64.const 6))))`,
      },
      counter: {
        wat: handleModule(
          "(i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1))) (call $body (i32.const 0) (i64.const 4))",
        ),
      },
      last: {
        wat: handleModule(
          `(call $body (i32.const 0) (i64.const 1)) (call $status (i32.const 404) (i32.const 0) (i64.const 0))
           (call $header (i32.const 4) (i64.const 3) (i32.const 0) (i64.const 1)) (call $header (i32.const 4) (i64.const 3) (i32.const 1) (i64.const 1))
           (call $status (i32.const 201) (i32.const 0) (i64.const 0)) (call $body (i32.const 1) (i64.const 2))`,
          { data: "abcdx-a" },
        ),
      },
      method: { wat: handleModule(told("(call $method (i32.const 1008) (i64.const 64))")) },
      url: { wat: handleModule(told("(call $url (i32.const 1008) (i64.const 64))")) },
      header: {
        wat: handleModule(told("(call $request_header (i32.const 0) (i64.const 6) (i32.const 1008) (i64.const 64))"), {
          data: "x-test",
        }),
      },
      body: {
        wat: handleModule(
          `(local $size i64) (local.set $size (call $request_body (i32.const 0) (i64.const 0)))
           (drop (memory.grow (i32.add (i32.wrap_i64 (i64.div_u (local.get $size) (i64.const 65536))) (i32.const 1))))
           (drop (call $request_body (i32.const 0) (local.get $size))) (call $body (i32.const 0) (local.get $size))`,
        ),
      },
      variable: {
        wat: handleModule(told("(call $db_get (i32.const 0) (i64.const 12) (i32.const 1008) (i64.const 5))", 16), {
          data: "/env/backend",
        }),
        toml: 'env = { "/env/backend" = "there" }',
      },
      short: {
        wat: handleModule(told("(call $db_get (i32.const 0) (i64.const 12) (i32.const 1008) (i64.const 4))", 16), {
          data: "/env/backend",
        }),
        toml: 'env = { "/env/backend" = "there" }',
      },
      missing: { wat: handleModule(told("(call $db_get (i32.const 0) (i64.const 4) (i32.const 1008) (i64.const 8))")) },
      kv: {
        wat: handleModule(told("(call $db_get (i32.const 0) (i64.const 5) (i32.const 1008) (i64.const 64))"), {
          data: "color",
        }),
        toml: 'bindings = { DB = { type = "kv", name = "things" } }',
      },
    },
    '[plans.anonymous]\nrun = "any"\nbindings = { KV = { type = "kv", name = "things" } }',
  );
});
afterAll(() => server[Symbol.asyncDispose]());

async function told8(name: string, init?: RequestInit & { readonly path?: string }): Promise<[bigint, string]> {
  const bytes = await (await server.ask(name, init)).bytes();
  const text = new TextDecoder().decode(bytes.subarray(8)).replace(/\0+$/, "");
  return [new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(0, true), text];
}

describe("an answer", () => {
  test("comes of one module by two exports", async () => {
    const [hello, greet] = await Promise.all([server.ask("hello"), server.ask("greet")]);
    expect([hello.status, hello.headers.get("content-type")]).toEqual([200, "text/plain; charset=utf-8"]);
    expect(await hello.text()).toBe("hello world");
    expect(await greet.text()).toBe("Grüße aus Zürich, à bientôt!\n");
  });

  test("is 200 and empty where nothing is set, and what was set last where something is", async () => {
    const nothing = await server.ask("nothing");
    expect([nothing.status, await nothing.text()]).toEqual([200, ""]);
    const last = await server.ask("last");
    expect([last.status, last.headers.get("x-a"), await last.text()]).toEqual([201, "b", "bc"]);
  });

  test("comes from a memory that the module has itself", async () => {
    expect(await (await server.ask("own")).text()).toBe("my own");
  });

  test("comes of a module that is sent", async () => {
    const wat = handleModule("(call $body (i32.const 0) (i64.const 4))", { data: "sent" });
    expect(await (await server.runModule(wat)).text()).toBe("sent");
  });

  test("never shows what an earlier invocation left in memory", async () => {
    for (let count = 0; count < 20; count += 1) {
      expect(await (await server.ask("counter")).bytes()).toEqual(new Uint8Array([1, 0, 0, 0]));
    }
    const many = await Promise.all(Array.from({ length: 60 }, () => server.ask("counter").then((got) => got.bytes())));
    expect(new Set(many.map(String))).toEqual(new Set(["1,0,0,0"]));
  });
});

describe("a module reads", () => {
  test("the method, the url, and headers", async () => {
    expect(await told8("method", { method: "PUT" })).toEqual([3n, "PUT"]);
    const url = `${server.url}/url/a%20b?c=d`;
    expect(await told8("url", { path: "/a%20b?c=d" })).toEqual([BigInt(url.length), url]);
    expect(await told8("header", { headers: { "X-Test": "value" } })).toEqual([5n, "value"]);
    expect(await told8("header")).toEqual([-1n, ""]);
  });

  test("the body, whole, also a long one", async () => {
    for (const text of ["", "short", "x".repeat(1_000_000)]) {
      const got = await server.ask("body", { method: "POST", body: text });
      expect((await got.text()) === text).toBe(true);
    }
    expect(await (await server.ask("body")).text()).toBe("");
  });

  test("variables by db_get, copied only where there is room for all", async () => {
    expect(await told8("variable")).toEqual([5n, "there"]);
    expect(await told8("short")).toEqual([5n, ""]);
    expect(await told8("missing")).toEqual([-1n, ""]);
  });

  test("its KV binding by db_get", async () => {
    expect(await told8("kv")).toEqual([-1n, ""]);
    await (
      await server.run('export default async (r, env) => Response.json(await env.KV.put("color", "grün"))')
    ).text();
    expect(await told8("kv")).toEqual([5n, "grün"]);
  });
});
