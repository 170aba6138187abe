/** The parse functions against hostile JSON: a checked value, or a WireError, and never anything else. */
import { expect, test } from "bun:test";
import { seededRandom } from "../testing/seeded_random.ts";
import { WireError } from "./frame.ts";
import { parseCallHead, parseJson, parseReset, parseResponseHead } from "./heads.ts";
import { decodeParcel, encodeParcel } from "./parcels.ts";

const bytes = (value: unknown) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const PARSERS = { parseResponseHead, parseCallHead, parseReset };
const RESPONSE = { s: 200, h: [["a", "b"]] };
const CALL = { n: "egress", i: 1, m: "GET", u: "http://a/", h: [] };

const NO_OBJECTS = [
  "",
  "{",
  "nul",
  "null",
  "1",
  '"text"',
  "true",
  "\ufeff{}x",
  "{} {}",
  "{'s':200}",
  "[".repeat(200_000),
  `${'{"a":'.repeat(30_000)}`,
];

test("what is not an object is a WireError", () => {
  for (const [name, parse] of Object.entries(PARSERS)) {
    for (const text of NO_OBJECTS) {
      // An empty reset is one without a reason.
      if (text === "" && name === "parseReset") continue;
      expect(() => parse(bytes(text)), `${name} ${text.slice(0, 20)}`).toThrow(WireError);
    }
    expect(() => parse(Uint8Array.of(0xff, 0xfe, 0x7b)), name).toThrow(WireError);
  }
  expect(() => parseJson(bytes("["))).toThrow(WireError);
});

test("a response head has a status that can be sent", () => {
  for (const s of [undefined, null, "200", [], {}, 0, 99, 100, 101, 103, 199, 600, 999, -200, 200.5, 1e300]) {
    expect(() => parseResponseHead(bytes({ ...RESPONSE, s })), String(s)).toThrow(WireError);
  }
  expect(() => parseResponseHead(bytes('{"s":NaN,"h":[]}'))).toThrow(WireError);
  expect(() => parseResponseHead(bytes('{"s":1e999,"h":[]}'))).toThrow(WireError);
  for (const ws of [0, true, "1", {}])
    expect(() => parseResponseHead(bytes({ ...RESPONSE, s: 101, ws }))).toThrow(WireError);
  expect(parseResponseHead(bytes({ ...RESPONSE, s: 101, ws: 1 })).ws).toBe(1);
  for (const s of [200, 204, 304, 599]) expect(parseResponseHead(bytes({ ...RESPONSE, s })).s).toBe(s);
});

test("headers are pairs of a token and a text without line ends, and not too many", () => {
  const wrong: unknown[] = [
    undefined,
    null,
    {},
    "a: b",
    5,
    [null],
    [[]],
    [["a"]],
    [["a", "b", "c"]],
    [{ 0: "a", 1: "b", length: 2 }],
    ["ab"],
    [[1, "b"]],
    [["a", 1]],
    [["a", null]],
    [["a", ["b"]]],
    [["", "b"]],
    [["a b", "c"]],
    [["a:", "c"]],
    [["ä", "c"]],
    [["a\n", "c"]],
    [["x".repeat(257), "c"]],
    [["a", "b\r\nset-cookie: c"]],
    [["a", "b\n"]],
    [["a", "\r"]],
    [["a", "\0"]],
    [["a", "✓"]],
    [["a", "\u0100"]],
    [["a", "\ud800"]],
    [["a", "😀"]],
    Array(257).fill(["a", "b"]),
    Array(100_000).fill(0),
  ];
  for (const h of wrong) {
    expect(() => parseResponseHead(bytes({ ...RESPONSE, h })), JSON.stringify(h)?.slice(0, 60)).toThrow(WireError);
    expect(() => parseCallHead(bytes({ ...CALL, h })), JSON.stringify(h)?.slice(0, 60)).toThrow(WireError);
  }
  const right = [
    ["__proto__", "x"],
    ["constructor", "y"],
    ["a", ""],
    ["a", "\u00ff\t ~"],
    ["!#$%&'*+.^_`|~0-9A", "z"],
  ];
  expect(parseResponseHead(bytes({ ...RESPONSE, h: right })).h).toEqual(right as [string, string][]);
});

