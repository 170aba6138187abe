/** Components are transpiled once, whoever asks; what is made is kept, and what is refused is remembered. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IsopodError } from "../core/errors.ts";
import type { InvocationResponse, Invoker } from "../core/invocation.ts";
import type { WasmProgram } from "../core/wasm_program.ts";
import { hashOf } from "../stdx/hash.ts";
import { decodeParcel } from "../wire/parcels.ts";
import { Components } from "./components.ts";

let directory: string;
/** What was asked of the invoker, each to be answered by the test. */
let asked: { readonly body: Uint8Array; answer(made: string | IsopodError): void; readonly signal: AbortSignal }[];

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), "isopod-test-")), "components");
  asked = [];
});
afterEach(() => rmSync(join(directory, ".."), { recursive: true, force: true }));

const invoker: Invoker = {
  invoke(_target, { body, signal }) {
    const { promise, resolve, reject } = Promise.withResolvers<InvocationResponse>();
    const answer = (made: string | IsopodError) => {
      if (made instanceof IsopodError) return reject(made);
      const ended = Promise.resolve({ figures: {} as never });
      resolve({ status: 200, headers: [], body: new TextEncoder().encode(made), script: false, ended });
    };
    signal.addEventListener("abort", () => answer(new IsopodError("client_gone")));
    asked.push({ body: body as Uint8Array, answer, signal });
    return promise;
  },
};

const create = (transpiler = "transpiler") =>
  new Components({ invoker, directory, transpiler: () => transpiler, runtime: () => "runtime" });

function component(...more: number[]): WasmProgram {
  const bytes = new Uint8Array([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0, ...more]);
  return { kind: "wasm", name: "a.wasm", bytes, hash: hashOf(bytes) };
}

/** What a guest is given. */
async function given(prepared: Promise<WasmProgram>): Promise<string> {
  const { json, bytes } = decodeParcel((await prepared).bytes);
  return `${json} ${new TextDecoder().decode(bytes)}`;
}

/** Until so many have been asked for. */
async function until(count: number): Promise<void> {
  while (asked.length < count) await new Promise((resolve) => setImmediate(resolve));
}

test("a module stays what it is", async () => {
  const bytes = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  const module: WasmProgram = { kind: "wasm", name: "a.wasm", bytes, hash: hashOf(bytes) };
  expect(await create().prepare(module)).toBe(module);
});

test("one that many ask for is made once, and kept for the next server", async () => {
  const components = create();
  const all = [1, 2, 3].map(() => given(components.prepare(component())));
  await until(1);
  asked[0]?.answer("made");
  expect(await Promise.all(all)).toEqual(Array.from({ length: 3 }, () => "runtime made"));
  expect(await given(create().prepare(component()))).toBe("runtime made");
  expect(asked.length).toBe(1);
  // Another transpiler makes it anew.
  const again = given(create("other").prepare(component()));
  await until(2);
  asked[1]?.answer("made anew");
  expect(await again).toBe("runtime made anew");
  expect(readdirSync(directory).length).toBe(2);
});

test("what is refused is remembered, and told each in its own name", async () => {
  const components = create();
  const first = components.prepare(component(1));
  await until(1);
  asked[0]?.answer(new IsopodError("uncaught_exception", { message: "it is not valid" }));
  expect(await first.catch(String)).toContain("it is not valid (a.wasm)");
  const second = components.prepare({ ...component(1), name: "b.wasm" });
  expect(await second.catch(String)).toContain("it is not valid (b.wasm)");
  expect(asked.length).toBe(1);
});

test("what failed for another reason is tried again", async () => {
  const components = create();
  const first = components.prepare(component(2));
  await until(1);
  asked[0]?.answer(new IsopodError("overloaded"));
  expect(await first.catch(({ code }) => code)).toBe("overloaded");
  const second = given(components.prepare(component(2)));
  await until(2);
  asked[1]?.answer("made");
  expect(await second).toBe("runtime made");
});

test("two are made at a time, some wait, and more are refused; who hangs up does not end it for others", async () => {
  const components = create();
  const hanging = new AbortController();
  const left = components.prepare(component(0), hanging.signal).catch(({ code }) => code);
  const stays = given(components.prepare(component(0)));
  const others = Array.from({ length: 65 }, (_, at) => given(components.prepare(component(1, at))));
  await until(2);
  expect(await components.prepare(component(9)).catch(({ code }) => code)).toBe("overloaded");
  hanging.abort();
  expect(await left).toBe("client_gone");
  for (let at = 0; at < 66; at += 1) {
    await until(at + 1);
    expect(asked.length - at).toBeLessThanOrEqual(2);
    asked[at]?.answer("made");
  }
  expect(await stays).toBe("runtime made");
  expect(new Set(await Promise.all(others))).toEqual(new Set(["runtime made"]));
});

test("closing ends what is being made", async () => {
  const components = create();
  const making = components.prepare(component(3)).catch(({ code }) => code);
  await until(1);
  await components.close();
  expect(asked[0]?.signal.aborted).toBe(true);
  expect(await making).toBe("client_gone");
});

test("what is larger than a guest can be given is refused, and what is kept is bounded", async () => {
  const components = create();
  const large = { ...component(), bytes: new Uint8Array(20 * 1024 * 1024 + 1) };
  large.bytes.set(component().bytes);
  expect(await components.prepare(large).catch(({ code }) => code)).toBe("code_too_large");
  const first = components.prepare(component(4));
  await until(1);
  asked[0]?.answer("made");
  await first;
  // A sparse file that was used an hour ago takes all the room there is.
  const old = join(directory, "old");
  writeFileSync(old, "");
  Bun.spawnSync(["truncate", "-s", "600M", old]);
  Bun.spawnSync(["touch", "-d", "1 hour ago", old]);
  const second = components.prepare(component(5));
  await until(2);
  asked[1]?.answer("made");
  await second;
  expect(readdirSync(directory).length).toBe(2);
});
