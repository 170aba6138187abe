/** What is kept stays within its bytes, whoever fills it. */
import { expect, test } from "bun:test";
import { seededRandom } from "../../testing/seeded_random.ts";
import { Entries } from "./entries.ts";
import { Entry } from "./entry.ts";
import { lifetimeOf } from "./policy.ts";

const MB = 1024 * 1024;

function entry(project: string, name: string, bytes: number): Entry {
  const url = `http://x/${name}`;
  const head = { method: "GET", url, headers: new Headers() };
  const lifetime = lifetimeOf(head, 200, [["cache-control", "max-age=60"]], 0);
  if (lifetime === undefined) throw new Error("not for keeping");
  const about = {
    key: `${project} ${name}`,
    project,
    functionName: "f",
    url,
    status: 200,
    tags: [],
    lifetime,
  };
  return new Entry({ ...about, headers: [], body: new Uint8Array(bytes) });
}

test("a flood of one project stays within the bytes, and leaves another one its own", () => {
  const entries = new Entries(10 * MB);
  const headers = new Headers();
  for (let n = 0; n < 20; n += 1) entries.put(entry("small", `s${n}`, 50_000), headers);
  for (let n = 0; n < 2000; n += 1) {
    entries.put(entry("flood", `f${n}`, 20_000), headers);
    expect(entries.bytes).toBeLessThanOrEqual(10 * MB);
  }
  for (let n = 0; n < 20; n += 1) expect(entries.find(`small s${n}`, headers)).toBeDefined();
  expect(entries.find("flood f0", headers)).toBeUndefined();
});

test("whatever is put, used, removed and purged, the count of bytes is right", () => {
  const entries = new Entries(MB);
  const random = seededRandom(3);
  const headers = new Headers();
  for (let round = 0; round < 5000; round += 1) {
    const [project, name] = [`p${random.below(4)}`, `n${random.below(30)}`];
    const found = entries.find(`${project} ${name}`, headers);
    const what = random.below(10);
    if (what < 6) entries.put(entry(project, name, random.below(100_000)), headers);
    else if (what < 8 && found !== undefined) entries.used(found);
    else if (found !== undefined) entries.remove(found);
    if (what === 9 && random.below(20) === 0) entries.purge({ project });
    expect(entries.bytes).toBeLessThanOrEqual(MB);
  }
  for (let project = 0; project < 4; project += 1) entries.purge({ project: `p${project}` });
  expect(entries.bytes).toBe(0);
});