test("a call head names its binding, method and address, and an unknown redirect mode is the usual one", () => {
  for (const [key, values] of Object.entries({
    n: [undefined, null, 1, [], {}],
    u: [undefined, null, 1, ["http://a"]],
    i: [undefined, null, "1", [], true],
    m: [undefined, null, 1, "", "GET /", "G\r\nET", "GÉT", "x".repeat(257)],
  })) {
    for (const value of values)
      expect(() => parseCallHead(bytes({ ...CALL, [key]: value })), `${key} ${value}`).toThrow(WireError);
  }
  for (const r of [undefined, null, "", "FOLLOW", 1, "__proto__"])
    expect(parseCallHead(bytes({ ...CALL, r })).r).toBe("follow");
  for (const b of [true, "1", 2, [1]]) expect(parseCallHead(bytes({ ...CALL, b })).b).toBeUndefined();
});

test("members of prototypes are not members, and nothing that is sent reaches a prototype", () => {
  for (const text of [
    '{"__proto__":{"s":200,"h":[]}}',
    '{"constructor":{"prototype":{"s":200}}}',
    '{"__proto__":{"n":"egress","i":0,"m":"GET","u":"u","h":[]}}',
  ]) {
    expect(() => parseResponseHead(bytes(text))).toThrow(WireError);
    expect(() => parseCallHead(bytes(text))).toThrow(WireError);
  }
  const reset = parseReset(bytes('{"__proto__":{"code":"internal","polluted":1},"toString":1,"code":"x"}'));
  expect(reset).toEqual({ code: "x" });
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  expect(Object.keys(parseResponseHead(bytes({ ...RESPONSE, k: "module", extra: 1 })))).toEqual(["s", "h"]);
});

test("a reset keeps what has the right type, cut to its size", () => {
  expect(parseReset(new Uint8Array(0))).toEqual({ code: "" });
  expect(parseReset(bytes("[]"))).toEqual({ code: "" });
  for (const value of [null, 1, [], {}, true])
    expect(parseReset(bytes({ code: value, message: value, stack: value }))).toEqual({ code: "" });
  const long = parseReset(bytes({ code: "c", message: "m".repeat(60_000), stack: "s".repeat(60_000) }));
  expect([long.message?.length, long.stack?.length]).toEqual([16_384, 32_768]);
  for (const [line, column] of [
    [0, 1],
    [-1, 1],
    [1.5, 1],
    ["1", 1],
    [1, null],
    [1e9, 1],
    [1, undefined],
  ]) {
    expect(parseReset(bytes({ code: "c", line, column }))).toEqual({ code: "c" });
  }
  expect(parseReset(bytes({ code: "c", line: 3, column: 4 }))).toEqual({ code: "c", line: 3, column: 4 });
  expect(parseReset(bytes('{"code":"\\ud800"}')).code).toBe("\ud800");
});

test("a parcel is two halves, and its length is not believed", () => {
  const { json, bytes: rest } = decodeParcel(encodeParcel({ a: "ü✓" }, Uint8Array.of(1, 2)));
  expect([json, [...rest]]).toEqual([{ a: "ü✓" }, [1, 2]]);
  for (const payload of [
    [],
    [1],
    [1, 0, 0],
    [1, 0, 0, 0],
    [255, 255, 255, 255, 123, 125],
    [3, 0, 0, 0, 123, 125],
    [2, 0, 0, 0, 123, 123],
  ]) {
    expect(() => decodeParcel(Uint8Array.from(payload)), payload.join()).toThrow(WireError);
  }
});

test("random values in every place give a value or a WireError", () => {
  const values = [
    null,
    true,
    0,
    -1,
    1e300,
    "",
    "x",
    "\n",
    "\ud800",
    [],
    {},
    [[]],
    [["a", "b"]],
    "__proto__",
    { __proto__: null },
    [["a", 1]],
  ];
  const keys = [
    "s",
    "h",
    "k",
    "ws",
    "n",
    "i",
    "m",
    "u",
    "b",
    "r",
    "code",
    "message",
    "stack",
    "line",
    "column",
    "__proto__",
    "toString",
  ];
  for (let seed = 1; seed <= 3000; seed += 1) {
    const random = seededRandom(seed);
    const entries = Array.from({ length: random.below(12) }, () => [random.pick(keys), random.pick(values)]);
    const text = JSON.stringify(Object.fromEntries(entries));
    const payload = bytes(random.below(4) === 0 ? text.slice(0, random.below(text.length + 1)) : text);
    for (const parse of Object.values(PARSERS)) {
      try {
        expect(typeof parse(payload)).toBe("object");
      } catch (error) {
        expect(error, `seed ${seed}: ${text}`).toBeInstanceOf(WireError);
      }
    }
  }
});
