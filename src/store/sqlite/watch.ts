/**
 * Watches: the rows of a prefix in the order of their revisions, fetched at the pace of who reads them.
 *
 * The database is the queue, so a slow reader costs no memory, and skips versions that have been replaced meanwhile.
 * The snapshot's revisions are noted at its beginning; a row that changes before it has been told comes with its new
 * revision after the others, and `sync` follows only when all of them have been told.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { StoreEvent, StoreKey } from "../../core/store.ts";
import type { Changes } from "./changes.ts";
import { whileBusy } from "./failures.ts";
import { decodeKey, type KeyRange, rangeOf } from "./keys.ts";

const BATCH_ROWS_MAX = 64;
const BATCH_BYTES_MAX = 2 * 1024 * 1024;

interface Row {
  readonly revision: number;
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

/** What came behind a revision; `reached` is as far as it goes, `whole` when that was everything. */
interface Batch {
  readonly rows: readonly Row[];
  readonly reached: number;
  readonly whole: boolean;
}

/** What a watch follows, and when it ends. */
export interface WatchOptions {
  readonly prefix: StoreKey;
  readonly from: number | undefined;
  readonly signal: AbortSignal;
  /** Says whether the store has been closed. */
  readonly closed: () => boolean;
}

/** The watches of one connection. */
export class Watches {
  #database: DatabaseSync;
  #changes: Changes;
  #bounds: StatementSync;
  #behind: StatementSync;
  #revisions: StatementSync;
  #row: StatementSync;

  constructor(database: DatabaseSync, changes: Changes) {
    this.#database = database;
    this.#changes = changes;
    this.#bounds = database.prepare(
      "SELECT horizon.revision AS horizon, ifnull((SELECT seq FROM sqlite_sequence), 0) AS head FROM horizon",
    );
    this.#behind = database.prepare(
      "SELECT revision, key, value FROM entries NOT INDEXED WHERE revision > ? AND key >= ? AND key < ? ORDER BY revision",
    );
    this.#revisions = database.prepare(
      "SELECT revision FROM entries INDEXED BY entries_key WHERE key >= ? AND key < ?",
    );
    this.#row = database.prepare("SELECT revision, key, value FROM entries WHERE revision = ? AND value IS NOT NULL");
  }

  /** The newest revision, and the one up to which deletes may have been forgotten. */
  bounds(): { readonly head: number; readonly horizon: number } {
    return this.#bounds.get() as { head: number; horizon: number };
  }

  /** One watch. @throws {IsopodError} `overloaded` */
  async *follow({ prefix, from, signal, closed }: WatchOptions): AsyncGenerator<StoreEvent> {
    const ended = () => signal.aborted || closed();
    if (ended()) return;
    using listener = this.#changes.listen();
    signal.addEventListener("abort", listener.wake);
    try {
      const range = rangeOf(prefix);
      let reached = from ?? (yield* this.#snapshot(range, ended));
      let synced = false;
      while (!ended()) {
        listener.look();
        const batch: Batch | undefined = await whileBusy(() => this.#after(reached, range));
        if (batch === undefined) {
          yield { type: "reset" };
          if (ended()) return;
          reached = yield* this.#snapshot(range, ended);
          synced = false;
          continue;
        }
        for (const row of batch.rows) {
          if (ended()) return;
          yield eventOf(row);
        }
        reached = batch.reached;
        if (!batch.whole) continue;
        if (!synced && !ended()) yield { type: "sync", revision: reached };
        synced = true;
        await listener.changed();
      }
    } finally {
      signal.removeEventListener("abort", listener.wake);
    }
  }

  /** What stands; returns the revision behind which the watch goes on. */
  async *#snapshot(range: KeyRange, ended: () => boolean): AsyncGenerator<StoreEvent, number> {
    const { head, revisions } = await whileBusy(() =>
      this.#atOnce(() => {
        const rows = this.#revisions.all(range.from, range.before) as unknown as { revision: number }[];
        return { head: this.bounds().head, revisions: Float64Array.from(rows, ({ revision }) => revision).sort() };
      }),
    );
    for (const revision of revisions) {
      if (ended()) break;
      const row = (await whileBusy(() => this.#row.get(revision))) as Row | undefined;
      if (row !== undefined) yield eventOf(row);
    }
    return head;
  }

  /** Undefined when the history behind `reached` is not whole any more, or is another store's. */
  #after(reached: number, range: KeyRange): Batch | undefined {
    return this.#atOnce(() => {
      const { head, horizon } = this.bounds();
      if (reached < horizon || reached > head) return undefined;
      const rows: Row[] = [];
      let bytes = 0;
      for (const found of this.#behind.iterate(reached, range.from, range.before)) {
        const row = found as unknown as Row;
        rows.push(row);
        bytes += row.value?.length ?? 0;
        if (rows.length >= BATCH_ROWS_MAX || bytes >= BATCH_BYTES_MAX) {
          return { rows, reached: row.revision, whole: false };
        }
      }
      return { rows, reached: head, whole: true };
    });
  }

  /** Reads in one transaction, so that all of it is of one moment. */
  #atOnce<T>(read: () => T): T {
    this.#database.exec("BEGIN");
    try {
      return read();
    } finally {
      this.#database.exec("COMMIT");
    }
  }
}

function eventOf({ revision, key, value }: Row): StoreEvent {
  const event = { key: decodeKey(key), revision };
  return value === null ? { type: "delete", ...event } : { type: "put", ...event, value };
}
