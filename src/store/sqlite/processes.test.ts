/** Several processes on one store. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StoreChild } from "../../testing/store_child.ts";
import { openSqliteStore } from "./store.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "isopod-store-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const PROCESSES = 4;
const COUNTED = 40;

test("processes that open a new store at once all get it, and count together without loss", async () => {
  await using stack = new AsyncDisposableStack();
  const children = Array.from({ length: PROCESSES }, () => stack.use(new StoreChild("count", directory, COUNTED)));
  for (const child of children) expect(await child.rest()).toEqual([{ type: "counted" }]);
  for (const child of children) expect(await child.exited).toBe(0);
  const store = openSqliteStore({ directory });
  expect(Buffer.from((await store.get(["count"]))?.value ?? []).toString()).toBe(String(PROCESSES * COUNTED));
  await store.close();
});

test("processes that watch see every end state of another's writes", async () => {
  await using stack = new AsyncDisposableStack();
  const store = openSqliteStore({ directory });
  stack.defer(() => store.close());
  const children = Array.from({ length: PROCESSES }, () => stack.use(new StoreChild("watch", directory)));
  for (const child of children) expect(await child.line()).toEqual({ type: "synced" });
  const expected: Record<string, string> = {};
  for (let index = 0; index < 200; index += 1) {
    const name = String(index % 7);
    if (index % 11 === 0) {
      await store.delete([name]);
      delete expected[name];
    } else {
      await store.put([name], Buffer.from(String(index)));
      expected[name] = String(index);
    }
  }
  await store.put(["end"], Buffer.from("end"));
  for (const child of children) expect(await child.rest()).toEqual([{ ...expected, end: "end" }]);
});

test("a watch sees the writes of a process that is killed later, and goes on", async () => {
  await using stack = new AsyncDisposableStack();
  const store = openSqliteStore({ directory });
  stack.defer(() => store.close());
  const ender = new AbortController();
  stack.defer(() => ender.abort());
  const events = store.watch([], { signal: ender.signal })[Symbol.asyncIterator]();
  expect(await events.next()).toMatchObject({ value: { type: "sync" } });
  const writer = stack.use(new StoreChild("write", directory, 3));
  for (let told = 0; told < 20; told += 1) expect((await events.next()).done).toBeFalse();
  await writer.kill();
  await store.put(["mine"], Buffer.from("mine"));
  for (;;) {
    const { value } = await events.next();
    if (value.type === "put" && value.key[0] === "mine") break;
  }
});
