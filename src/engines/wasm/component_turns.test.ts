/** Components that take long to transpile, sent by one caller, and what others who come meanwhile notice of it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { hashOf } from "../../stdx/hash.ts";
import { makeComponent } from "../../testing/component_rig.ts";
import { ask, functionPath } from "../../testing/control_client.ts";
import { errorOf } from "../../testing/process_rig.ts";
import { startWasmServer, type WasmServer } from "../../testing/wasm_rig.ts";

const ANSWER = "(call $answer (local.get $out) (i32.const 1024) (i32.const 5))";

/** A number as WebAssembly writes it. */
function leb(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)];
}

function section(id: number, contents: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from([id, ...leb(contents.length)]), contents]);
}

/** `component` with a core module behind it whose functions take the transpiler seconds, and another one by its number. */
function slowed(component: Uint8Array, number: number): Uint8Array {
  const functions = 100_000;
  const pad = Buffer.alloc(20, 1);
  const body = Buffer.from([0, ...Array.from(pad).flatMap(() => [0x41, number, 0x1a]), 0x0b]);
  const code = Buffer.concat(Array(functions).fill(Buffer.concat([Buffer.from(leb(body.length)), body])));
  const module = Buffer.concat([
    Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]),
    section(1, Buffer.from([1, 0x60, 0, 0])),
    section(3, Buffer.concat([Buffer.from(leb(functions)), Buffer.alloc(functions)])),
    section(10, Buffer.concat([Buffer.from(leb(functions)), code])),
  ]);
  return Buffer.concat([component, section(1, module)]);
}

let server: WasmServer;
let small: Uint8Array[];
beforeAll(async () => {
  small = await Promise.all(["hello", "again", "third"].map((data) => makeComponent(ANSWER, { data })));
  const key = hashOf("secret");
  const plan = (name: string, wallMs: number) => `[plans.${name}]\nrun = "any"\nwall_ms = ${wallMs}\ncpu_ms = 5000\n`;
  server = await startWasmServer(
    {},
    `${plan("anonymous", 300)}${plan("patient", 60_000)}[[keys]]\nplan = "patient"\nhash = "${key}"\n[[keys]]\nplan = "patient"\nhash = "${hashOf("other")}"\n[pool]\nprewarmed = 1\ndrain_ms = 100\n`,
  );
}, 60_000);
afterAll(() => server[Symbol.asyncDispose]());

const send = (body: Uint8Array, key: string | undefined, signal?: AbortSignal) =>
  fetch(`${server.url}/run`, {
    ...{ method: "POST", body, signal: signal ?? null },
    headers: { "content-type": "application/wasm", ...(key !== undefined && { authorization: `Bearer ${key}` }) },
  });

async function deploy(name: string, wasm: Uint8Array): Promise<number> {
  const files = [{ path: "main.wasm", contentBase64: Buffer.from(wasm).toString("base64") }];
  return (await ask(server, "POST", functionPath(name, "/deploy"), { engine: "wasm", entry: "main.wasm", files }))
    .status;
}

test("who fills the queue with slow components holds up neither deploys nor others with a key", async () => {
  // What transpiles is made with the first component.
  expect(await (await send(small[0] as Uint8Array, "secret")).text()).toBe("hello");
  const leaving = new AbortController();
  const slow = [1, 2, 3, 4].map((each) => send(slowed(small[0] as Uint8Array, each), "secret", leaving.signal));
  let over = 0;
  for (const each of slow) each.then(() => (over += 1)).catch(() => {});
  const others = [
    deploy("meanwhile", small[1] as Uint8Array),
    send(small[2] as Uint8Array, "other").then((answer) => answer.status),
  ];
  expect(await Promise.all(others)).toEqual([200, 200]);
  // They have their turns one after the other, so that the last is not over yet.
  expect(over).toBeLessThan(4);
  leaving.abort();
  await Promise.allSettled(slow);
}, 60_000);

test("the wall limit of one who waits for others ends the wait, by its name", async () => {
  const answers = await Promise.all(
    [11, 12, 13].map(async (each) => errorOf(await send(slowed(small[0] as Uint8Array, each), undefined))),
  );
  const limit = { name: "wallMs", value: 300 };
  for (const answer of answers) expect(answer).toMatchObject({ code: "wall_limit", limit });
  const said = answers.map(({ message }) => message).join("\n");
  expect(said).toContain("it waited for others to be transpiled");
}, 60_000);
