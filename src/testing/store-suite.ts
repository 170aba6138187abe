/**
 * The conformance suite of the store port: every guarantee that stands in `core/store.ts`, and no other.
 *
 * An implementation's test calls `testStore`; what only it promises (files, crashes, full disks) is its own tests'.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Clock } from "../core/clock.ts";
import { Conflict, type Store, type StoreKey } from "../core/store.ts";
import { STORE_LIMITS } from "../core/store_rules.ts";
import { FakeClock } from "./fake_clock.ts";
import { compareKeys } from "./key_order.ts";
import { bytesOf, refuses, type StoreFixture, type StoreRig, textOf } from "./store_rig.ts";
import { testBlobs } from "./store-blob-suite.ts";
import { testModel } from "./store-model-suite.ts";
import { testWatches } from "./store-watch-suite.ts";

/** The suite. @param create makes a new and empty store */
export function testStore(name: string, create: (clock: Clock) => StoreRig): void {
  describe(`${name} store`, () => {
    const at = {} as StoreFixture;
    let rig: StoreRig;
    beforeEach(() => {
      at.clock = new FakeClock();
      rig = create(at.clock);
      at.open = () => rig.open();
      at.store = rig.open();
      at.other = rig.open();
    });
    afterEach(() => rig.remove());
    testEntries(at);
    testRaces(at);
    testListing(at);
    testRefusals(at);
    testWatches(at);
    testBlobs(at);
    testModel(at);
  });
}

function testEntries(at: StoreFixture): void {
  test("what was written is read, by every opening, and what was deleted is not", async () => {
    const { store, other } = at;
    expect(await store.get(["a"])).toBeUndefined();
    const revision = await store.put(["a"], bytesOf("one"));
    const entry = { key: ["a"], value: bytesOf("one"), revision };
    expect(await store.get(["a"], { fresh: true })).toEqual(entry);
    expect(await other.get(["a"], { fresh: true })).toEqual(entry);
    await other.delete(["a"]);
    expect(await store.get(["a"], { fresh: true })).toBeUndefined();
    expect(await store.list([])).toEqual([]);
  });

  test("revisions grow over all keys, and a delete consumes one, also of what is not there", async () => {
    const { store, other } = at;
    const revisions = [
      await store.put(["a"], bytesOf("1")),
      await other.put(["b"], bytesOf("2")),
      await store.put(["a"], bytesOf("3")),
      await other.delete(["a"]),
      await store.delete(["a"]),
      await store.delete(["never"]),
      await store.put(["a"], bytesOf("4")),
    ];
    expect(revisions[0]).toBeGreaterThan(0);
    expect(revisions).toEqual([...new Set(revisions)].sort((first, second) => first - second));
    const head = revisions.at(-1) as number;
    await store.delete(["a"]);
    await store.compact(head + 1);
    expect(await store.put(["b"], bytesOf("5"))).toBeGreaterThan(head + 1);
  });

  test("a value is any bytes: none, all, and as many as the bound", async () => {
    const { store, other } = at;
    const values = [new Uint8Array(), Uint8Array.from({ length: 256 }, (_, byte) => byte)];
    values.push(new Uint8Array(STORE_LIMITS.valueBytesMax).fill(7));
    for (const [index, value] of values.entries()) {
      await store.put(["v", String(index)], value);
      expect((await other.get(["v", String(index)], { fresh: true }))?.value).toEqual(value);
    }
    expect((await store.list(["v"])).map(({ value }) => value.length)).toEqual([0, 256, STORE_LIMITS.valueBytesMax]);
  });

  test("a value is what it was when the write was asked for, and what is read is the reader's", async () => {
    const value = bytesOf("before");
    const written = at.store.put(["a"], value);
    value.fill(0);
    await written;
    const read = await at.store.get(["a"]);
    expect(textOf(read?.value)).toBe("before");
    read?.value.fill(0);
    expect(textOf((await at.store.get(["a"]))?.value)).toBe("before");
  });

  test("compare-and-set: the entry's revision, or 0 for none, else Conflict and nothing happens", async () => {
    const { store, other } = at;
    const put = (ifRevision: number) => store.put(["a"], bytesOf(`if ${ifRevision}`), { ifRevision });
    await conflicts(put(1));
    const first = await put(0);
    await conflicts(put(0));
    const second = await other.put(["a"], bytesOf("second"), { ifRevision: first });
    await conflicts(put(first));
    await conflicts(put(second + 1));
    expect(await other.get(["a"], { fresh: true })).toMatchObject({ value: bytesOf("second"), revision: second });
    await conflicts(store.delete(["a"], { ifRevision: first }));
    await conflicts(store.delete(["a"], { ifRevision: 0 }));
    const gone = await store.delete(["a"], { ifRevision: second });
    for (const revision of [second, gone]) await conflicts(put(revision));
    for (const revision of [second, gone, 0]) await conflicts(store.delete(["a"], { ifRevision: revision }));
    expect(await put(0)).toBeGreaterThan(gone);
  });
}

