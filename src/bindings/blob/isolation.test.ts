/** Fuzzed: who holds one bucket, project or prefix reaches nothing of another by any key, prefix, cursor or upload. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { answerText } from "../../testing/binding-suite.ts";
import { BlobRig, bucketGrant } from "../../testing/blob_rig.ts";
import { S3Server } from "../../testing/s3_server.ts";
import { seededRandom } from "../../testing/seeded_random.ts";

const ROUNDS = 1500;
const HOLDERS = [
  ["plain", bucketGrant()],
  ["bucket", bucketGrant({ resource: "two" })],
  ["project", bucketGrant({ project: "other" })],
] as const;
const PREFIXES = ["a/", "a", "ab", "é"];
const PIECES = [
  "a",
  "b",
  "/",
  "..",
  "../",
  "\0",
  "é",
  "�",
  "%",
  "%2f",
  "?",
  "&prefix=",
  "#",
  "'",
  '"',
  ";--",
  "two",
  "other",
  " ",
  "\u{10ffff}",
];

test.each(["local files", "S3"])("no key, prefix, cursor or upload leads out of what is held (%s)", async (where) => {
  using store = where === "S3" ? new S3Server() : undefined;
  await using rig = new BlobRig({ store });
  const random = seededRandom(9);
  const text = () => Array.from({ length: random.below(5) }, () => random.pick(PIECES)).join("");
  const keys = [...new Set(Array.from({ length: 40 }, () => `${text()}${random.pick(PIECES)}`))];
  for (const [name, grant] of HOLDERS) {
    // Where names are addresses, some keys cannot be.
    for (const key of keys) await rig.put(key, `${name} ${key}`, { grant }).catch(() => {});
  }
  const { id } = JSON.parse(await answerText(await rig.call("POST", "/uploads/a%2Fx")));
  const escaped = (key: string) => (random.below(2) === 0 ? encodeURIComponent(key) : key);
  for (let round = 0; round < ROUNDS; round += 1) {
    const [name, grant] = random.pick(HOLDERS);
    const prefix = random.pick(PREFIXES);
    const narrow = random.below(2) === 0;
    const held = narrow ? { ...grant, options: { prefix } } : grant;
    const key = random.below(2) === 0 ? random.pick(keys) : text();
    const cursor = Buffer.from(text()).toString("base64url");
    const urls = [
      ["GET", `/objects/${escaped(key)}`],
      ["GET", `/objects?prefix=${escaped(text())}&delimiter=${escaped(random.pick(PIECES))}`],
      ["GET", `/objects?cursor=${cursor}&start-after=${escaped(key)}`],
      ["PUT", `/uploads/${escaped(key)}?id=${id}&part=1`],
    ] as const;
    const [method, url] = random.pick(urls);
    const answer = await rig.call(method, url, { grant: held }).catch((error) => error.code as string);
    if (typeof answer === "string") continue;
    const body = await answerText(answer);
    if (method === "PUT") throw new Error(`${url} took a part of another's upload: ${body}`);
    if (url.startsWith("/objects?")) {
      const { objects, prefixes } = JSON.parse(body) as { objects: { key: string }[]; prefixes: string[] };
      for (const found of [...objects.map((object) => object.key), ...prefixes]) {
        if (narrow && !found.startsWith(prefix)) throw new Error(`${url} tells of ${found} to who has ${prefix}`);
      }
    } else if (answer.status === 200) {
      expect(body.startsWith(`${name} `)).toBe(true);
      if (narrow) expect(body.slice(name.length + 1).startsWith(prefix)).toBe(true);
    }
  }
  if (store !== undefined) return;
  // Keys are data: nothing but what the backend makes lies there, whatever they say.
  expect(readdirSync(rig.directory).sort()).toEqual(["default", "other"]);
  expect(
    readdirSync(join(rig.directory, "default")).every((file) =>
      /^(content|drafts|clean|blobs\.sqlite(-wal|-shm)?)$/.test(file),
    ),
  ).toBe(true);
});
