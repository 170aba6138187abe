/** The part of the store's suite about blobs. */
import { expect, test } from "bun:test";
import type { BlobStore } from "../core/store.ts";
import { hashOf } from "../stdx/hash.ts";
import { cut, seededRandom } from "./seeded_random.ts";
import { bytesOf, refuses, type StoreFixture } from "./store_rig.ts";

const HELLO = bytesOf("hello");
const HELLO_HASH = hashOf(HELLO);
const ABSENT = `sha256-${"0".repeat(64)}`;

/** A stream of `pieces`, which says through `cancelled` whether it was given up. */
function streamOf(pieces: readonly Uint8Array[], cancelled?: () => void): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = pieces[at++];
      if (piece === undefined) controller.close();
      else controller.enqueue(piece);
    },
    cancel: () => cancelled?.(),
  });
}

async function hashesOf(blobs: BlobStore): Promise<string[]> {
  return (await Array.fromAsync(blobs.list())).map(({ hash }) => hash).sort();
}

/** The tests. */
export function testBlobs(at: StoreFixture): void {
  testContents(at);
  testCollection(at);
}

function testContents(at: StoreFixture): void {
  test("a blob is read by its hash, whole or as a stream, by every opening", async () => {
    const random = seededRandom(7);
    for (const length of [0, 1, 65_536, 65_537, 300_000]) {
      const bytes = random.bytes(length);
      const facts = { hash: hashOf(bytes), bytes: length };
      const stream = streamOf(cut(random, bytes, 50_000));
      expect(await at.store.blobs.put(length % 2 === 0 ? bytes : stream)).toEqual(facts);
      expect(await at.other.blobs.head(facts.hash)).toEqual(facts);
      expect(await at.other.blobs.read(facts.hash)).toEqual(bytes);
      const read = await at.other.blobs.stream(facts.hash);
      expect(await new Response(read).bytes()).toEqual(Uint8Array.from(bytes));
    }
    expect(await hashesOf(at.other.blobs)).toHaveLength(5);
  });

  test("a blob that is not there is undefined, and what is no hash is refused", async () => {
    const { blobs } = at.store;
    for (const found of [await blobs.head(ABSENT), await blobs.read(ABSENT), await blobs.stream(ABSENT)]) {
      expect(found).toBeUndefined();
    }
    expect(await blobs.delete(ABSENT, Number.MAX_SAFE_INTEGER)).toBeFalse();
    for (const hash of ["", "sha256-", ABSENT.toUpperCase(), `${ABSENT}0`, "sha256-../../../../etc/passwd", "a/b"]) {
      await refuses(blobs.head(hash), "bad_request", "expected sha256- and 64 hex digits");
      await refuses(blobs.read(hash), "bad_request", "expected sha256- and 64 hex digits");
      await refuses(blobs.stream(hash), "bad_request", "expected sha256- and 64 hex digits");
      await refuses(blobs.delete(hash, 1), "bad_request", "expected sha256- and 64 hex digits");
      await refuses(blobs.put(HELLO, { expected: hash }), "bad_request", "expected sha256- and 64 hex digits");
    }
  });

  test("other contents than expected, and larger ones, are refused and leave nothing", async () => {
    const { blobs } = at.store;
    for (const body of [() => HELLO, () => streamOf([HELLO])]) {
      await refuses(blobs.put(body(), { expected: ABSENT }), "integrity_mismatch", `its hash is ${HELLO_HASH}`);
      await refuses(blobs.put(body(), { bytesMax: 4 }), "body_too_large", "over 4 bytes");
    }
    await refuses(blobs.put(HELLO, { bytesMax: -1 }), "bad_request", "at most -1 bytes");
    expect(await hashesOf(blobs)).toEqual([]);
    expect(await blobs.put(HELLO, { expected: HELLO_HASH, bytesMax: 5 })).toEqual({ hash: HELLO_HASH, bytes: 5 });
  });

  test("a stream that is too large is given up, and one that fails takes its error along", async () => {
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(1000)),
      cancel: () => {
        cancelled = true;
      },
    });
    await refuses(at.store.blobs.put(endless, { bytesMax: 10_000 }), "body_too_large", "over 10000 bytes");
    expect(cancelled).toBeTrue();
    const failing = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(HELLO),
      pull: (controller) => controller.error(new Error("the caller hung up")),
    });
    expect(at.store.blobs.put(failing)).rejects.toThrow("the caller hung up");
    expect(await hashesOf(at.store.blobs)).toEqual([]);
  });

  test("30 writers of the same contents make one blob", async () => {
    const bytes = seededRandom(9).bytes(100_000);
    const stores = [at.store, at.other, at.open()];
    const facts = await Promise.all(
      Array.from({ length: 30 }, (_, writer) =>
        (stores[writer % 3] as typeof at.store).blobs.put(writer % 2 ? bytes : streamOf([bytes])),
      ),
    );
    expect(new Set(facts.map(({ hash }) => hash)).size).toBe(1);
    expect(await hashesOf(at.store.blobs)).toEqual([hashOf(bytes)]);
    expect(await at.other.blobs.read(hashOf(bytes))).toEqual(bytes);
  });

  test("a stream may be given up, and the store's end ends those that are read and written", async () => {
    const bytes = seededRandom(11).bytes(300_000);
    const { hash } = await at.store.blobs.put(bytes);
    await (await at.store.blobs.stream(hash))?.cancel();
    const reader = (await at.store.blobs.stream(hash))?.getReader();
    const endless = at.store.blobs.put(new ReadableStream({ pull: () => new Promise(() => {}) }));
    const outcome = refuses(endless, "draining", "it is closed");
    await at.store.close();
    await outcome;
    expect(await reader?.read().catch((error: unknown) => error)).toMatchObject({ code: "draining" });
    expect(await at.other.blobs.read(hash)).toEqual(bytes);
  });
}

