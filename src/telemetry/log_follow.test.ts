/** Followers of the log store: each sees everything, or is told how much it missed; one that leaves, leaves nothing. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import type { LogItem } from "../core/log_store.ts";
import { countDense, LogRig, textsOf } from "../testing/log_rig.ts";

const MB = 1024 * 1024;

/** Takes the next `count` items. */
async function take(items: AsyncIterator<LogItem>, count: number): Promise<LogItem[]> {
  const taken: LogItem[] = [];
  while (taken.length < count) {
    const { value, done } = await items.next();
    if (done) break;
    taken.push(value);
  }
  return taken;
}

test("two followers each see what comes, by their own filter, and end with their signal", async () => {
  await using rig = new LogRig();
  rig.lines("f", "before");
  await rig.query();
  const [first, second] = [new AbortController(), new AbortController()];
  const all = rig.store.follow({}, first.signal)[Symbol.asyncIterator]();
  const some = rig.store.follow({ function: "g" }, second.signal)[Symbol.asyncIterator]();
  const waiting = take(all, 3);
  rig.lines("f", "one");
  rig.lines("g", "two");
  rig.lines("f", "three");
  await rig.clock.advance(100);
  expect(textsOf(await waiting)).toEqual(["one", "two", "three"]);
  expect(textsOf(await take(some, 1))).toEqual(["two"]);
  const last = some.next();
  second.abort();
  expect((await last).done).toBeTrue();
  rig.lines("g", "four");
  await rig.clock.advance(100);
  expect(textsOf(await take(all, 1))).toEqual(["four"]);
  const open = all.next();
  await rig.store.close();
  expect((await open).done).toBeTrue();
});

test("who comes back with the last id misses nothing; who comes back too late is told how much", async () => {
  await using rig = new LogRig({ bytesMax: MB });
  const { signal } = new AbortController();
  const resume = async (cursor: number, count: number) =>
    textsOf(await take(rig.store.follow({ cursor }, signal)[Symbol.asyncIterator](), count));
  rig.lines("f", "one", "two", "three");
  await rig.query();
  expect(await resume(1, 2)).toEqual(["two", "three"]);
  expect(await resume(0, 1)).toEqual(["one"]);
  for (let index = 4; index <= 9000; index++) rig.lines("f", `${index} ${"x".repeat(200)}`);
  await rig.query();
  const items = await take(rig.store.follow({ cursor: 2 }, signal)[Symbol.asyncIterator](), 100);
  expect(countDense(items, 2)).toBe((items.at(-1)?.id ?? 0) - 2);
  expect(items[0]).toMatchObject({ kind: "missing", reason: "retention" });
  // An id that there has not been yet, as from a store that is gone: only what comes.
  const later = resume(1_000_000, 1);
  rig.lines("f", "new");
  await rig.clock.advance(100);
  expect(await later).toEqual(["new"]);
});

test("a slow follower costs nothing and is told what left meanwhile", async () => {
  await using rig = new LogRig({ bytesMax: MB });
  const { signal } = new AbortController();
  const slow = rig.store.follow({}, signal)[Symbol.asyncIterator]();
  const first = take(slow, 1);
  const seen: LogItem[] = [];
  for (let burst = 0; burst < 10; burst++) {
    for (let index = 0; index < 1000; index++) rig.lines("f", `line ${index} ${"x".repeat(300)}`);
    await rig.query({ limit: 1 });
    if (burst === 0) seen.push(...(await first));
  }
  while ((seen.at(-1)?.id ?? 0) < 10_000) seen.push(...(await take(slow, 1)));
  expect(countDense(seen)).toBe(10_000);
  const gaps = seen.filter(({ kind }) => kind === "missing");
  expect(gaps).toMatchObject([{ reason: "retention" }]);
});

test("followers and questions are bounded, and leave nothing behind", async () => {
  await using rig = new LogRig();
  rig.lines("f", "one");
  await rig.query();
  const files = () => readdirSync("/proc/self/fd").length;
  const [filesBefore, timersBefore] = [files(), rig.clock.pending];
  const gone = new AbortController();
  const open = Array.from({ length: 64 }, () => rig.store.follow({}, gone.signal)[Symbol.asyncIterator]().next());
  expect(() => rig.store.follow({}, gone.signal)).toThrow(expect.objectContaining({ code: "overloaded" }));
  gone.abort();
  for (const each of open) expect((await each).done).toBeTrue();
  // One that never looked, and one that stops looking, do not count either.
  for (let round = 0; round < 100; round++) {
    const leaving = new AbortController();
    rig.store.follow({}, leaving.signal);
    leaving.abort();
    for await (const item of rig.store.follow({ cursor: 0 }, new AbortController().signal)) {
      expect(item.id).toBe(1);
      break;
    }
  }
  const asked = await Promise.allSettled(Array.from({ length: 100 }, () => rig.query()));
  expect(asked.filter(({ status }) => status === "fulfilled")).toHaveLength(68);
  // What tests before had open may have been closed meanwhile.
  expect(files()).toBeLessThanOrEqual(filesBefore);
  expect(rig.clock.pending).toBe(timersBefore);
  const aborted = new AbortController();
  aborted.abort(new Error("gone"));
  await expect(rig.store.query({ order: "newest", limit: 1 }, aborted.signal)).rejects.toThrow("gone");
});
