/** The part of the store's suite about watches: snapshot, sync, what follows, resuming, compaction, slow readers. */
import { expect, test } from "bun:test";
import type { StoreEvent } from "../core/store.ts";
import { STORE_LIMITS } from "../core/store_rules.ts";
import { Follower } from "./store_follower.ts";
import { bytesOf, refuses, type StoreFixture, textOf } from "./store_rig.ts";

/** An event in short: `put a/b = value`, `delete a/b`, `sync`, `reset`. */
function short(event: StoreEvent): string {
  if (event.type === "put") return `put ${event.key.join("/")} = ${textOf(event.value)}`;
  return event.type === "delete" ? `delete ${event.key.join("/")}` : event.type;
}

/** What a follower says that stands, in short. */
const standing = ({ state }: Follower) =>
  [...state].map(([key, { value }]) => `${(JSON.parse(key) as string[]).join("/")} = ${textOf(value)}`).sort();

/** The tests. */
export function testWatches(at: StoreFixture): void {
  testFollowing(at);
  testResuming(at);
  testSlowReaders(at);
  testEnding(at);
}

function testFollowing(at: StoreFixture): void {
  test("a watch gives what stands, sync, then what changes, from whichever process", async () => {
    const { store, other } = at;
    await store.put(["a", "1"], bytesOf("one"));
    await store.put(["a", "2"], bytesOf("two"));
    await store.put(["a", "3"], bytesOf("gone"));
    await store.delete(["a", "3"]);
    await store.put(["a"], bytesOf("itself"));
    await store.put(["ab"], bytesOf("another"));
    for (const watched of [store, other]) {
      await using follower = new Follower(watched, ["a"]);
      const snapshot = await follower.untilSync();
      expect(snapshot.map(short).sort()).toEqual(["put a = itself", "put a/1 = one", "put a/2 = two"]);
      await store.put(["ab", "x"], bytesOf("not seen"));
      await other.put(["a", "1"], bytesOf("uno"));
      expect((await follower.until(({ type }) => type === "put")).map(short)).toEqual(["put a/1 = uno"]);
      await store.delete(["a", "1"]);
      expect((await follower.until(({ type }) => type === "delete")).map(short)).toEqual(["delete a/1"]);
      await other.put(["a", "1"], bytesOf("one"));
      await follower.until(({ type }) => type === "put");
    }
  });

  test("a watch of nothing syncs at once, and an event has the revision of its write", async () => {
    await using follower = new Follower(at.store, []);
    expect(await follower.untilSync()).toEqual([]);
    const put = await at.other.put(["a"], bytesOf("1"));
    expect(await follower.next()).toEqual({ type: "put", key: ["a"], value: bytesOf("1"), revision: put });
    const deleted = await at.store.delete(["a"]);
    expect(await follower.next()).toEqual({ type: "delete", key: ["a"], revision: deleted });
  });

  test("sync says a revision that covers every write before the watch, also of other prefixes", async () => {
    await at.store.put(["a"], bytesOf("1"));
    const last = await at.store.put(["b"], bytesOf("2"));
    await using follower = new Follower(at.other, ["a"]);
    await follower.untilSync();
    expect(follower.reached).toBeGreaterThanOrEqual(last);
  });

  test("many watches see the same end", async () => {
    const followers = Array.from({ length: 40 }, (_, index) => new Follower(index % 2 ? at.store : at.other, ["k"]));
    await Promise.all(followers.map((follower) => follower.untilSync()));
    let last = 0;
    const reading = followers.map((follower) => follower.until((event) => short(event) === "put k/end = end"));
    for (let index = 0; index < 50; index += 1) await at.store.put(["k", String(index % 5)], bytesOf(String(index)));
    last = await at.other.put(["k", "end"], bytesOf("end"));
    await Promise.all(reading);
    for (const follower of followers) {
      expect(follower.reached).toBe(last);
      expect(standing(follower)).toEqual(["k/0 = 45", "k/1 = 46", "k/2 = 47", "k/3 = 48", "k/4 = 49", "k/end = end"]);
      await follower[Symbol.asyncDispose]();
    }
  });
}