function testCollection(at: StoreFixture): void {
  test("a listing says when a blob was written or found last", async () => {
    const { store, other, clock } = at;
    const writtenAt = clock.wallNow();
    await store.blobs.put(HELLO);
    await clock.advance(60_000);
    await store.blobs.put(bytesOf("other"));
    const times = async () => new Map((await Array.fromAsync(store.blobs.list())).map((blob) => [blob.hash, blob]));
    expect((await times()).get(HELLO_HASH)).toEqual({ hash: HELLO_HASH, bytes: 5, touchedAt: writtenAt });
    await clock.advance(60_000);
    await other.blobs.put(streamOf([HELLO]));
    expect((await times()).get(HELLO_HASH)?.touchedAt).toBe(writtenAt + 120_000);
    expect((await times()).get(hashOf("other"))?.touchedAt).toBe(writtenAt + 60_000);
  });

  test("only what nobody has written or found since is removed", async () => {
    const { store, other, clock } = at;
    await store.blobs.put(HELLO);
    const writtenAt = clock.wallNow();
    expect(await other.blobs.delete(HELLO_HASH, writtenAt)).toBeFalse();
    await clock.advance(1);
    await store.blobs.put(HELLO);
    expect(await other.blobs.delete(HELLO_HASH, writtenAt + 1)).toBeFalse();
    expect(await other.blobs.delete(HELLO_HASH, writtenAt + 2)).toBeTrue();
    expect(await other.blobs.delete(HELLO_HASH, writtenAt + 2)).toBeFalse();
    expect(await store.blobs.read(HELLO_HASH)).toBeUndefined();
    await store.blobs.put(HELLO);
    expect(await other.blobs.read(HELLO_HASH)).toEqual(HELLO);
  });

  test("a collector never removes what a writer has just been told is there", async () => {
    const { store, other, clock } = at;
    for (let round = 0; round < 100; round += 1) {
      await store.blobs.put(HELLO);
      await clock.advance(10);
      const before = clock.wallNow();
      const body = round % 2 === 0 ? HELLO : streamOf([HELLO]);
      const collect = async () => {
        for (let turn = 0; turn < round % 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        await other.blobs.delete(HELLO_HASH, before);
      };
      await Promise.all([store.blobs.put(body), collect()]);
      expect([round, await store.blobs.read(HELLO_HASH)]).toEqual([round, HELLO]);
    }
  });
}
