/** The same verdict as `JSON.parse`, for right texts, wrong ones, and those that were damaged at random. */
import { expect, test } from "bun:test";
import { seededRandom } from "../../testing/seeded_random.ts";
import { isJson } from "./json_text.ts";

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const check = (text: string) => isJson(new TextEncoder().encode(text));

test.each([
  ...["1", "-0", "0.5e+7", '""', '"\\u00ff\\n"', "true", "null", "[]", "{}", ' [1, {"a": [null]}] ', '{"a":1,"b":{}}'],
  ...["", " ", "01", "-", "1.", ".5", "1e", "+1", "NaN", "tru", "truex", "'a'", '"', '"\\x"', '"\\u00g0"', '"\n"'],
  ...[
    "[1,]",
    "[,1]",
    "[1 2]",
    "{,}",
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    "{1:2}",
    "[}",
    "{]",
    "]",
    "[1]]",
    "1 2",
    "[",
    '{"a":1',
  ],
  ...["\ufeff1", "[1]\0", "/**/1", "undefined"],
])("%j", async (text) => {
  expect(await check(text)).toBe(parses(text));
});

test("bytes that are no UTF-8 are no JSON", async () => {
  expect(await isJson(new Uint8Array([34, 0xff, 34]))).toBe(false);
  expect(await isJson(new Uint8Array([34, 0xc3, 0xbc, 34]))).toBe(true);
});

test("20,000 texts that were damaged at random", async () => {
  const random = seededRandom(3);
  const good = JSON.stringify({ a: [1, -2.5e-7, true, null, 'x\u1234"\\ y'], b: { c: [], d: {} }, e: "" });
  const alphabet = '{}[],:"\\0123456789.eE+-tfnu \nx';
  for (let n = 0; n < 20_000; n += 1) {
    const at = random.below(good.length);
    const put = alphabet[random.below(alphabet.length)] ?? "";
    const text = good.slice(0, at) + put + good.slice(at + random.below(3));
    if ((await check(text)) !== parses(text)) throw new Error(`${JSON.stringify(text)} is not as JSON.parse says`);
  }
});

test("6 MiB of structure leave turns to others, and depth has an end", async () => {
  const bytes = new TextEncoder().encode(`[${"[],".repeat(2 * 1024 * 1024 - 2)}1]`);
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 0);
  expect(await isJson(bytes)).toBe(true);
  clearInterval(timer);
  expect(turns).toBeGreaterThan(3);
  expect(await check("[".repeat(10_000) + "]".repeat(10_000))).toBe(true);
  expect(await check("[".repeat(10_001) + "]".repeat(10_001))).toBe(false);
});