function testResuming(at: StoreFixture): void {
  test("resuming tells what has changed since, deletes too, the last version at least, and sync", async () => {
    const { store, other } = at;
    await store.put(["a"], bytesOf("1"));
    await store.put(["b"], bytesOf("1"));
    const first = new Follower(store, []);
    await first.untilSync();
    await first[Symbol.asyncDispose]();
    for (const value of ["2", "3"]) await other.put(["a"], bytesOf(value));
    await other.delete(["b"]);
    await store.put(["c"], bytesOf("1"));
    await using second = new Follower(store, [], first.reached);
    const events = (await second.untilSync()).map(short).filter((event) => event !== "put a = 2");
    expect(events).toEqual(["put a = 3", "delete b", "put c = 1"]);
    await using third = new Follower(other, [], second.reached);
    expect(await third.untilSync()).toEqual([]);
    const revision = await store.put(["a"], bytesOf("4"));
    expect((await third.untilRevision(revision)).map(short)).toEqual(["put a = 4"]);
  });

  test("resuming behind what has been compacted says reset and gives a snapshot; at its edge it goes on", async () => {
    const { store, other } = at;
    await store.put(["a"], bytesOf("1"));
    const early = await store.put(["b"], bytesOf("1"));
    const deleted = await store.delete(["b"]);
    await store.put(["c"], bytesOf("1"));
    await other.compact(deleted);
    await using late = new Follower(store, [], early);
    expect((await late.untilSync()).map(short)).toEqual(["reset", "put a = 1", "put c = 1"]);
    await using edge = new Follower(store, [], deleted);
    expect((await edge.untilSync()).map(short)).toEqual(["put c = 1"]);
    expect((await store.list([])).map(({ key }) => key)).toEqual([["a"], ["c"]]);
  });

  test("compaction keeps what stands, forgets up to now at most, and is never taken back", async () => {
    const { store, other } = at;
    const first = await store.put(["a"], bytesOf("1"));
    const head = await store.delete(["b"]);
    await store.compact(head + 1000);
    await store.compact(0);
    const next = await store.put(["c"], bytesOf("1"));
    await using resumed = new Follower(other, [], head);
    expect((await resumed.untilSync()).map(short)).toEqual(["put c = 1"]);
    await using reset = new Follower(other, [], first);
    expect((await reset.untilSync()).map(short)).toEqual(["reset", "put a = 1", "put c = 1"]);
    await using fresh = new Follower(other, []);
    expect((await fresh.untilSync()).map(short).sort()).toEqual(["put a = 1", "put c = 1"]);
    expect(next).toBeGreaterThan(head);
  });

  test("a revision that the store has not reached is another store's: reset", async () => {
    const revision = await at.store.put(["a"], bytesOf("1"));
    await using follower = new Follower(at.store, [], revision + 5);
    expect((await follower.untilSync()).map(short)).toEqual(["reset", "put a = 1"]);
  });

  test("what is no prefix or no revision is refused", async () => {
    const { signal } = new AbortController();
    const first = (prefix: string[], from?: number) => Array.fromAsync(at.store.watch(prefix, { from, signal }));
    await refuses(first(["a", ""]), "bad_request", "segment 2 is empty");
    await refuses(first([], -1), "bad_request", "from -1");
  });
}

