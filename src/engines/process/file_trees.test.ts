/** Folders of trees: laid once, kept while they are used, gone when there are too many that nobody uses. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FileTree, TreeEntry } from "../../core/process_program.ts";
import { deferred } from "../../stdx/deferred.ts";
import { hashOf } from "../../stdx/hash.ts";
import { FileTrees } from "./file_trees.ts";

let folder: string;
let trees: FileTrees;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "isopod-trees-"));
  trees = new FileTrees(
    () => folder,
    (path) => rmSync(path, { recursive: true, force: true }),
  );
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function treeOf(text: string, more: Partial<TreeEntry> = {}): FileTree {
  const bytes = new TextEncoder().encode(text);
  const entries = [{ path: "file", hash: hashOf(bytes), isExecutable: true, ...more }];
  return { hash: hashOf(JSON.stringify(entries)), entries, read: () => Promise.resolve(bytes) };
}

test("one tree is laid once, whoever asks at the same time", async () => {
  const never = new Promise(() => {});
  const all = await Promise.all([1, 2, 3].map(() => trees.lay([treeOf("a")], never)));
  expect(new Set(all).size).toBe(1);
  expect(readFileSync(join(all[0] ?? "", "file"), "utf8")).toBe("a");
  expect(readdirSync(folder)).toHaveLength(1);
});

test("the longest unused go when many are unused, and none that is used", async () => {
  const gone = deferred<void>();
  const used = await trees.lay([treeOf("used")], new Promise(() => {}));
  const first = await trees.lay([treeOf("first")], gone.promise);
  for (let index = 0; index < 40; index += 1) await trees.lay([treeOf(`${index}`)], gone.promise);
  expect(readdirSync(folder)).toHaveLength(42);
  gone.resolve();
  await gone.promise;
  await Promise.resolve();
  expect(existsSync(used ?? "")).toBe(true);
  expect(existsSync(first ?? "")).toBe(false);
  expect(readdirSync(folder)).toHaveLength(33);
  // What has gone is laid again.
  const again = await trees.lay([treeOf("first")], Promise.resolve());
  expect(readFileSync(join(again ?? "", "file"), "utf8")).toBe("first");
});

test.each<[string, Partial<TreeEntry>]>([
  ["a file that is not what it was", { hash: hashOf("other") }],
  ["a path that leads out", { path: "../file" }],
  ["a link that leads out", { link: "../../etc/passwd" }],
])("%s is refused, and nothing is left of its tree", async (_what, more) => {
  const refused = await trees.lay([treeOf("a", more)], Promise.resolve()).catch((error) => error);
  expect(refused).toBeInstanceOf(Error);
  expect(String(refused.message)).toStartWith("Cannot lay");
  expect(readdirSync(folder)).toEqual([]);
});