function testRaces(at: StoreFixture): void {
  test("30 writers on one key have one winner, 30 times", async () => {
    const stores = [at.store, at.other, at.open()];
    let ifRevision = 0;
    for (let round = 0; round < 30; round += 1) {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 30 }, (_, writer) =>
          (stores[writer % 3] as Store).put(["key"], bytesOf(`${round}/${writer}`), { ifRevision }),
        ),
      );
      const winners = outcomes.flatMap((outcome, writer) =>
        outcome.status === "fulfilled" ? [{ writer, revision: outcome.value }] : [],
      );
      const losers = outcomes.filter((outcome) => outcome.status === "rejected" && outcome.reason instanceof Conflict);
      expect([winners.length, losers.length]).toEqual([1, 29]);
      const [winner] = winners;
      const entry = await at.store.get(["key"], { fresh: true });
      expect([textOf(entry?.value), entry?.revision]).toEqual([`${round}/${winner?.writer}`, winner?.revision]);
      ifRevision = entry?.revision ?? 0;
    }
  });

  test("counting by compare-and-set loses nothing", async () => {
    const stores = [at.store, at.other];
    const count = async (store: Store): Promise<void> => {
      for (let done = 0; done < 20; ) {
        const entry = await store.get(["count"], { fresh: true });
        const next = bytesOf(String(Number(textOf(entry?.value) ?? 0) + 1));
        try {
          await store.put(["count"], next, { ifRevision: entry?.revision ?? 0 });
          done += 1;
        } catch (error) {
          if (!(error instanceof Conflict)) throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, writer) => count(stores[writer % 2] as Store)));
    expect(textOf((await at.store.get(["count"], { fresh: true }))?.value)).toBe("160");
  });

  test("writes of one turn have an outcome each", async () => {
    const { store } = at;
    const outcomes = await Promise.allSettled([
      store.put(["a"], bytesOf("1"), { ifRevision: 0 }),
      store.put(["a"], bytesOf("2"), { ifRevision: 0 }),
      store.put(["b"], bytesOf("3")),
      store.put([], bytesOf("4")),
      store.delete(["c"], { ifRevision: 9 }),
    ]);
    expect(outcomes.map(({ status }) => status).join()).toBe("fulfilled,rejected,fulfilled,rejected,rejected");
    expect(textOf((await store.get(["a"]))?.value)).toBe("1");
    expect(textOf((await store.get(["b"]))?.value)).toBe("3");
  });
}

/** Keys that a careless encoding mixes up. */
const KEYS: readonly StoreKey[] = [
  ["a"],
  ["a", "b"],
  ["a", "b", "c"],
  ["ab"],
  ["a/b"],
  ["a.b"],
  ["a*", ">"],
  ["a\0"],
  ["a\0", "b"],
  ["a\0b"],
  ["a", "\0"],
  ["a", "\0\0b"],
  ["a\u0001"],
  ["\0"],
  [" "],
  ["ä", "€"],
  ["\uffff"],
  ["\u{10000}"],
  ["a", "\u{1f98a}"],
  ["A"],
];