function testSlowReaders(at: StoreFixture): void {
  test("who reads slowly misses versions, never the last", async () => {
    await using follower = new Follower(at.other, ["k"]);
    await follower.untilSync();
    let revision = 0;
    for (let round = 0; round < 10; round += 1) {
      const writes = Array.from({ length: 50 }, (_, index) => at.store.put(["k"], bytesOf(`${round}/${index}`)));
      revision = (await Promise.all(writes)).at(-1) as number;
      await follower.next();
    }
    await follower.untilRevision(revision);
    expect(standing(follower)).toEqual(["k = 9/49"]);
  });

  test("what changes while a snapshot is read is told before sync", async () => {
    const { store, other } = at;
    const key = (index: number) => ["k", String(index).padStart(3, "0")];
    await Promise.all(Array.from({ length: 300 }, (_, index) => store.put(key(index), bytesOf("old"))));
    await using follower = new Follower(store, ["k"]);
    const told = await follower.next();
    const toldKey = told?.type === "put" ? told.key : [];
    await other.delete(toldKey);
    await other.put(key(299), bytesOf("new"));
    await other.put(key(150), bytesOf("new"));
    await other.put(key(300), bytesOf("new"));
    await follower.untilSync();
    const entries = await store.list(["k"]);
    expect(standing(follower)).toEqual(entries.map((entry) => `${entry.key.join("/")} = ${textOf(entry.value)}`));
    expect(entries).toHaveLength(300);
  });

  test("who is overtaken by a compaction gets reset, and ends with what stands", async () => {
    const { store, other } = at;
    for (const name of ["a", "b", "c"]) await store.put([name], bytesOf("1"));
    await using follower = new Follower(other, []);
    await follower.untilSync();
    await store.put(["c"], bytesOf("2"));
    await store.delete(["b"]);
    const head = await store.put(["d"], bytesOf("1"));
    await store.compact(head);
    await follower.until(({ type }) => type === "sync");
    expect([follower.resets, ...standing(follower)]).toEqual([1, "a = 1", "c = 2", "d = 1"]);
    const revision = await store.delete(["a"]);
    expect((await follower.untilRevision(revision)).map(short)).toEqual(["delete a"]);
  });

  test("a watch that waits while others compact goes on without reset", async () => {
    const { store, other } = at;
    await store.put(["a", "1"], bytesOf("1"));
    await using follower = new Follower(other, ["a"]);
    await follower.untilSync();
    const waiting = follower.next();
    const told = await store.delete(["a", "1"]);
    expect(await waiting).toEqual({ type: "delete", key: ["a", "1"], revision: told });
    await store.compact(told);
    await store.put(["a", "2"], bytesOf("2"));
    expect(short((await follower.next()) as StoreEvent)).toBe("put a/2 = 2");
  });
}

function testEnding(at: StoreFixture): void {
  test("a watch ends with its signal, waiting or not, with its reader, and with the store", async () => {
    await at.store.put(["a"], bytesOf("1"));
    const waiting = new Follower(at.store, []);
    await waiting.untilSync();
    const next = waiting.next();
    waiting.end();
    expect(await next).toBeUndefined();
    const reading = new Follower(at.store, []);
    await reading.next();
    reading.end();
    expect(await reading.next()).toBeUndefined();
    const signal = AbortSignal.abort();
    expect(await Array.fromAsync(at.store.watch([], { signal }))).toEqual([]);
    for await (const { type } of at.store.watch([], { signal: new AbortController().signal }))
      if (type === "sync") break;
    const closed = new Follower(at.store, []);
    await closed.untilSync();
    const last = closed.next();
    await at.store.close();
    expect(await last).toBeUndefined();
    expect(await new Follower(at.store, []).next()).toBeUndefined();
  });

  test("watches are bounded, and room is made by those that end", async () => {
    const followers = Array.from({ length: STORE_LIMITS.watchesMax }, () => new Follower(at.store, []));
    await Promise.all(followers.map((follower) => follower.untilSync()));
    await refuses(new Follower(at.store, []).next(), "overloaded", `${STORE_LIMITS.watchesMax} watches`);
    await followers.pop()?.[Symbol.asyncDispose]();
    await using another = new Follower(at.store, []);
    await another.untilSync();
    await refuses(new Follower(at.store, []).next(), "overloaded", `${STORE_LIMITS.watchesMax} watches`);
    await Promise.all(followers.map((follower) => follower[Symbol.asyncDispose]()));
  });
}
