/** What stands on the disk: who may read it, what is refused when it is opened, what is not seen, what is damaged. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Store } from "../../core/store.ts";
import { STORE_LIMITS } from "../../core/store_rules.ts";
import { hashOf } from "../../stdx/hash.ts";
import { refuses } from "../../testing/store_rig.ts";
import { openSqliteStore } from "./store.ts";

let directory = "";
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), "isopod-store-")), "data", "store");
});
afterEach(() => rmSync(join(directory, "../.."), { recursive: true }));

const HELLO = Buffer.from("hello");
const HASH = hashOf(HELLO);
const DAY_MS = 24 * 60 * 60 * 1000;

/** Opens the store, and closes it again after `use`. */
async function withStore(use: (store: Store) => Promise<unknown>): Promise<void> {
  const store = openSqliteStore({ directory });
  try {
    await use(store);
  } finally {
    await store.close();
  }
}

const file = () => join(directory, "store.sqlite");
const blobPath = (hash = HASH) => join(directory, "blobs", hash.slice(7, 9), hash.slice(7));

/** Expects that opening is refused, with a message that names the file and holds `words`. */
function refusesToOpen(words: string | RegExp): void {
  let error: unknown;
  try {
    openSqliteStore({ directory });
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toMatchObject({ code: "store_unusable" });
  expect((error as Error).message).toContain(`Cannot open the store ${file()}`);
  expect((error as Error).message).toMatch(words);
}

/** Changes the file as another program would. */
function alter(sql: string): void {
  const database = new DatabaseSync(file());
  database.exec(sql);
  database.close();
}

test("only the owner may read it, whatever the umask and whatever was there", async () => {
  const before = process.umask(0);
  try {
    await withStore(async (store) => {
      await store.put(["a"], HELLO);
      await store.blobs.put(HELLO);
      for (const name of ["", ...readdirSync(directory, { recursive: true })]) {
        const { mode } = statSync(join(directory, String(name)));
        expect([name, mode & 0o077]).toEqual([name, 0]);
      }
    });
    chmodSync(file(), 0o644);
    await withStore(async () => expect(statSync(file()).mode & 0o777).toBe(0o600));
  } finally {
    process.umask(before);
  }
});

test("what was written is there when it is opened again, and revisions go on", async () => {
  let revision = 0;
  await withStore(async (store) => {
    revision = await store.put(["a"], HELLO);
    revision = await store.delete(["b"]);
    await store.compact(revision);
  });
  await withStore(async (store) => {
    expect((await store.get(["a"]))?.value).toEqual(new Uint8Array(HELLO));
    expect(await store.put(["c"], HELLO)).toBeGreaterThan(revision);
  });
});

test("a file that is no database, a damaged one, another's and a newer one are refused by name", async () => {
  mkdirSync(directory, { recursive: true });
  writeFileSync(file(), "this was a database once, and is none any more. ".repeat(100));
  refusesToOpen("the file is damaged (file is not a database)");
  rmSync(file());
  alter("CREATE TABLE theirs (a)");
  refusesToOpen("a database of something else");
  rmSync(file());
  await withStore(async (store) => {
    await Promise.all(Array.from({ length: 2000 }, (_, index) => store.put(["k", String(index)], HELLO)));
  });
  const whole = readFileSync(file());
  truncateSync(file(), Math.floor(whole.length / 8192) * 4096);
  refusesToOpen("the file is damaged");
  const scratched = Buffer.from(whole);
  scratched.fill(0xff, 4096 * 4, 4096 * 6);
  writeFileSync(file(), scratched);
  refusesToOpen("the file is damaged");
  writeFileSync(file(), whole);
  await withStore(async (store) => expect(await store.list(["k"])).toHaveLength(1000));
  alter("PRAGMA user_version = 2");
  refusesToOpen(/its schema is 2, and this version of Isopod knows 1\. Start the newer version/);
});

test("a directory that cannot be made, and a folder in the file's place, are refused by name", () => {
  mkdirSync(file(), { recursive: true });
  refusesToOpen("unable to open database file");
  rmSync(directory, { recursive: true });
  writeFileSync(directory, "");
  refusesToOpen("ENOTDIR");
});

test("a write waits for a lock of another process without holding up the event loop", async () => {
  await withStore(async (store) => {
    const other = new DatabaseSync(file());
    other.exec("BEGIN IMMEDIATE");
    let isMade = false;
    const write = store.put(["a"], HELLO).then(() => {
      isMade = true;
    });
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(await store.get(["a"])).toBeUndefined();
    expect(isMade).toBeFalse();
    other.exec("ROLLBACK");
    other.close();
    await write;
    expect((await store.get(["a"]))?.value).toEqual(new Uint8Array(HELLO));
  });
});

test("more writes than may wait are refused, and the others made", async () => {
  await withStore(async (store) => {
    const value = new Uint8Array(STORE_LIMITS.valueBytesMax);
    const fit = STORE_LIMITS.pendingBytesMax / value.length;
    const writes = Array.from({ length: fit + 3 }, () => store.put(["large"], value));
    const outcomes = await Promise.allSettled(writes);
    expect(outcomes.map(({ status }) => status === "fulfilled")).toEqual(outcomes.map((_, index) => index < fit));
    await refuses(writes.at(-1) as Promise<number>, "overloaded", `over ${STORE_LIMITS.pendingBytesMax} bytes`);
    const { pendingWritesMax } = STORE_LIMITS;
    const small = await Promise.allSettled(
      Array.from({ length: pendingWritesMax + 3 }, () => store.put(["small"], HELLO)),
    );
    expect(small.filter(({ status }) => status === "rejected")).toHaveLength(3);
  });
});

test("odd names and links among the blobs are not seen, and not followed", async () => {
  await withStore(async (store) => {
    const secret = join(directory, "secret");
    writeFileSync(secret, HELLO);
    mkdirSync(join(blobPath(), ".."), { recursive: true });
    symlinkSync(secret, blobPath());
    writeFileSync(join(directory, "blobs", "notes.txt"), "");
    writeFileSync(join(directory, "blobs", HASH.slice(7, 9), "0".repeat(64)), "");
    mkdirSync(join(directory, "blobs", "zz"));
    expect(await Array.fromAsync(store.blobs.list())).toEqual([]);
    expect(await store.blobs.head(HASH)).toBeUndefined();
    expect(await store.blobs.read(HASH)).toBeUndefined();
    expect(await store.blobs.stream(HASH)).toBeUndefined();
    expect(await store.blobs.delete(HASH, Date.now() + DAY_MS)).toBeFalse();
    await store.blobs.put(HELLO);
    expect(await Array.fromAsync(store.blobs.list())).toMatchObject([{ hash: HASH, bytes: 5 }]);
    expect(readFileSync(secret, "utf8")).toBe("hello");
  });
});

test("a damaged blob is never given as a whole one, and writing it again mends it", async () => {
  await withStore(async (store) => {
    await store.blobs.put(HELLO);
    const found = statSync(blobPath()).ino;
    await store.blobs.put(HELLO);
    expect(statSync(blobPath()).ino).toBe(found);
    for (const damage of ["hellO", "hell", "hello "]) {
      writeFileSync(blobPath(), damage);
      await refuses(store.blobs.read(HASH), "internal", "the file is damaged");
      await refuses(new Response(await store.blobs.stream(HASH)).bytes(), "internal", "the file is damaged");
      await store.blobs.put(HELLO);
      expect(await store.blobs.read(HASH)).toEqual(new Uint8Array(HELLO));
    }
  });
});

test("what a writer has left behind is removed when it is old, and nothing else", async () => {
  await withStore(async (store) => store.blobs.put(HELLO));
  const draft = (name: string, ageMs: number) => {
    const path = join(directory, "blobs", "drafts", name);
    writeFileSync(path, "");
    utimesSync(path, new Date(Date.now() - ageMs), new Date(Date.now() - ageMs));
    return path;
  };
  const old = draft(crypto.randomUUID(), DAY_MS);
  const young = draft(crypto.randomUUID(), 1000);
  const odd = draft("notes.txt", DAY_MS);
  await withStore(async (store) => store.blobs.put(HELLO));
  expect([old, young, odd].map((path) => existsSync(path))).toEqual([false, true, true]);
});

test("a store that was closed leaves no descriptor open", async () => {
  const descriptors = () => readdirSync("/proc/self/fd").length;
  const round = () =>
    withStore(async (store) => {
      const { hash } = await store.blobs.put(new Uint8Array(200_000));
      await store.blobs.stream(hash);
      await (await store.blobs.stream(hash))?.getReader().read();
      const { signal } = new AbortController();
      for await (const { type } of store.watch([], { signal })) if (type === "sync") break;
      await store.watch([], { signal })[Symbol.asyncIterator]().next();
    });
  // The first time opens what the platform keeps, such as its queue of notifications.
  await round();
  const before = descriptors();
  for (let count = 0; count < 10; count += 1) await round();
  expect(descriptors()).toBeLessThanOrEqual(before + 2);
});
