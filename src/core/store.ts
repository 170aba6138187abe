/**
 * The store port: where what is deployed stands, on one machine or on many.
 *
 * Exactly these guarantees, and no others, so that SQLite in one file and NATS JetStream can both give them:
 * - Keys are lists of UTF-8 segments. Every change has a revision that grows per store and is not dense; it is never
 *   compared between stores. A delete consumes one.
 * - Compare-and-set is on one key, with exactly one winner. There are no transactions over several keys: who needs
 *   several writes writes what nobody points at yet, and moves one pointer last.
 * - A watch of a prefix gives a snapshot, `sync`, then strictly growing revisions; versions in between may be
 *   skipped, the last one never. Resuming replays deletes too, or says `reset` and gives a new snapshot when the
 *   history has been compacted.
 * - Reading one's own write needs `fresh`, or waiting until the watch has reached its revision. A listing is no
 *   point in time. Expiry stands in the value, and is checked by who reads it.
 * - `Conflict` means not applied, `Indeterminate` maybe applied: read again. Any other error of a write means not
 *   applied: `storage_full`, `overloaded`, and what `store_rules.ts` refuses.
 * - Keys are in order segment by segment, by the bytes of their UTF-8. An entry of no bytes is an entry.
 *
 * Life cycle: opened by its implementation, `close` once; it finishes writes that have been asked for. Watches end with
 * their signal or with the store, without an error.
 */

/** A key: one to sixteen segments, none empty; `store_rules.ts` has its bounds. */
export type StoreKey = readonly string[];

/** What stands under a key. */
export interface StoreEntry {
  readonly key: StoreKey;
  readonly value: Uint8Array;
  /** Of the change that wrote it. */
  readonly revision: number;
}

/** What a watch tells. */
export type StoreEvent =
  | { readonly type: "put"; readonly key: StoreKey; readonly value: Uint8Array; readonly revision: number }
  | { readonly type: "delete"; readonly key: StoreKey; readonly revision: number }
  /** Everything up to `revision` has been told; said once after the snapshot, and after each resumption. */
  | { readonly type: "sync"; readonly revision: number }
  /** The history has been compacted beyond where the watch was: forget everything, a snapshot follows. */
  | { readonly type: "reset" };

/** When a change is to be made. */
export interface StoreCondition {
  /** The revision that the key's entry must have; 0 for no entry. Without it the change is unconditional. */
  readonly ifRevision?: number | undefined;
}

/** The change was not applied: the key's entry is not the one that was expected. */
export class Conflict extends Error {
  override name = "Conflict";
}

/** The change may or may not have been applied: read again. */
export class Indeterminate extends Error {
  override name = "Indeterminate";
}

/** What a blob is. */
export interface BlobFacts {
  /** `sha256-<hex>` of its bytes. */
  readonly hash: string;
  readonly bytes: number;
}

/** Contents by their hash: written once, never changed. */
export interface BlobStore {
  /**
   * Writes a blob, durable when it resolves; one that is there already is not written again, but touched, unless what
   * is there is damaged. What a writer who died has left is never visible.
   * @param options `expected` refuses other contents, `bytesMax` larger ones
   * @throws {IsopodError} `integrity_mismatch`, `body_too_large`, `storage_full`
   */
  put(
    body: Uint8Array | ReadableStream<Uint8Array>,
    options?: { readonly expected?: string | undefined; readonly bytesMax?: number | undefined },
  ): Promise<BlobFacts>;
  /** A blob's size, undefined when it is not there. */
  head(hash: string): Promise<BlobFacts | undefined>;
  /** The bytes, checked against the hash before they are given. @throws {IsopodError} `internal` when they are not it */
  read(hash: string): Promise<Uint8Array | undefined>;
  /**
   * The bytes as a stream, checked while it flows: it errors instead of ending when they are not the hash's. Who has
   * asked for it reads it to its end, or cancels it.
   */
  stream(hash: string): Promise<ReadableStream<Uint8Array> | undefined>;
  /** Every blob with when it was last written or found, in milliseconds since the epoch. */
  list(): AsyncIterable<BlobFacts & { readonly touchedAt: number }>;
  /** Removes a blob that nobody wrote or found since `before`, in milliseconds since the epoch; else it stays: false. */
  delete(hash: string, before: number): Promise<boolean>;
}

/** The port. Implementations stand in `store/`. */
export interface Store {
  /** @param options `fresh` sees every acknowledged write; without it a replica may answer. */
  get(key: StoreKey, options?: { readonly fresh?: boolean }): Promise<StoreEntry | undefined>;
  /** Writes, durable when it resolves; returns the revision. @throws {Conflict | Indeterminate} */
  put(key: StoreKey, value: Uint8Array, condition?: StoreCondition): Promise<number>;
  /**
   * Deletes, durable when it resolves, and returns the revision. A key without an entry is a `Conflict` when a revision
   * was asked for, 0 included. @throws {Conflict | Indeterminate}
   */
  delete(key: StoreKey, condition?: StoreCondition): Promise<number>;
  /**
   * The entries whose keys begin with `prefix`, by key; `after` goes on behind a key. At most `limit`, which is 1000 if
   * unset and at most; fewer, but never none, when their values are over 16 MiB together: an empty list is the end.
   */
  list(
    prefix: StoreKey,
    options?: { readonly after?: StoreKey | undefined; readonly limit?: number | undefined },
  ): Promise<StoreEntry[]>;
  /**
   * Follows a prefix, at the pace of who reads. It begins when the first event is asked for.
   * @param options `from` resumes behind a revision that an earlier watch of the same prefix has told; one that the
   * store has not reached is of another store, and gets `reset`
   * @throws {IsopodError} `overloaded` when there are too many watches
   */
  watch(
    prefix: StoreKey,
    options: { readonly from?: number | undefined; readonly signal: AbortSignal },
  ): AsyncIterable<StoreEvent>;
  /** Forgets the history up to `revision`, or up to now when that is less; never what stands. */
  compact(revision: number): Promise<void>;
  readonly blobs: BlobStore;
  close(): Promise<void>;
}
