/**
 * Watches: the rows of a prefix in the order of their revisions, fetched at the pace of who reads them.
 *
 * The database is the queue, so a slow reader costs no memory, and skips versions that have been replaced meanwhile.
 * The snapshot's revisions are noted at its beginning; a row that changes before it has been told comes with its new
 * revision after the others, and `sync` follows only when all of them have been told.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { StoreEvent, StoreKey } from "../../core/store.ts";
import { checkPrefix, checkRevision } from "../../core/store_rules.ts";
import type { Changes } from "./changes.ts";
import { whileBusy } from "./failures.ts";
import { decodeKey, type KeyRange, rangeOf } from "./keys.ts";

const BATCH_ROWS_MAX = 64;
const BATCH_BYTES_MAX = 2 * 1024 * 1024;

const NOTHING = new Float64Array();

interface Row {
  readonly revision: number;
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

/** Where a watch is. */
interface Position {
  /** The revision up to which everything has been told, once the snapshot has. */
  readonly told: number;
  /** The revisions of the entries that are to be told before. */
  readonly snapshot: Float64Array;
}

interface Batch {
  readonly rows: readonly Row[];
  readonly next: Position;
  /** That was everything there is. */
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
  #rowsBehind: StatementSync;
  #revisions: StatementSync;
  #rowOf: StatementSync;

  constructor(database: DatabaseSync, changes: Changes) {
    this.#database = database;
    this.#changes = changes;
    this.#bounds = database.prepare(
      "SELECT horizon.revision AS horizon, ifnull((SELECT seq FROM sqlite_sequence), 0) AS head FROM horizon",
    );
    this.#rowsBehind = database.prepare(
      "SELECT revision, key, value FROM entries NOT INDEXED WHERE revision > ? AND key >= ? AND key < ? ORDER BY revision",
    );
    this.#revisions = database.prepare(
      "SELECT revision FROM entries INDEXED BY entries_key WHERE key >= ? AND key < ?",
    );
    this.#rowOf = database.prepare("SELECT revision, key, value FROM entries WHERE revision = ? AND value IS NOT NULL");
  }

  /** The newest revision, and the one up to which deletes may have been forgotten. */
  bounds(): { readonly head: number; readonly horizon: number } {
    return this.#bounds.get() as { head: number; horizon: number };
  }

  /** One watch. @throws {IsopodError} `bad_request`, `overloaded` */
  async *follow({ prefix, from, signal, closed }: WatchOptions): AsyncGenerator<StoreEvent> {
    checkPrefix(prefix);
    if (from !== undefined) checkRevision(from, "from");
    const ended = () => signal.aborted || closed();
    if (ended()) return;
    using listener = this.#changes.listen();
    signal.addEventListener("abort", listener.wake);
    try {
      const range = rangeOf(prefix);
      let position = from === undefined ? await this.#beginning(range) : { told: from, snapshot: NOTHING };
      let synced = false;
      while (!ended()) {
        listener.look();
        const batch: Batch | undefined = await whileBusy(() => this.#batch(position, range));
        if (batch === undefined) {
          yield { type: "reset" };
          if (ended()) return;
          position = await this.#beginning(range);
          synced = false;
          continue;
        }
        for (const row of batch.rows) {
          if (ended()) return;
          yield eventOf(row);
        }
        position = batch.next;
        if (!batch.whole) continue;
        if (!synced && !ended()) yield { type: "sync", revision: position.told };
        synced = true;
        await listener.changed();
      }
    } finally {
      signal.removeEventListener("abort", listener.wake);
    }
  }

  /** Where a watch begins that has been told nothing. */
  #beginning(range: KeyRange): Promise<Position> {
    return whileBusy(() =>
      this.#atOnce(() => {
        const rows = this.#revisions.all(range.from, range.before) as unknown as { revision: number }[];
        return { told: this.bounds().head, snapshot: Float64Array.from(rows, ({ revision }) => revision).sort() };
      }),
    );
  }

  /** What comes next; undefined when the history is not whole any more from there on, or is another store's. */
  #batch(position: Position, range: KeyRange): Batch | undefined {
    return position.snapshot.length > 0 ? this.#standing(position) : this.#behind(position.told, range);
  }

  #standing({ told, snapshot }: Position): Batch {
    const rows: Row[] = [];
    let bytes = 0;
    let count = 0;
    while (count < snapshot.length && count < BATCH_ROWS_MAX && bytes < BATCH_BYTES_MAX) {
      // One that is not there has been replaced, and comes with its new revision.
      const row = this.#rowOf.get(snapshot[count] as number) as Row | undefined;
      count += 1;
      if (row === undefined) continue;
      rows.push(row);
      bytes += row.value?.length ?? 0;
    }
    return { rows, next: { told, snapshot: snapshot.subarray(count) }, whole: false };
  }

  #behind(told: number, range: KeyRange): Batch | undefined {
    return this.#atOnce(() => {
      const { head, horizon } = this.bounds();
      if (told < horizon || told > head) return undefined;
      const rows: Row[] = [];
      let bytes = 0;
      for (const found of this.#rowsBehind.iterate(told, range.from, range.before)) {
        const row = found as unknown as Row;
        rows.push(row);
        bytes += row.value?.length ?? 0;
        if (rows.length >= BATCH_ROWS_MAX || bytes >= BATCH_BYTES_MAX) {
          return { rows, next: { told: row.revision, snapshot: NOTHING }, whole: false };
        }
      }
      return { rows, next: { told: head, snapshot: NOTHING }, whole: true };
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
