/** Fuzzed: who holds one namespace, project or prefix reaches nothing of another by any key, prefix or cursor. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { BindingGrant } from "../../core/binding_kinds.ts";
import { answerText } from "../../testing/binding-suite.ts";
import { grantOf, KvRig } from "../../testing/kv_rig.ts";
import { seededRandom } from "../../testing/seeded_random.ts";

const ROUNDS = 1500;

/** Those who hold something; each keeps values that begin with its name. */
const HOLDERS: readonly (readonly [string, BindingGrant])[] = [
  ["plain", grantOf()],
  ["namespace", grantOf({ resource: "two" })],
  ["project", grantOf({ project: "other" })],
  ["project's namespace", grantOf({ project: "other", resource: "two" })],
];
/** Narrower ones, by the keys that they have. */
const NARROW: readonly (readonly [string, BindingGrant])[] = ["a/", "a", "ab", "é"].map((prefix) => {
  return [prefix, grantOf({ options: { prefix } })] as const;
});

const PIECES = [
  "a",
  "b",
  "/",
  "..",
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
  "_",
];

test("no key, prefix or cursor leads out of what is held", async () => {
  await using rig = new KvRig();
  const random = seededRandom(4);
  const piece = () => PIECES[random.below(PIECES.length)] ?? "";
  const text = () => Array.from({ length: random.below(4) }, piece).join("");
  const keys = [...new Set(Array.from({ length: 60 }, () => `${text()}${piece()}`))].filter(
    (key) => !/^\.{1,2}$/.test(key),
  );
  for (const [name, grant] of HOLDERS) {
    await Promise.all(keys.map((key) => rig.put(key, `${name} ${key}`, {}, grant)));
  }
  const cursor = () => {
    const bytes =
      random.below(2) === 0
        ? Buffer.from(text())
        : Buffer.from(crypto.getRandomValues(new Uint8Array(random.below(9))));
    return bytes.toString("base64url");
  };
  const query = () => {
    const from = cursor();
    return `prefix=${encodeURIComponent(text())}${from === "" || random.below(2) === 0 ? "" : `&cursor=${from}`}`;
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    const [name, grant] = HOLDERS[random.below(HOLDERS.length)] ?? ["", grantOf()];
    const key = `${text()}${piece()}`;
    const value = await rig.text(key, grant).catch((error) => error.code);
    expect([null, "bad_request", `${name} ${key}`]).toContain(value);
    const [prefix, narrow] = NARROW[random.below(NARROW.length)] ?? ["", grantOf()];
    const seen = await rig.text(key, narrow).catch((error) => error.code);
    if (!key.startsWith(prefix)) expect(["binding_denied", "bad_request"]).toContain(seen);
    const found = await listed(rig, query(), narrow);
    expect(found.filter((each) => !each.startsWith(prefix))).toEqual([]);
  }
});

async function listed(rig: KvRig, query: string, grant: BindingGrant): Promise<string[]> {
  const answer = await rig.call("GET", `/keys?${query}`, { grant }).catch(() => undefined);
  if (answer === undefined) return [];
  return (JSON.parse(await answerText(answer)) as { keys: { key: string }[] }).keys.map(({ key }) => key);
}

test("a list gives every key once, in the order of its bytes, however small its pages", async () => {
  await using rig = new KvRig();
  const random = seededRandom(5);
  const keys = new Set<string>();
  while (keys.size < 200)
    keys.add(Array.from({ length: 1 + random.below(4) }, () => PIECES[random.below(PIECES.length)]).join(""));
  keys.delete("..");
  await Promise.all([...keys].map((key) => rig.put(key, "v")));
  const ordered = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  expect(await rig.keys("limit=7")).toEqual(ordered);
  for (const prefix of ["a", "é", "\u{10ffff}", "\0", "%"]) {
    const expected = ordered.filter((key) => key.startsWith(prefix));
    expect(await rig.keys(`limit=3&prefix=${encodeURIComponent(prefix)}`)).toEqual(expected);
  }
});

test("a project that is removed while it is written to is gone as a whole, and another one's stays", async () => {
  await using rig = new KvRig();
  const other = grantOf({ project: "other" });
  await rig.put("k", "other's", {}, other);
  await rig.put("k", "x".repeat(200_000));
  const writes = Array.from({ length: 20 }, (_, at) =>
    rig.put(`k${at}`, "x".repeat(100_000)).catch((error) => error.code),
  );
  await rig.binding.removeProject?.("default");
  for (const outcome of await Promise.all(writes)) {
    if (typeof outcome !== "number") expect(outcome).toBe("binding_failed");
  }
  expect(existsSync(join(rig.directory, "default"))).toBe(false);
  expect(await rig.keys()).toEqual([]);
  expect(await rig.text("k", other)).toBe("other's");
});
