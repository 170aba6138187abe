/** What is read of a project's namespaces. An entry that has expired is not there for anybody, collected or not. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { KV_LIMITS } from "./limits.ts";

/** An entry. */
export interface KvEntry {
  readonly revision: number;
  /** Of the value. */
  readonly bytes: number;
  readonly expires_at: number | null;
  /** Percent-encoded JSON. */
  readonly metadata: string | null;
  /** Where the value is when it is not here. */
  readonly file: string | null;
  readonly value: Uint8Array | null;
}

/** A key of a list. */
export interface ListedKey {
  readonly key: string;
  readonly revision: number;
  readonly expires_at: number | null;
  readonly metadata: string | null;
}

/** A part of a namespace's keys, in the order of their bytes. */
export interface KeyPage {
  readonly keys: readonly ListedKey[];
  /** The key behind which to go on; undefined at the end. */
  readonly after: Uint8Array | undefined;
}

type ListedRow = Omit<ListedKey, "key"> & { readonly key: Uint8Array };

/** Behind every key: no UTF-8 begins like this. */
const END = Uint8Array.of(0xff);
const decoder = new TextDecoder();

/** The reads of one database. */
export class Reads {
  readonly #wallNow: () => number;
  readonly #get: StatementSync;
  readonly #list: StatementSync;

  constructor(database: DatabaseSync, wallNow: () => number) {
    this.#wallNow = wallNow;
    this.#get = database.prepare(
      "SELECT revision, bytes - length(key) - ifnull(length(metadata), 0) - ? AS bytes, expires_at, metadata, file, value FROM entries WHERE namespace = ? AND key = ?",
    );
    this.#list = database.prepare(
      "SELECT revision, key, expires_at, metadata FROM entries WHERE namespace = ? AND key >= ? AND key < ? ORDER BY key",
    );
  }

  /** The entry of a key. */
  get(namespace: number, key: Uint8Array): KvEntry | undefined {
    const entry = this.#get.get(KV_LIMITS.entryBytes, namespace, key) as unknown as KvEntry | undefined;
    return entry && this.#isThere(entry) ? entry : undefined;
  }

  /** Keys that begin with `prefix`, from behind `after` on. Ends early where it meets many that have expired. */
  list(namespace: number, prefix: Uint8Array, after: Uint8Array | undefined, limit: number): KeyPage {
    const next = after === undefined ? prefix : Buffer.concat([after, Uint8Array.of(0)]);
    const from = Buffer.compare(next, prefix) < 0 ? prefix : next;
    const keys: ListedKey[] = [];
    let rows = 0;
    let last: Uint8Array | undefined;
    for (const row of this.#list.iterate(namespace, from, endOf(prefix)) as Iterable<unknown>) {
      const { key, ...entry } = row as ListedRow;
      if (keys.length >= limit || rows >= KV_LIMITS.listRowsMax) return { keys, after: last };
      rows += 1;
      last = key;
      if (this.#isThere(entry)) keys.push({ ...entry, key: decoder.decode(key) });
    }
    return { keys, after: undefined };
  }

  #isThere({ expires_at }: { readonly expires_at: number | null }): boolean {
    return expires_at === null || expires_at > this.#wallNow();
  }
}

/** The first key behind all that begin with `prefix`; the last byte of UTF-8 is never 0xff. */
function endOf(prefix: Uint8Array): Uint8Array {
  if (prefix.length === 0) return END;
  const end = Uint8Array.from(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return end;
}
