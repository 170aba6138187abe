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
  const error = through(Object.assign(new TypeError("no"), { code: "E" })) as Error & { code: string };
  expect([error.name, error.message, error.code]).toEqual(["TypeError", "no", "E"]);
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
  const circle: unknown[] = [];
  circle.push(circle);
  for (const value of [() => 1, Symbol("s"), new ReadableStream(), new Response(), Promise.resolve(), circle]) {
    expect(() => encodeTagged(value)).toThrow(TypeError);
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
