/** The log store through its port: questions, restarts, and the bounds, which all say what is missing. */
import { expect, test } from "bun:test";
import { appendFileSync, readFileSync, rmSync, symlinkSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { IsopodError } from "../core/errors.ts";
import { countDense, finishedRequest, LogRig, sourceOf, textsOf } from "../testing/log_rig.ts";
import { openLogStore } from "./log_store.ts";

const MB = 1024 * 1024;
/** Characters of a record's text that are kept. */
const KEPT = 48 * 1024;

test("a record an invocation, with why it failed and which limit struck", async () => {
  await using rig = new LogRig();
  const { store } = rig;
  store.finished(finishedRequest("a", { project: "shop", version: "sha256-1" }));
  const limit = { name: "cpuMs", value: 100 };
  store.finished(finishedRequest("b", { status: 500, error: new IsopodError("cpu_limit", { limit }) }));
  const stack = "Error: broken\n    at f.ts:1:2";
  const thrown = new IsopodError("uncaught_exception", { message: "Error: broken", stack });
  store.finished(finishedRequest("c", { status: 500, error: thrown }));
  store.finished(finishedRequest("d", { status: 500, error: new IsopodError("internal", { cause: "a secret" }) }));
  // It reached nobody's program, so it is nobody's.
  store.finished(finishedRequest("-", { functionName: undefined, figures: undefined, status: 404 }));
  const { items, missing, newestId } = await rig.query();
  expect({ missing, newestId, count: items.length }).toEqual({ missing: 0, newestId: 7, count: 7 });
  expect(items[0]).toEqual({
    ...{ id: 1, time_ms: 1_700_000_000_002, kind: "invocation", level: "info", request_id: "r-a" },
    ...{ project: "shop", function: "a", version: "sha256-1", text: "GET /a 200", method: "GET", path: "/a" },
    ...{ status: 200, duration_ms: 1.5, wall_ms: 1.25, cpu_ms: 0.5, memory_bytes: 1024, response_bytes: 5 },
    ...{ log_bytes: 7, egress_calls: 2, cold: true },
  });
  expect(items[1]).toMatchObject({ kind: "limit", level: "error", code: "cpu_limit", limit });
  expect(items[2]).toMatchObject({ kind: "invocation", status: 500, code: "cpu_limit", limit });
  expect(items[3]).toMatchObject({ kind: "error", text: stack });
  expect(JSON.stringify(items)).not.toContain("a secret");
});

test("each condition finds what it means and nothing else, in both orders", async () => {
  await using rig = new LogRig();
  const { store, clock } = rig;
  const at: number[] = [];
  for (const [index, level] of (["debug", "info", "warn", "error"] as const).entries()) {
    at.push(clock.wallNow());
    const source = sourceOf(`f${index}`, { project: `p${index % 2}`, version: `v${index}` });
    store.line(source, { level, text: `text ${index} with "quotes" and ${"ab".repeat(index)}` });
    await clock.advance(1000);
  }
  const ask = async (query: Parameters<LogRig["query"]>[0]) => (await rig.query(query)).items.map(({ id }) => id);
  expect(await ask({ function: "f2" })).toEqual([3]);
  expect(await ask({ project: "p1" })).toEqual([2, 4]);
  expect(await ask({ project: "p1", order: "newest" })).toEqual([4, 2]);
  expect(await ask({ version: "v0" })).toEqual([1]);
  expect(await ask({ requestId: "r-f1" })).toEqual([2]);
  expect(await ask({ requestId: "r-f" })).toEqual([]);
  expect(await ask({ level: "warn" })).toEqual([3, 4]);
  expect(await ask({ level: "info" })).toEqual([2, 3, 4]);
  expect(await ask({ text: '"quotes"' })).toEqual([1, 2, 3, 4]);
  expect(await ask({ text: "abab", level: "error" })).toEqual([4]);
  expect(await ask({ text: '"function":"f1"' })).toEqual([]);
  expect(await ask({ fromMs: at[1], toMs: at[2] })).toEqual([2, 3]);
  expect(await ask({ order: "newest", function: "nobody" })).toEqual([]);
});

test("pages follow each other without overlap, over many files", async () => {
  await using rig = new LogRig({ bytesMax: 8 * MB });
  for (let index = 0; index < 5000; index++) rig.lines("f", `line ${index} ${"x".repeat(200)}`);
  await rig.query({ limit: 1 });
  expect(rig.files().length).toBeGreaterThan(2);
  const oldest = await rig.all({ limit: 777 });
  expect(countDense(oldest)).toBe(5000);
  const newest = await rig.all({ order: "newest", limit: 777 });
  expect(newest.reverse()).toEqual(oldest);
  expect((await rig.query({ cursor: 2500, limit: 2 })).items.map(({ id }) => id)).toEqual([2501, 2502]);
  expect((await rig.query({ cursor: 2500, limit: 2, order: "newest" })).items.map(({ id }) => id)).toEqual([
    2499, 2498,
  ]);
  expect((await rig.query({ cursor: 5000 })).next).toBeUndefined();
});

test("a restart goes on where it ended; a line that was written half does not count", async () => {
  await using rig = new LogRig();
  rig.lines("f", "one", "two");
  await rig.restart();
  rig.lines("f", "three");
  await rig.restart();
  const [name = ""] = rig.files();
  await rig.store.close();
  appendFileSync(join(rig.directory, name), '{"id":4,"time_ms":17000000');
  await rig.restart();
  rig.lines("f", "four");
  expect(textsOf(await rig.all())).toEqual(["one", "two", "three", "four"]);
  await rig.store.close();
  // What a power cut leaves: a file that has its length already, and not yet its contents.
  appendFileSync(join(rig.directory, rig.files().at(-1) ?? ""), Buffer.alloc(900_000));
  await rig.restart();
  rig.lines("f", "five");
  await rig.restart();
  rig.lines("f", "six");
  expect(textsOf(await rig.all())).toEqual(["one", "two", "three", "four", "five", "six"]);
  expect(countDense(await rig.all())).toBe(6);
  expect(rig.files()).toHaveLength(3);
});

test("a second store in the same folder that only looks spoils nothing; files that somebody removed are a gap", async () => {
  await using rig = new LogRig();
  rig.lines("f", "one");
  await rig.query();
  const { directory, clock } = rig;
  const second = openLogStore({ directory, clock, bytesMax: MB, ageMs: 3_600_000, report: () => {} });
  rig.lines("f", "two");
  expect(textsOf(await rig.all())).toEqual(["one", "two"]);
  await second.close();
  for (const file of rig.files()) rmSync(join(directory, file));
  rig.lines("f", "three");
  const items = await rig.all();
  expect([countDense(items), textsOf(items)]).toEqual([3, ["-2", "three"]]);
  expect(items[0]).toMatchObject({ reason: "damage" });
  expect((await rig.query({ order: "newest" })).missing).toBe(2);
  await rig.restart();
  rig.lines("f", "four");
  expect(textsOf(await rig.all())).toContain("four");
});

test("what cannot be read in the middle is said to be missing", async () => {
  await using rig = new LogRig({ bytesMax: 2 * MB });
  for (let index = 0; index < 1000; index++) rig.lines("f", `line ${index} ${"x".repeat(500)}`);
  await rig.query({ limit: 1 });
  const [, second = ""] = rig.files();
  const size = readFileSync(join(rig.directory, second)).length;
  await rig.store.close();
  truncateSync(join(rig.directory, second), Math.floor(size / 2));
  await rig.restart();
  const items = await rig.all();
  expect(countDense(items)).toBe(1000);
  const gaps = items.filter(({ kind }) => kind === "missing");
  expect(gaps).toMatchObject([{ reason: "damage" }]);
});

test("by size the oldest leave, and their number is told", async () => {
  await using rig = new LogRig({ bytesMax: MB });
  for (let burst = 0; burst < 20; burst++) {
    for (let index = 0; index < 500; index++) rig.lines("f", `line ${index} ${"x".repeat(300)}`);
    await rig.query({ limit: 1 });
    expect(rig.bytes()).toBeLessThanOrEqual(MB);
  }
  const items = await rig.all();
  expect(countDense(items)).toBe(10_000);
  expect(items[0]).toMatchObject({ kind: "missing", reason: "retention" });
  expect(items.filter(({ kind }) => kind === "missing")).toHaveLength(1);
  const newest = await rig.all({ order: "newest" });
  expect(newest.at(-1)).toEqual(items[0] as (typeof items)[number]);
  const { missing } = await rig.query({ cursor: 10, limit: 1 });
  expect(missing).toBe((items[0]?.id ?? 0) - 10);
  await rig.restart();
  expect(countDense(await rig.all())).toBe(10_000);
});

test("by age the oldest leave, also when nothing more is written, and ids are never used again", async () => {
  const HOUR_MS = 3_600_000;
  await using rig = new LogRig({ ageMs: 8 * HOUR_MS });
  rig.lines("f", "old");
  await rig.query();
  await rig.clock.advance(5 * HOUR_MS);
  rig.lines("f", "young");
  await rig.query();
  await rig.clock.advance(5 * HOUR_MS);
  const { items, missing } = await rig.query();
  expect([textsOf(items), missing]).toEqual([["-1", "young"], 1]);
  await rig.clock.advance(10 * HOUR_MS);
  expect(textsOf((await rig.query()).items)).toEqual(["-2"]);
  expect(rig.bytes()).toBe(0);
  await rig.restart();
  rig.lines("f", "new");
  expect((await rig.query({ cursor: 2 })).items).toMatchObject([{ id: 3, text: "new" }]);
  // A question that does not reach back to what has left has nothing missing.
  expect((await rig.query({ fromMs: rig.clock.wallNow() })).missing).toBe(0);
});

test("a flood is cut and counted; it costs another function nothing", async () => {
  await using rig = new LogRig({ pendingBytesMax: MB });
  for (let index = 0; index < 100_000; index++) rig.lines("flood", `line ${index}`);
  rig.lines("quiet", "heard");
  rig.store.finished(finishedRequest("quiet"));
  rig.store.finished(finishedRequest("flood"));
  const items = await rig.all();
  expect(countDense(items)).toBe(100_003);
  const gaps = items.filter(({ kind }) => kind === "missing");
  expect(gaps).toMatchObject([{ function: "flood", reason: "overload" }]);
  expect(textsOf((await rig.query({ function: "quiet" })).items)).toEqual(["heard", "GET /quiet 200"]);
  const asked = await rig.query({ function: "flood", text: "GET", order: "newest" });
  expect(asked.items).toHaveLength(2);
  expect(asked.missing).toBe(gaps.reduce((sum, gap) => sum + (gap.kind === "missing" ? gap.missing : 0), 0));
  // It goes on as if nothing had been.
  rig.lines("flood", "calm");
  expect((await rig.query({ order: "newest", limit: 1 })).items).toMatchObject([{ text: "calm", id: 100_004 }]);
});

test("whatever a program writes is one bounded line, and looks like nothing else", async () => {
  await using rig = new LogRig();
  const nasty = [
    'a\nb\r\n{"id":99,"kind":"missing","missing":7}',
    '"kind":"missing"',
    "\u0000\u0007\u001b[2J\u2028\u2029",
    "\ud800 alone",
    "",
  ];
  rig.lines("f", ...nasty, "\u0001".repeat(MB), "😀".repeat(MB));
  const { items, missing } = await rig.query();
  expect(missing).toBe(0);
  expect(textsOf(items.slice(0, 5))).toEqual(nasty.with(3, "\ufffd alone"));
  expect(items[5]).toMatchObject({ text: "\u0001".repeat(KEPT), cut: MB - KEPT });
  expect(items[6]).toMatchObject({ text: "😀".repeat(KEPT / 2), cut: 2 * MB - KEPT });
  const [name = ""] = rig.files();
  expect(readFileSync(join(rig.directory, name), "utf8").split("\n")).toHaveLength(8);
  expect(textsOf((await rig.query({ text: "b\r\n{" })).items)).toEqual([nasty[0] ?? ""]);
  rig.store.finished(finishedRequest("f", { path: `/${"y".repeat(MB)}`, method: "M".repeat(MB) }));
  const last = await rig.query({ order: "newest", limit: 1 });
  expect(JSON.stringify(last).length).toBeLessThan(10_000);
});

test("a disk that is full is reported once, nobody waits for it, and nothing grows", async () => {
  await using rig = new LogRig();
  await rig.store.close();
  symlinkSync("/dev/full", join(rig.directory, "0000000000000001.jsonl"));
  await rig.restart();
  for (let round = 0; round < 3; round++) {
    rig.lines("f", "lost", "too");
    expect((await rig.query()).items).toEqual([]);
  }
  expect(rig.reports).toEqual(["Cannot write the log store"]);
});
