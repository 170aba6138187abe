import { expect, test } from "bun:test";
import { hashOf } from "../../stdx/hash.ts";
import { type CachedSource, SourceCache } from "./cache.ts";

function source(text: string, url = "https://a.b/c"): CachedSource {
  const bytes = new TextEncoder().encode(text);
  return {
    url,
    bytes,
    hash: hashOf(bytes),
    immutable: false,
    language: "typescript",
    etag: undefined,
    lastModified: undefined,
    freshUntil: 0,
  };
}

test("equal contents are held once, and go with their last URL", () => {
  const cache = new SourceCache(1_000_000);
  const text = "x".repeat(10_000);
  const first = cache.set("1", source(text));
  const second = cache.set("2", source(text));
  expect(second.bytes).toBe(first.bytes);
  expect(cache.bytes).toBeLessThan(12_000);
  cache.delete("1");
  expect(cache.get("2")?.bytes.length).toBe(10_000);
  cache.delete("2");
  cache.delete("2");
  expect(cache.bytes).toBe(0);
});

test("the least recently used URL leaves first, and what is too large is not held", () => {
  const cache = new SourceCache(5000);
  cache.set("a", source("a".repeat(1000)));
  cache.set("b", source("b".repeat(1000)));
  cache.get("a");
  cache.set("c", source("c".repeat(1000)));
  cache.set("d", source("d".repeat(1000)));
  expect(cache.get("b")).toBeUndefined();
  expect(cache.get("a")).toBeDefined();
  expect(cache.set("e", source("e".repeat(6000))).bytes.length).toBe(6000);
  expect(cache.get("e")).toBeUndefined();
});

test("whatever is put in, the bound holds", () => {
  const cache = new SourceCache(20_000);
  let seed = 9;
  for (let round = 0; round < 3000; round++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const key = String((seed >>> 8) % 50);
    if (seed % 7 === 0) cache.delete(key);
    else cache.set(key, source(String((seed >>> 4) % 9).repeat((seed >>> 12) % 5000)));
    expect(cache.bytes).toBeLessThanOrEqual(20_000);
    expect(cache.bytes).toBeGreaterThanOrEqual(0);
  }
  for (let key = 0; key < 50; key++) cache.delete(String(key));
  expect(cache.bytes).toBe(0);
});
