/** What a server knows of its store: bad entries are skipped, a lost watch is begun again, changes are waited for. */
import { expect, test } from "bun:test";
import type { StoreEvent } from "../../core/store.ts";
import { FakeClock, settle } from "../../testing/fake_clock.ts";
import { MemoryContents, MemoryStore } from "../../testing/memory_store.ts";
import { toBytes } from "../deploy/records.ts";
import { type RecordChange, Replica } from "./replica.ts";

/** A store whose watches can be cut. */
class CutStore extends MemoryStore {
  cut = new AbortController();
  watches = 0;

  override watch(
    prefix: readonly string[],
    options: { from?: number | undefined; signal: AbortSignal },
  ): AsyncGenerator<StoreEvent> {
    this.watches += 1;
    return super.watch(prefix, { ...options, signal: AbortSignal.any([options.signal, this.cut.signal]) });
  }
}

async function withReplica(
  run: (world: {
    store: CutStore;
    replica: Replica;
    clock: FakeClock;
    heard: string[];
    reports: string[];
  }) => Promise<void>,
) {
  const contents = new MemoryContents();
  const store = new CutStore(contents);
  const clock = new FakeClock();
  const heard: string[] = [];
  const reports: string[] = [];
  const replica = new Replica(store, clock, {
    changed: (changes: readonly RecordChange[]) => void heard.push(...changes.map(({ key }) => key.join("/"))),
    audited: ({ what }) => void heard.push(`audit ${what}`),
    report: (message) => void reports.push(message),
  });
  await store.put(["projects", "early"], toBytes({ createdAt: 1 }));
  await store.put(["projects", "bad"], toBytes({ createdAt: "yesterday" }));
  await store.put(["plans", "worse"], new Uint8Array([1, 2, 3]));
  await replica.open();
  try {
    await run({ store, replica, clock, heard, reports });
  } finally {
    await replica.close();
    await store.close();
  }
}

test("entries that cannot be read are reported and skipped, the others are there", async () => {
  await withReplica(async ({ replica, heard, reports }) => {
    expect(heard).toEqual(["projects/early"]);
    expect(replica.all("projects").map(({ key }) => key[1])).toEqual(["early"]);
    expect(reports).toEqual([
      "An entry of the store cannot be read and is skipped",
      "An entry of the store cannot be read and is skipped",
    ]);
  });
});

test("a change is known when its revision has been reached, and a delete as well", async () => {
  await withReplica(async ({ store, replica, heard }) => {
    const revision = await store.put(["projects", "late"], toBytes({ createdAt: 2 }));
    await replica.reached(revision);
    expect(replica.get("projects", "late")).toMatchObject({ value: { createdAt: 2 }, revision });
    await replica.reached(await store.delete(["projects", "late"]));
    expect(replica.get("projects", "late")).toBeUndefined();
    expect(heard).toEqual(["projects/early", "projects/late", "projects/late"]);
  });
});

test("a revision that does not come back is said to be unavailable", async () => {
  await withReplica(async ({ replica, clock }) => {
    const waiting = replica.reached(1_000_000).catch((error: { code: string }) => error.code);
    await clock.advance(10_000);
    expect(await waiting).toBe("store_unavailable");
  });
});

test("while the watch is lost everything stays known, and it goes on where it was", async () => {
  await withReplica(async ({ store, replica, clock, heard }) => {
    store.cut.abort();
    await settle();
    store.cut = new AbortController();
    const revision = await store.put(["projects", "meanwhile"], toBytes({ createdAt: 3 }));
    await store.delete(["projects", "early"]);
    expect(replica.get("projects", "early")).toBeDefined();
    await clock.advance(500);
    await replica.reached(revision + 1);
    expect([replica.get("projects", "early"), replica.get("projects", "meanwhile") !== undefined]).toEqual([
      undefined,
      true,
    ]);
    expect(heard.slice(1).sort()).toEqual(["projects/early", "projects/meanwhile"]);
    expect(store.watches).toBe(2);
  });
});

test("a history that was compacted away is read anew, and what is gone meanwhile goes", async () => {
  await withReplica(async ({ store, replica, clock }) => {
    store.cut.abort();
    await settle();
    store.cut = new AbortController();
    await store.delete(["projects", "early"]);
    const revision = await store.put(["projects", "new"], toBytes({ createdAt: 4 }));
    await store.compact(revision);
    await clock.advance(500);
    await replica.reached(revision);
    expect(replica.all("projects").map(({ key }) => key[1])).toEqual(["new"]);
  });
});
