/** What functions hand to one another arrives as it was, and what is no value is refused. */
import { expect, test } from "bun:test";
import { seededRandom } from "../testing/seeded_random.ts";
import { decodeTagged, encodeTagged } from "./tagged.ts";

const through = (value: unknown) => decodeTagged(encodeTagged(value));

test("JSON stands as it is", () => {
  expect(encodeTagged({ a: [1, "x", null, true] })).toBe('{"a":[1,"x",null,true]}');
});

test("what JSON lacks arrives as it was", () => {
  const values = [
    undefined,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    -0,
    2n ** 80n,
    new Date(0),
    new Uint8Array([0, 255]),
  ];
  for (const value of values) expect(through(value)).toEqual(value);
  expect(through(new Map([[new Set([1]), { a: undefined }]]))).toEqual(new Map([[new Set([1]), { a: undefined }]]));
  expect(through(new Uint8Array([7]).buffer)).toBeInstanceOf(ArrayBuffer);
  expect(Number.isNaN((through(new Date(Number.NaN)) as Date).getTime())).toBe(true);
  // biome-ignore lint/suspicious/noSparseArray: a hole is what is tested
  expect(through([1, , 2])).toEqual([1, undefined, 2]);
  expect(through(Object.create(null, { a: { value: 1, enumerable: true } }))).toEqual({ a: 1 });
});

test("errors keep name, message and code, and are of their type where the language has it", () => {
  const error = through(Object.assign(new TypeError("no"), { code: "E" })) as Error & { code: string };
  expect(error).toBeInstanceOf(TypeError);
  expect([error.name, error.message, error.code]).toEqual(["TypeError", "no", "E"]);
  const own = through(Object.assign(new Error("mine"), { name: "CartError", code: 7 })) as typeof error;
  expect([own.name, own.message, own.code as unknown]).toEqual(["CartError", "mine", 7]);
  for (const name of ["Object", "Function", "__proto__", "AggregateError"]) {
    const made = decodeTagged(JSON.stringify({ $: "error", v: { name, message: "m", code: {} } }));
    expect(made).toBeInstanceOf(Error);
    expect(made).not.toHaveProperty("code");
  }
});

test("views of bytes arrive as what they were, and bring no more than they show", () => {
  const views = [
    ...[new Float32Array([0.5, -1]), new Int16Array([-3]), new BigUint64Array([2n ** 63n]), new Uint8ClampedArray(2)],
    ...[new Float64Array(), new DataView(new Uint8Array([1, 2, 3]).buffer, 1), new Float16Array([1.5])],
  ];
  for (const view of views) {
    const got = through(view) as DataView;
    expect(got.constructor).toBe(view.constructor);
    expect(new Uint8Array(got.buffer)).toEqual(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  }
  const part = through(Buffer.from("abcdef").subarray(2, 4)) as Uint8Array;
  expect([part.constructor, part.buffer.byteLength]).toEqual([Uint8Array, 2]);
});

test("an object that looks tagged is an object", () => {
  const values = [{ $: "date", v: 5 }, { $: { $: "undefined" } }, [{ $: 1, a: { $: 2 } }]];
  for (const value of values) expect(through(value)).toEqual(value);
});

test("no key reaches a prototype, sent or made", () => {
  const made = through(JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')) as object;
  expect(Object.getPrototypeOf(made)).toBe(Object.prototype);
  expect(Object.hasOwn(made, "__proto__")).toBe(true);
  expect(decodeTagged('{"$":"object","v":[["__proto__",{"x":1}]]}')).not.toHaveProperty("x");
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

test("what cannot be sent is refused and named", () => {
  const values = [() => 1, Symbol("s"), new ReadableStream(), new Response(), Promise.resolve(), new Headers()];
  const more = [/x/, new URL("http://x/"), new WeakMap(), new Proxy(() => {}, {}), (function* () {})(), new Blob()];
  for (const value of [...values, ...more]) {
    expect(() => encodeTagged({ deep: [value] })).toThrow(/^Cannot send a \w+ to another function: expected data$/);
  }
  expect(() => encodeTagged(new URL("http://x/"))).toThrow("Cannot send a URL to");
});

test("what refers to itself is refused at once, however often it does; what stands in two places is no circle", () => {
  const circle: Record<string, unknown> = {};
  for (let at = 0; at < 50; at += 1) circle[`to${at}`] = [circle];
  expect(() => encodeTagged(circle)).toThrow("refers to itself");
  const twice = { a: 1 };
  expect(through([twice, twice])).toEqual([twice, twice]);
});

test("a value is as deep as it may be, or refused", () => {
  const nest = (depth: number, within: (value: unknown) => unknown) => {
    let value: unknown;
    for (let at = 0; at < depth; at += 1) value = within(value);
    return value;
  };
  for (const within of [
    (value: unknown) => [value],
    (value: unknown) => ({ $: value }),
    (value: unknown) => new Map([[1, value]]),
    (value: unknown) => new Set([value]),
  ]) {
    expect(through(nest(64, within))).toEqual(nest(64, within));
    expect(() => encodeTagged(nest(65, within))).toThrow("deeper than 64");
  }
});

test("whatever can be sent arrives as it was", () => {
  const random = seededRandom(23);
  const texts = ["", "$", "v", "__proto__", "constructor", "é\ud800", "undefined", "\0"];
  const leaves: (() => unknown)[] = [
    ...[() => undefined, () => null, () => true, () => random.below(1e9) - 5e8, () => Number.NaN, () => -0],
    ...[() => random.pick(texts), () => BigInt(random.below(1e9)) ** 5n, () => new Date(random.below(1e9))],
    () => random.bytes(random.below(20)),
  ];
  const grow = (depth: number): unknown => {
    if (depth > 5 || random.below(3) === 0) return random.pick(leaves)();
    const items = Array.from({ length: random.below(4) }, () => grow(depth + 1));
    const pairs = items.map((item) => [random.pick(texts), item] as const);
    return [items, Object.fromEntries(pairs), new Map(pairs), new Set(items)][random.below(4)];
  };
  for (let round = 0; round < 3000; round += 1) {
    const value = grow(0);
    expect(through(value)).toStrictEqual(value);
  }
});

test("garbage is an error or a value, never anything else", () => {
  const random = seededRandom(7);
  const kinds: unknown[] = [
    "undefined",
    "number",
    "bigint",
    "date",
    "bytes",
    "buffer",
    "map",
    "set",
    "error",
    "object",
    "Float64Array",
    "DataView",
    "Function",
    "x",
    5,
  ];
  const grow = (depth: number): unknown => {
    if (depth > 4 || random.below(10) < 3) return random.pick<unknown>([1, "é", null, "AAA=", [], {}, "__proto__"]);
    if (random.below(2) === 0) return { $: random.pick(kinds), v: grow(depth + 1) };
    return random.below(2) === 0
      ? [grow(depth + 1), grow(depth + 1)]
      : { a: grow(depth + 1), __proto__x: grow(depth + 1) };
  };
  for (let round = 0; round < 5000; round += 1) {
    const text = JSON.stringify(grow(0));
    try {
      decodeTagged(text);
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
    }
  }
  expect(() => decodeTagged("[".repeat(5000) + "]".repeat(5000))).toThrow();
});
