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
let asked: {
  readonly body: Uint8Array;
  readonly cpuMs: number;
  answer(made: string | IsopodError): void;
  readonly signal: AbortSignal;
}[];

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), "isopod-test-")), "components");
  asked = [];
});
afterEach(() => rmSync(join(directory, ".."), { recursive: true, force: true }));

const invoker: Invoker = {
  invoke({ limits: { cpuMs } }, { body, signal }) {
    const { promise, resolve, reject } = Promise.withResolvers<InvocationResponse>();
    const answer = (made: string | IsopodError) => {
      if (made instanceof IsopodError) return reject(made);
      const ended = Promise.resolve({ figures: {} as never });
      resolve({ status: 200, headers: [], body: new TextEncoder().encode(made), script: false, ended });
    };
    signal.addEventListener("abort", () => answer(new IsopodError("client_gone")));
    asked.push({ body: body as Uint8Array, cpuMs, answer, signal });
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

/** Those who send programs without a key, and one by its key. */
const anonymous = (caller: string, cpuMs = 5000) => ({ caller, group: "anonymous", cpuMs });
const keyed = (caller: string, cpuMs = 5000) => ({ caller, group: caller, cpuMs });
/** The number of the component that was asked for at that place. */
const madeAt = (place: number) => asked[place]?.body.at(-1);

test("who deploys never waits behind who sends programs, and gets at once what is queued there", async () => {
  const components = create();
  const sent = [1, 2, 3].map((at) => given(components.prepare(component(at), undefined, keyed(`key ${at}`))));
  await until(2);
  const deployed = given(components.prepare(component(3), undefined, { caller: "shop", group: "shop" }));
  const loaded = given(components.prepare(component(4)));
  await until(4);
  expect([0, 1, 2, 3].map(madeAt)).toEqual([1, 2, 3, 4]);
  for (const place of [2, 3]) asked[place]?.answer("made");
  // What a sender waited for, too, is theirs without a turn.
  expect(await Promise.all([deployed, loaded, sent[2]])).toEqual(["runtime made", "runtime made", "runtime made"]);
  for (const place of [0, 1]) asked[place]?.answer("made");
  await Promise.all(sent);
  expect(asked.length).toBe(4);
});

test("callers without a key hold one of two turns, keys the other, and callers take turns", async () => {
  const components = create();
  const send = (number: number, asker: ReturnType<typeof keyed>) =>
    given(components.prepare(component(number), undefined, asker));
  const all = [
    ...[1, 2, 3].map((each) => send(each, anonymous("greedy"))),
    send(4, anonymous("late")),
    ...[5, 6].map((each) => send(each, keyed("key"))),
  ];
  await until(2);
  for (let place = 0; place < all.length; place += 1) {
    await until(place + 1);
    expect(asked.length - place).toBeLessThanOrEqual(2);
    asked[place]?.answer("made");
  }
  await Promise.all(all);
  const order = [0, 1, 2, 3, 4, 5].map((place) => Number(madeAt(place)));
  expect(order.filter((each) => each <= 4)).toEqual([1, 4, 2, 3]);
  expect(order.filter((each) => each >= 5)).toEqual([5, 6]);
  expect(order.indexOf(5)).toBe(1);
});

test("all callers without a key together leave room for others to wait", async () => {
  const components = create();
  const crowd = Array.from({ length: 33 }, (_, at) =>
    given(components.prepare(component(1, at), undefined, anonymous(`address ${at}`))),
  );
  await until(1);
  const more = components.prepare(component(2), undefined, anonymous("one more"));
  expect(await more.catch(({ code }) => code)).toBe("overloaded");
  const others = [3, 4].map((each) => given(components.prepare(component(each), undefined, keyed("key"))));
  for (let place = 0; place < 35; place += 1) {
    await until(place + 1);
    asked[place]?.answer("made");
  }
  expect(new Set(await Promise.all([...crowd, ...others]))).toEqual(new Set(["runtime made"]));
});

test("one sender has a few waiting; a project holds one of the turns of who deploys", async () => {
  const components = create();
  const greedy = Array.from({ length: 9 }, (_, at) =>
    given(components.prepare(component(at), undefined, keyed("key"))),
  );
  await until(1);
  const tenth = components.prepare(component(9), undefined, keyed("key"));
  expect(await tenth.catch(({ code }) => code)).toBe("overloaded");
  const shop = { caller: "shop", group: "shop" };
  const deployed = [20, 21].map((each) => given(components.prepare(component(each), undefined, shop)));
  await until(2);
  const other = given(components.prepare(component(22), undefined, { caller: "other", group: "other" }));
  await until(3);
  expect([1, 2].map(madeAt)).toEqual([20, 22]);
  for (let place = 0; place < 12; place += 1) {
    await until(place + 1);
    asked[place]?.answer("made");
  }
  await Promise.all([...greedy, ...deployed, other]);
});

test("the wall limit of one who waits ends the wait, by its name, and gives the place up", async () => {
  const components = create();
  const first = given(components.prepare(component(1), undefined, keyed("key")));
  await until(1);
  const ending = new AbortController();
  const queued = components.prepare(component(2), ending.signal, keyed("key")).catch((error) => error);
  const joined = components.prepare(component(1), ending.signal, keyed("other")).catch((error) => error);
  // Both look for what is kept before they wait.
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  ending.abort(new IsopodError("wall_limit", { limit: { name: "wallMs", value: 70 } }));
  for (const [told, doing] of [
    [queued, "waited for others"],
    [joined, "takes longer"],
  ] as const) {
    const error = await told;
    expect([error.code, error.details.limit]).toEqual(["wall_limit", { name: "wallMs", value: 70 }]);
    expect(error.message).toContain("wallMs = 70");
    expect(error.message).toContain(doing);
  }
  asked[0]?.answer("made");
  await first;
  const third = given(components.prepare(component(3), undefined, keyed("key")));
  await until(2);
  expect(madeAt(1)).toBe(3);
  asked[1]?.answer("made");
  await third;
});

test("transpiling has the processor time of its sender's plan, and one with more tries again", async () => {
  const components = create();
  const deploy = components.prepare(component(1));
  const times = [100, 20_000, 900_000].map((cpuMs, at) =>
    components.prepare(component(2 + at), undefined, keyed(`key ${at}`, cpuMs)),
  );
  await until(3);
  const over = () => new IsopodError("cpu_limit", { limit: { name: "cpuMs", value: 5000 } });
  const patient = given(components.prepare(component(2), undefined, keyed("patient", 30_000)));
  for (const place of [0, 1, 2]) asked[place]?.answer(place === 1 ? over() : "made");
  expect(await times[0]?.catch(({ code, message }) => `${code}: ${message}`)).toBe(
    "cpu_limit: Cannot load component: transpiling it takes more processor time than 5000 ms (a.wasm)",
  );
  await until(5);
  for (const place of [3, 4]) asked[place]?.answer("made");
  expect(await patient).toBe("runtime made");
  await Promise.all([deploy, ...times.slice(1)]);
  const limits = asked.map(({ cpuMs, body }) => [body.at(-1), cpuMs]);
  expect(limits).toEqual([[1, 60_000], [2, 5000], [3, 20_000], ...limits.slice(3)]);
  expect(new Map(limits.slice(3) as [number, number][])).toEqual(
    new Map([
      [4, 60_000],
      [2, 30_000],
    ]),
  );
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
