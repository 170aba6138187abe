import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hashOf } from "../../stdx/hash.ts";
import { openPins, type Pins, type PinsOptions } from "./pins.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "isopod-pins-"));
});
afterEach(() => rm(root, { recursive: true }));

function openAt(over: Partial<PinsOptions> = {}): Promise<Pins> {
  return openPins({ directory: join(root, "data", "pins"), countMax: 10, bytesMax: 1000, codeBytesMax: 500, ...over });
}

const hashOfText = (text: string): string => hashOf(new TextEncoder().encode(text));

test("a pin is there at once, and after opening again", async () => {
  const pins = await openAt();
  const hash = await pins.pin("let é: string", "typescript");
  expect(hash).toBe(hashOfText("let é: string"));
  expect(await pins.pin("let é: string", "javascript")).toBe(hash);
  await pins.pin("\ufeff1", "javascript");
  const again = await openAt();
  for (const each of [pins, again]) {
    expect(each.has(hash)).toBeTrue();
    expect(await each.get(hash)).toEqual({ hash, code: "let é: string", language: "typescript" });
    expect((await each.get(hashOfText("\ufeff1")))?.code).toBe("\ufeff1");
    expect(each.list().map((entry) => [entry.hash, entry.bytes])).toEqual([
      [hash, 14],
      [hashOfText("\ufeff1"), 4],
    ]);
  }
});

test("what is not pinned is not found, whatever its name looks like", async () => {
  const pins = await openAt();
  await writeFile(join(root, "secret.ts"), "secret");
  for (const hash of [hashOfText("x"), "../../secret", "", "__proto__", "sha256-"]) {
    expect(pins.has(hash)).toBeFalse();
    expect(await pins.get(hash)).toBeUndefined();
    expect(await pins.unpin(hash)).toBeFalse();
  }
});

test("a file that is not what its name says is never run", async () => {
  const hash = await (await openAt()).pin("good", "typescript");
  await writeFile(join(root, "data", "pins", `${hash}.ts`), "evil");
  await expect((await openAt()).get(hash)).rejects.toThrow(`Cannot read pin ${hash}: the file holds`);
});

test("pins are bounded in number and size, also when many come at once", async () => {
  const pins = await openAt({ countMax: 3 });
  const results = await Promise.allSettled([1, 2, 3, 4, 5].map((index) => pins.pin(`p${index}`, "typescript")));
  expect(results.filter((result) => result.status === "fulfilled").length).toBe(3);
  await expect(pins.pin("p6", "typescript")).rejects.toThrow("no more than 3 programs can be pinned");
  const small = await openAt({ bytesMax: 300 });
  await expect(small.pin("x".repeat(501), "typescript")).rejects.toThrow("it has 501 bytes, over 500");
  await expect(small.pin("x".repeat(299), "typescript")).rejects.toThrow("no more than 300 bytes of programs");
  await expect(small.pin("\ud800", "typescript")).rejects.toThrow("it is not UTF-8");
});

test("a pin that was taken away is gone, and makes room", async () => {
  const pins = await openAt({ countMax: 1 });
  const hash = await pins.pin("1", "typescript");
  await pins.get(hash);
  expect(await pins.unpin(hash)).toBeTrue();
  expect(await pins.get(hash)).toBeUndefined();
  expect(await readdir(join(root, "data", "pins"))).toEqual([]);
  await pins.pin("2", "javascript");
});

test("what a crash has left is swept, strangers are left alone", async () => {
  await openAt();
  const directory = join(root, "data", "pins");
  await writeFile(join(directory, `.pin-${crypto.randomUUID()}`), "half");
  await writeFile(join(directory, "README"), "mine");
  expect((await openAt()).list()).toEqual([]);
  expect(await readdir(directory)).toEqual(["README"]);
});

test("code in memory is bounded, and read again from its file", async () => {
  const pins = await openAt({ memoryBytesMax: 250 });
  const hashes = await Promise.all(["a", "b", "c"].map((text) => pins.pin(text.repeat(100), "typescript")));
  for (let round = 0; round < 3; round++) {
    for (const hash of hashes) expect((await pins.get(hash))?.hash).toBe(hash);
  }
});
