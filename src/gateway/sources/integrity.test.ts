import { expect, test } from "bun:test";
import { hashOf } from "../../stdx/hash.ts";
import { checkIntegrity, isHash, parseIntegrity } from "./integrity.ts";

const bytes = new TextEncoder().encode("hello");
const hex = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

test("hex, base64 and base64url mean the same", () => {
  const hash = `sha256-${hex}`;
  const base64 = Buffer.from(hex, "hex").toString("base64");
  expect(hashOf(bytes)).toBe(hash);
  expect(isHash(hash)).toBeTrue();
  expect(isHash(hash.toUpperCase())).toBeFalse();
  expect(parseIntegrity(` sha256-${hex.toUpperCase()} `)).toBe(hash);
  expect(parseIntegrity(`sha256-${base64}`)).toBe(hash);
  expect(parseIntegrity(`sha256-${base64.replace("=", "")}`)).toBe(hash);
  expect(parseIntegrity(`sha256-${Buffer.from(hex, "hex").toString("base64url")}`)).toBe(hash);
});

test("anything else is named", () => {
  for (const text of [
    "",
    "sha256-",
    "sha256-12",
    `sha512-${hex}`,
    hex,
    `sha256-${hex}0`,
    `sha256-${hex} sha256-${hex}`,
  ]) {
    expect(() => parseIntegrity(text)).toThrow("Cannot read integrity");
  }
});

test("a mismatch names both hashes", () => {
  checkIntegrity(hashOf(bytes), undefined, "the program");
  checkIntegrity(hashOf(bytes), hashOf(bytes), "the program");
  expect(() => checkIntegrity(hashOf(bytes), hashOf(new Uint8Array()), "the program")).toThrow(hex);
});
