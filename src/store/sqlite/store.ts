/**
 * The store of one machine: SQLite in one file, and blobs in a folder beside it, for any number of processes.
 *
 * What is acknowledged is on disk (a log with `synchronous = FULL`). Reads and commits run on the calling thread: a
 * commit takes as long as the disk needs to flush, once for all writes of a turn of the event loop. Only the owner may
 * read any of it. There is no clearing up by itself: `compact` and the blobs' `delete` are the control plane's to call.
 */
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Clock, systemClock } from "../../core/clock.ts";
import type { Store, StoreCondition, StoreEntry, StoreEvent, StoreKey } from "../../core/store.ts";
import {
  checkCondition,
  checkKey,
  checkListLimit,
  checkPrefix,
  checkRevision,
  checkValue,
  STORE_LIMITS,
  shown,
  storeClosed,
} from "../../core/store_rules.ts";
import { BlobFolder } from "./blobs.ts";
import { Changes } from "./changes.ts";
import { openDatabase } from "./database.ts";
import { nameOpening, whileBusy } from "./failures.ts";
import { decodeKey, encodeKey, rangeBehind, rangeOf } from "./keys.ts";
import { Watches } from "./watch.ts";
import { WriteQueue } from "./writes.ts";

/** Where a store stands. */
export interface SqliteStoreOptions {
  /** Made when it is not there; holds `store.sqlite`, its log, `store.bell` and `blobs/`. */
  readonly directory: string;
  /** What blobs are touched by; the machine's when left out. */
  readonly clock?: Clock | undefined;
}

/**
 * Opens the store in a directory, and makes it when it is not there. Several processes may have it open.
 * @throws {IsopodError} `store_unusable` for a damaged, newer or foreign file, `storage_full`
 */
export function openSqliteStore({ directory, clock = systemClock }: SqliteStoreOptions): Store {
  const path = resolve(directory);
  const database = openDatabase(path);
  try {
    mkdirSync(join(path, "blobs"), { recursive: true, mode: 0o700 });
    return new SqliteStore(path, database, clock);
  } catch (error) {
    database.close();
    throw nameOpening(error, path);
  }
}

class SqliteStore implements Store {
  readonly blobs: BlobFolder;
  #database: DatabaseSync;
  #changes: Changes;
  #writes: WriteQueue;
  #watches: Watches;
  #get: StatementSync;
  #list: StatementSync;
  #closing: Promise<void> | undefined;

  constructor(directory: string, database: DatabaseSync, clock: Clock) {
    this.#database = database;
    this.#changes = new Changes(directory, database);
    this.#writes = new WriteQueue(database, () => this.#changes.tell());
    this.#watches = new Watches(database, this.#changes);
    this.#get = database.prepare("SELECT revision, value FROM entries WHERE key = ? AND value IS NOT NULL");
    this.#list = database.prepare(
      "SELECT revision, key, value FROM entries WHERE key >= ? AND key < ? AND value IS NOT NULL ORDER BY key",
    );
    this.blobs = new BlobFolder(directory, clock, (step) => this.#exclusively(step));
  }

  async get(key: StoreKey): Promise<StoreEntry | undefined> {
    checkKey(key);
    this.#checkOpen();
    const row = (await whileBusy(() => this.#get.get(encodeKey(key)))) as Omit<StoreEntry, "key"> | undefined;
    return row && { key: [...key], value: row.value, revision: row.revision };
  }

  async put(key: StoreKey, value: Uint8Array, condition: StoreCondition = {}): Promise<number> {
    checkKey(key);
    checkValue(key, value);
    // A copy: it is written at the end of this turn, and what the caller does to its bytes until then is its business.
    return this.#write(key, Uint8Array.from(value), condition);
  }

  async delete(key: StoreKey, condition: StoreCondition = {}): Promise<number> {
    checkKey(key);
    return this.#write(key, null, condition);
  }

  async list(
    prefix: StoreKey,
    options: { readonly after?: StoreKey | undefined; readonly limit?: number | undefined } = {},
  ): Promise<StoreEntry[]> {
    checkPrefix(prefix);
    if (options.after !== undefined) checkKey(options.after);
    const limit = checkListLimit(options.limit);
    this.#checkOpen();
    const { from, before } = rangeBehind(rangeOf(prefix), options.after);
    return whileBusy(() => {
      const entries: StoreEntry[] = [];
      let bytes = 0;
      for (const found of this.#list.iterate(from, before)) {
        const { key, value, revision } = found as unknown as { key: Uint8Array; value: Uint8Array; revision: number };
        bytes += value.length;
        if (entries.length > 0 && bytes > STORE_LIMITS.listBytesMax) break;
        entries.push({ key: decodeKey(key), value, revision });
        if (entries.length >= limit) break;
      }
      return entries;
    });
  }

  watch(
    prefix: StoreKey,
    { from, signal }: { readonly from?: number | undefined; readonly signal: AbortSignal },
  ): AsyncIterable<StoreEvent> {
    return this.#watches.follow({ prefix, from, signal, closed: () => this.#closing !== undefined });
  }

  async compact(revision: number): Promise<void> {
    checkRevision(revision, "revision");
    await this.#exclusively(() => {
      const { head, horizon } = this.#watches.bounds();
      const upTo = Math.min(revision, head);
      if (upTo <= horizon) return;
      this.#database.prepare("DELETE FROM entries WHERE revision <= ? AND value IS NULL").run(upTo);
      this.#database.prepare("UPDATE horizon SET revision = ?").run(upTo);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    await Promise.all([this.#writes.close(), this.blobs.close()]);
    this.#changes.close();
    this.#database.close();
  }

  async #write(key: StoreKey, value: Uint8Array | null, condition: StoreCondition): Promise<number> {
    checkCondition(condition);
    return this.#writes.add({ key: encodeKey(key), value, ifRevision: condition.ifRevision, shown: shown(key) });
  }

  /** A transaction of its own, during which no process writes. */
  async #exclusively<T>(step: () => T): Promise<T> {
    return whileBusy(() => {
      this.#database.exec("BEGIN IMMEDIATE");
      try {
        const result = step();
        this.#database.exec("COMMIT");
        return result;
      } catch (error) {
        if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
        throw error;
      }
    });
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw storeClosed();
  }
}