function testListing(at: StoreFixture): void {
  test("a listing has the keys that begin with the prefix's segments, in order", async () => {
    for (const key of KEYS) await at.store.put(key, bytesOf(JSON.stringify(key)));
    const sorted = [...KEYS].sort(compareKeys);
    for (const prefix of [[], ...KEYS]) {
      const expected = sorted.filter((key) => prefix.every((segment, index) => key[index] === segment));
      const found = await at.other.list(prefix);
      expect(found.map(({ key }) => key)).toEqual(expected);
      for (const { key, value } of found) expect(textOf(value)).toBe(JSON.stringify(key));
    }
    for (const key of KEYS) expect(textOf((await at.other.get(key))?.value)).toBe(JSON.stringify(key));
    await at.store.delete(["a"]);
    expect(await at.store.list(["a"])).toHaveLength(5);
  });

  test("a listing goes on behind a key, which need not be there, and stops at its limit", async () => {
    for (const key of KEYS) await at.store.put(key, bytesOf("x"));
    const sorted = [...KEYS].sort(compareKeys);
    for (const limit of [1, 3, 1000]) {
      const paged: StoreKey[] = [];
      for (let after: StoreKey | undefined; ; after = paged.at(-1)) {
        const page = await at.store.list([], { after, limit });
        expect(page.length).toBeLessThanOrEqual(limit);
        if (page.length === 0) break;
        paged.push(...page.map(({ key }) => key));
      }
      expect(paged).toEqual(sorted);
    }
    const behind = await at.store.list(["a"], { after: ["a", "aa"] });
    expect(behind.map(({ key }) => key)).toEqual([
      ["a", "b"],
      ["a", "b", "c"],
      ["a", "\u{1f98a}"],
    ]);
    expect(await at.store.list(["a"], { after: ["b"] })).toEqual([]);
    expect(await at.store.list(["a"], { after: ["A"] })).toHaveLength(6);
  });

  test("a listing holds so many bytes at most, and goes on behind them", async () => {
    const value = new Uint8Array(STORE_LIMITS.valueBytesMax);
    const count = STORE_LIMITS.listBytesMax / value.length + 1;
    await Promise.all(Array.from({ length: count }, (_, index) => at.store.put(["v", String(100 + index)], value)));
    const first = await at.store.list(["v"]);
    expect(first).toHaveLength(count - 1);
    const second = await at.store.list(["v"], { after: first.at(-1)?.key });
    expect(second.map(({ key }) => key)).toEqual([["v", String(99 + count)]]);
  });
}

function testRefusals(at: StoreFixture): void {
  test("keys, values, conditions and limits that are none are refused by name", async () => {
    const { store } = at;
    const x = bytesOf("x");
    const long = "é".repeat(STORE_LIMITS.keyBytesMax / 2);
    const keys: [StoreKey, string][] = [
      [[], "expected at least one segment"],
      [["a", ""], "segment 2 is empty"],
      [["\ud800"], "segment 1 is not valid Unicode"],
      [Array.from({ length: 17 }, () => "a"), "17 segments are over 16"],
      [[long], "its 1025 bytes are over 1024"],
    ];
    for (const [key, why] of keys) {
      for (const call of [() => store.get(key), () => store.put(key, x), () => store.delete(key)]) {
        await refuses(call(), "bad_request", why);
      }
      if (key.length > 0) await refuses(store.list(key), "bad_request", why);
    }
    await store.put([`${long.slice(1)}x`], x);
    const large = new Uint8Array(STORE_LIMITS.valueBytesMax + 1);
    await refuses(store.put(["a"], large), "value_too_large", 'Cannot write ["a"]: its 1048577 bytes are over 1048576');
    for (const ifRevision of [-1, 1.5, Number.NaN]) {
      await refuses(store.put(["a"], x, { ifRevision }), "bad_request", `ifRevision ${ifRevision}`);
      await refuses(store.delete(["a"], { ifRevision }), "bad_request", `ifRevision ${ifRevision}`);
      await refuses(store.compact(ifRevision), "bad_request", `revision ${ifRevision}`);
    }
    for (const limit of [0, 1001, 1.5]) await refuses(store.list([], { limit }), "bad_request", `${limit} entries`);
    expect(await store.get(["a"])).toBeUndefined();
  });

  test("closing makes what was asked for, and refuses the rest", async () => {
    const writes = Array.from({ length: 20 }, (_, index) => at.store.put([String(index)], bytesOf("x")));
    const closing = at.store.close();
    expect(at.store.close()).resolves.toBeUndefined();
    await closing;
    await Promise.all(writes);
    expect(await at.other.list([])).toHaveLength(20);
    await refuses(at.store.get(["0"]), "draining", "it is closed");
    await refuses(at.store.put(["0"], bytesOf("y")), "draining", "it is closed");
    await refuses(at.store.list([]), "draining", "it is closed");
    await refuses(at.store.compact(1), "draining", "it is closed");
    await refuses(at.store.blobs.put(bytesOf("y")), "draining", "it is closed");
  });
}

async function conflicts(change: Promise<number>): Promise<void> {
  expect(await change.catch((error: unknown) => error)).toBeInstanceOf(Conflict);
}
