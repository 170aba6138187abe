/**
 * A process of its own that uses the SQLite store, for tests that kill it, or that need several: `bun store_process.ts
 * TASK DIRECTORY SEED`. It ends when its standard input does, so that it never outlives the test.
 */
import { rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { IsopodError } from "../core/errors.ts";
import { Conflict, type Store } from "../core/store.ts";
import { hashOf } from "../stdx/hash.ts";
import { openSqliteStore } from "../store/sqlite/store.ts";
import { seededRandom } from "./seeded_random.ts";

/** What a writing process tells: a write of a key before it is asked for and once it is acknowledged, and blobs. */
export type Told =
  /** `hash` is of the value, undefined for a delete. */
  | { readonly type: "asked" | "made"; readonly name: string; readonly hash?: string }
  | { readonly type: "blob"; readonly hash: string };

/** What `fill` has found on a disk that is full. */
export interface FillReport {
  readonly acknowledged: number;
  readonly blobs: number;
  /** Small writes that were made although a large one of the same turn was refused. */
  readonly beside: number;
  /** Codes, or names, of the errors that writes and blobs were refused with. */
  readonly refusals: readonly string[];
  /** What had been acknowledged and is not there: before and after opening again. */
  readonly lost: readonly string[];
  /** Files beside whole blobs that are left. */
  readonly drafts: number;
}

/** Keys that a writing process uses, so that it writes each many times over. */
export const NAMES = 40;

const say = (line: unknown) => writeSync(1, `${JSON.stringify(line)}\n`);

/** Bytes that say themselves whether they are whole. */
function sealed(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(hashOf(bytes)), bytes]);
}

/** Whether `value` is whole. */
export function isWhole(value: Uint8Array): boolean {
  return Buffer.from(value.subarray(0, 71)).toString() === hashOf(value.subarray(71));
}

/** Writes without end, several at a time, and tells of each that has been acknowledged. */
async function write(store: Store, seed: number): Promise<void> {
  const random = seededRandom(seed);
  const change = async (lane: number): Promise<void> => {
    // A lane has its own keys, so that it knows which of its writes was the last.
    const name = String(lane + 4 * random.below(NAMES / 4));
    const choice = random.below(8);
    if (choice === 0) {
      const { hash } = await store.blobs.put(random.bytes(random.below(20_000)));
      say({ type: "blob", hash } satisfies Told);
      return;
    }
    const value = choice === 1 ? undefined : sealed(random.bytes(random.below(6000)));
    const told = { name, ...(value && { hash: hashOf(value) }) };
    say({ type: "asked", ...told } satisfies Told);
    await (value === undefined ? store.delete(["k", name]) : store.put(["k", name], value));
    say({ type: "made", ...told } satisfies Told);
  };
  await Promise.all(
    [0, 1, 2, 3].map(async (lane) => {
      for (;;) await change(lane);
    }),
  );
}

/** Counts up by compare-and-set. */
async function count(store: Store, times: number): Promise<void> {
  for (let done = 0; done < times; ) {
    const entry = await store.get(["count"], { fresh: true });
    const next = Buffer.from(String(1 + Number(Buffer.from(entry?.value ?? []).toString())));
    try {
      await store.put(["count"], next, { ifRevision: entry?.revision ?? 0 });
      done += 1;
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
    }
  }
  say({ type: "counted" });
}

/** Follows everything, says when it has begun, and what stands once the key `end` is there. */
async function watch(store: Store): Promise<void> {
  const state: Record<string, string> = {};
  for await (const event of store.watch([], { signal: new AbortController().signal })) {
    if (event.type === "sync") say({ type: "synced" });
    if (event.type === "put") state[event.key.join("/")] = Buffer.from(event.value).toString();
    if (event.type === "delete") delete state[event.key.join("/")];
    if (event.type === "put" && event.key[0] === "end") break;
  }
  say(state);
}

/** Fills the disk that `directory` stands on, makes room, and looks at what is left. */
async function fill(directory: string, seed: number): Promise<void> {
  const ballast = join(directory, "ballast");
  writeFileSync(ballast, new Uint8Array(512 * 1024));
  const random = seededRandom(seed);
  const place = join(directory, "store");
  let store = openSqliteStore({ directory: place });
  const values = new Map<string, string>();
  const blobs: string[] = [];
  const refusals: string[] = [];
  const lost: string[] = [];
  let beside = 0;
  const refused = (error: unknown) => refusals.push(error instanceof IsopodError ? error.code : (error as Error).name);
  const look = async () => {
    for (const [name, hash] of values) {
      const entry = await store.get(["k", name]);
      if (hashOf(entry?.value ?? "") !== hash) lost.push(name);
    }
    for (const hash of blobs) if ((await store.blobs.read(hash)) === undefined) lost.push(hash);
  };
  for (let index = 0; refusals.length < 20; index += 1) {
    const names = [`${index}-small`, `${index}-large`] as const;
    await Promise.all(
      names.map(async (name, at) => {
        const value = random.bytes(at === 0 ? 100 : 100_000);
        await store.put(["k", name], value).then(() => values.set(name, hashOf(value)), refused);
      }),
    );
    if (values.has(names[0]) && !values.has(names[1])) beside += 1;
    await store.blobs.put(random.bytes(10_000)).then(({ hash }) => blobs.push(hash), refused);
  }
  await look();
  await store.close();
  rmSync(ballast);
  store = openSqliteStore({ directory: place });
  await look();
  await store.put(["after"], new Uint8Array(1000));
  await store.blobs.put(random.bytes(1000));
  await store.close();
  const drafts = [...new Bun.Glob("blobs/drafts/*").scanSync(place)].length;
  say({
    acknowledged: values.size,
    blobs: blobs.length,
    beside,
    refusals: [...new Set(refusals)],
    lost,
    drafts,
  } satisfies FillReport);
}

if (import.meta.main) {
  const [, , task = "", directory = "", seed = "0"] = process.argv;
  process.stdin.on("end", () => process.exit()).resume();
  if (task === "fill") {
    await fill(directory, Number(seed));
  } else {
    const store = openSqliteStore({ directory });
    if (task === "write") await write(store, Number(seed));
    else if (task === "count") await count(store, Number(seed));
    else if (task === "watch") await watch(store);
    else throw new Error(`Cannot run the task "${task}"`);
    await store.close();
  }
  process.exit();
}
