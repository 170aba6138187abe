/** Two servers on one folder: one log of both, whoever asks; its bounds count for both; a killed one blocks nobody. */
import { expect, test } from "bun:test";
import { appendFileSync, closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../core/clock.ts";
import type { LogItem } from "../core/log_store.ts";
import { tryLock } from "../stdx/file_lock.ts";
import { countDense, LogRig, textsOf } from "../testing/log_rig.ts";

const MB = 1024 * 1024;

test("what one writes the other one has, in one order of ids that are used once", async () => {
  await using first = new LogRig();
  await using second = new LogRig({ directory: first.directory });
  first.lines("f", "one");
  await first.query();
  second.lines("f", "two");
  expect(textsOf(await second.all())).toEqual(["one", "two"]);
  first.lines("f", "three");
  const items = await first.all();
  expect(textsOf(items)).toEqual(["one", "two", "three"]);
  expect(countDense(items)).toBe(3);
  expect(await second.all()).toEqual(items);
  expect((await second.query({ order: "newest", limit: 1 })).newestId).toBe(3);
  await second.store.close();
  first.lines("f", "four");
  await first.restart();
  expect(textsOf(await first.all())).toEqual(["one", "two", "three", "four"]);
});

test("two that write at once lose nothing", async () => {
  await using first = new LogRig({ bytesMax: 8 * MB });
  await using second = new LogRig({ directory: first.directory, bytesMax: 8 * MB });
  for (let burst = 0; burst < 20; burst++) {
    for (const [name, rig] of [["f", first] as const, ["g", second] as const]) {
      for (let index = 0; index < 200; index++) rig.lines(name, `${burst * 200 + index} ${"x".repeat(200)}`);
    }
    await Promise.all([first.query({ limit: 1 }), second.query({ limit: 1 })]);
  }
  expect(first.files().length).toBeGreaterThan(2);
  for (const rig of [first, second]) {
    const items = await rig.all();
    expect(countDense(items)).toBe(8000);
    for (const name of ["f", "g"]) {
      const own = items.filter((item) => item.function === name);
      expect(textsOf(own).map((text) => Number.parseInt(text, 10))).toEqual(Array.from({ length: 4000 }, (_, n) => n));
    }
  }
});

test("the bounds count for both, and what one has removed is told by the other as retention", async () => {
  await using first = new LogRig({ bytesMax: MB });
  await using second = new LogRig({ directory: first.directory, bytesMax: MB });
  first.lines("f", "the first");
  await first.query();
  for (let burst = 0; burst < 20; burst++) {
    for (const rig of [first, second]) {
      for (let index = 0; index < 250; index++) rig.lines("f", `line ${index} ${"x".repeat(300)}`);
      await rig.query({ limit: 1 });
      expect(first.bytes()).toBeLessThanOrEqual(MB);
    }
  }
  for (const rig of [first, second]) {
    const items = await rig.all();
    expect(countDense(items)).toBe(10_001);
    expect(items.filter(({ kind }) => kind === "missing")).toMatchObject([{ reason: "retention" }]);
  }
});

test("a follower at one sees what the other writes", async () => {
  await using first = new LogRig({ clock: systemClock });
  await using second = new LogRig({ directory: first.directory, clock: systemClock });
  second.lines("f", "before");
  await second.query();
  const leaving = new AbortController();
  const items = first.store.follow({}, leaving.signal)[Symbol.asyncIterator]();
  const next = items.next();
  // Asking waits until the follower has its place.
  await first.query();
  second.lines("f", "one");
  expect(textsOf([(await next).value as LogItem])).toEqual(["one"]);
  leaving.abort();
});

test("the half line of one that was killed spoils no line of the other", async () => {
  await using first = new LogRig();
  await using second = new LogRig({ directory: first.directory });
  second.lines("f", "one");
  await second.query();
  appendFileSync(join(first.directory, first.files()[0] ?? ""), '{"id":2,"time_ms":17000000');
  for (const rig of [first, second, first]) {
    rig.lines("f", "more");
    await rig.query();
  }
  const items = await second.all();
  expect([textsOf(items), countDense(items)]).toEqual([["one", "more", "more", "more"], 4]);
});

test("one that somebody stopped while it wrote keeps nobody waiting for long", async () => {
  await using rig = new LogRig();
  rig.lines("f", "one");
  await rig.query();
  const held = openSync(rig.directory, "r");
  expect(tryLock(held)).toBe("taken");
  rig.lines("f", "two");
  expect(textsOf((await rig.query()).items)).toEqual(["one"]);
  expect(rig.reports).toEqual(["Cannot write the log store"]);
  // As its end closes what it had open.
  closeSync(held);
  expect(textsOf(await rig.all())).toEqual(["one", "two"]);
});
