/** Zips as they are and as attackers make them: whole, or refused with what is wrong. */
import { expect, test } from "bun:test";
import { failed } from "../../testing/lambda_rig.ts";
import { seededRandom } from "../../testing/seeded_random.ts";
import { makeZip, zipOf } from "../../testing/zip_maker.ts";
import { LambdaError } from "./failures.ts";
import { readZip } from "./zip_files.ts";

const BOUNDS = { filesMax: 10, bytesMax: 100_000 };
const LINK = 0o120777;
const FOLDER = 0o040755;

test("files come out by their paths, folders are left out", async () => {
  const zip = makeZip([
    { name: "lib/", content: "", mode: FOLDER },
    { name: "lib/a.js", content: "a".repeat(50_000) },
    { name: "ü.txt", content: "stored", stored: true },
    { name: "run", content: "#!/bin/sh", mode: 0o100755 },
  ]);
  const files = await readZip(zip, BOUNDS);
  const texts = files.map(({ path, content }) => [path, new TextDecoder().decode(content)]);
  expect(texts).toEqual([
    ["lib/a.js", "a".repeat(50_000)],
    ["ü.txt", "stored"],
    ["run", "#!/bin/sh"],
  ]);
});

const BOMB = { name: "bomb", content: "0".repeat(50_000_000) };
test.each<[string, Uint8Array, RegExp]>([
  ["that is none", new TextEncoder().encode("PK\x03\x04 and no more"), /unzip/],
  ["of nothing", new Uint8Array(), /unzip/],
  ["that is empty", makeZip([]), /non-empty/],
  ["with a way up", makeZip([{ name: "../../etc/passwd", content: "x" }]), /unzip/],
  ["with a way up inside", makeZip([{ name: "a/../../b", content: "x" }]), /unzip/],
  ["with a path from the root", makeZip([{ name: "/etc/passwd", content: "x" }]), /unzip/],
  ["with a drive", makeZip([{ name: "C:/x", content: "x" }]), /unzip/],
  ["with backslashes", makeZip([{ name: "..\\x", content: "x" }]), /unzip/],
  ["with an empty part", makeZip([{ name: "a//b", content: "x" }]), /plain relative path/],
  ["with a zero byte", makeZip([{ name: "a\0b", content: "x" }]), /plain relative path/],
  ["with a name of 600 bytes", makeZip([{ name: "a".repeat(600), content: "x" }]), /plain relative path/],
  ["with a link", makeZip([{ name: "link", content: "/etc/passwd", mode: LINK }]), /link or a device/],
  ["with a device", makeZip([{ name: "dev", content: "", mode: 0o020666 }]), /link or a device/],
  [
    "with a name twice",
    makeZip([
      { name: "a", content: "1" },
      { name: "a", content: "2" },
    ]),
    /twice/,
  ],
  ["that is encrypted", makeZip([{ name: "a", content: "1", flags: 1 }]), /encrypted/],
  [
    "of too many files",
    makeZip(Array.from({ length: 11 }, (_, n) => ({ name: `f${n}`, content: "" }))),
    /more than 10 files/,
  ],
  ["that is too large", makeZip([{ name: "a", content: "x".repeat(100_001) }]), /smaller than 100000 bytes/],
  [
    "that is too large in two",
    makeZip(["a", "b"].map((name) => ({ name, content: "x".repeat(60_000) }))),
    /smaller than/,
  ],
  ["that is a bomb", makeZip([BOMB]), /smaller than/],
  ["that is a bomb and says that it is none", makeZip([{ ...BOMB, saidBytes: 100 }]), /unzip/],
  ["whose file is shorter than it says", makeZip([{ name: "a", content: "x", saidBytes: 1000 }]), /unzip/],
  ["whose file is damaged", makeZip([{ name: "a", content: "x", saidCrc: 7 }]), /damaged/],
])("a zip %s is refused", async (_name, zip, message) => {
  const started = process.cpuUsage();
  const error = await failed(readZip(zip, BOUNDS));
  expect(error).toBeInstanceOf(LambdaError);
  expect([(error as unknown as LambdaError).type, error.message]).toEqual([
    "InvalidParameterValueException",
    expect.stringMatching(message),
  ]);
  // A bomb is not unpacked: 50 MB of it would take more than that.
  expect(process.cpuUsage(started).user / 1000).toBeLessThan(500);
});

test("a zip in which bytes are changed is the same files or refused, and never hangs", async () => {
  const random = seededRandom(11);
  const files = { "index.js": "exports.handler = () => 1;", "lib/x.js": "x".repeat(3000) };
  const good = zipOf(files);
  const whole = JSON.stringify(Object.entries(files));
  for (let n = 0; n < 2000; n += 1) {
    const zip = good.slice(0, random.below(10) === 0 ? random.below(good.length) : good.length);
    for (let change = random.below(4); change >= 0; change -= 1) zip[random.below(good.length)] = random.below(256);
    try {
      const read = await readZip(zip, BOUNDS);
      const texts = read.map(({ path, content }) => [path, new TextDecoder().decode(content)]);
      // Names are not under the checksum; contents are.
      expect(whole.includes(JSON.stringify(texts[0]?.[1] ?? ""))).toBe(true);
    } catch (error) {
      if (!(error instanceof LambdaError)) throw error;
    }
  }
});
