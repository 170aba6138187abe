/**
 * Writes, gathered: those of one turn of the event loop share a transaction, and so one wait for the disk.
 *
 * Each has its own outcome. When a transaction fails because the disk is full, its writes are made one by one, so that
 * a large one does not take small ones with it.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { IsopodError } from "../../core/errors.ts";
import { Conflict, Indeterminate } from "../../core/store.ts";
import { STORE_LIMITS, storeClosed } from "../../core/store_rules.ts";
import { type Deferred, deferred } from "../../stdx/deferred.ts";
import { leavesOpen, whileBusy } from "./failures.ts";

const TRANSACTION_WRITES_MAX = 256;
const TRANSACTION_BYTES_MAX = 8 * 1024 * 1024;

/** A change of one key. */
export interface Write {
  readonly key: Uint8Array;
  /** Null deletes. */
  readonly value: Uint8Array | null;
  readonly ifRevision: number | undefined;
  /** The key for messages. */
  readonly shown: string;
}

interface PendingWrite extends Write {
  readonly outcome: Deferred<number>;
}

/** The writes of one connection. */
export class WriteQueue {
  #database: DatabaseSync;
  #changed: () => void;
  #current: StatementSync;
  #replace: StatementSync;
  #pending: PendingWrite[] = [];
  #pendingBytes = 0;
  #draining: Promise<void> | undefined;
  #closed = false;

  /** @param changed is called after each transaction that has changed something */
  constructor(database: DatabaseSync, changed: () => void) {
    this.#database = database;
    this.#changed = changed;
    this.#current = database.prepare("SELECT revision, value IS NOT NULL AS present FROM entries WHERE key = ?");
    this.#replace = database.prepare("INSERT OR REPLACE INTO entries (key, value) VALUES (?, ?) RETURNING revision");
  }

  /** Makes a write; resolves with its revision. @throws {Conflict | Indeterminate | IsopodError} */
  add(write: Write): Promise<number> {
    if (this.#closed) throw storeClosed();
    const { pendingWritesMax, pendingBytesMax } = STORE_LIMITS;
    if (this.#pending.length >= pendingWritesMax) throw tooManyPending("pendingWritesMax", pendingWritesMax);
    const bytes = write.value?.length ?? 0;
    if (this.#pendingBytes + bytes > pendingBytesMax) throw tooManyPending("pendingBytesMax", pendingBytesMax);
    const outcome = deferred<number>();
    this.#pending.push({ ...write, outcome });
    this.#pendingBytes += bytes;
    this.#draining ??= this.#drain();
    return outcome.promise;
  }

  /** Refuses further writes, and makes those that have been asked for. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#draining;
  }

  async #drain(): Promise<void> {
    while (this.#pending.length > 0) {
      await nextTurn();
      await this.#commit(this.#take());
    }
    this.#draining = undefined;
  }

  #take(): PendingWrite[] {
    let bytes = 0;
    let count = 0;
    for (const { value } of this.#pending) {
      bytes += value?.length ?? 0;
      if (count >= TRANSACTION_WRITES_MAX || (count > 0 && bytes > TRANSACTION_BYTES_MAX)) break;
      count += 1;
    }
    const taken = this.#pending.splice(0, count);
    for (const { value } of taken) this.#pendingBytes -= value?.length ?? 0;
    return taken;
  }

  async #commit(writes: readonly PendingWrite[]): Promise<void> {
    try {
      const outcomes = await whileBusy(() => this.#transact(writes));
      if (outcomes.some((outcome) => typeof outcome === "number")) this.#changed();
      for (const [index, { outcome }] of writes.entries()) {
        const found = outcomes[index] as number | Conflict;
        if (typeof found === "number") outcome.resolve(found);
        else outcome.reject(found);
      }
    } catch (error) {
      if (writes.length > 1 && error instanceof IsopodError && error.code === "storage_full") {
        for (const write of writes) await this.#commit([write]);
        return;
      }
      for (const { outcome } of writes) outcome.reject(error);
    }
  }

  #transact(writes: readonly PendingWrite[]): (number | Conflict)[] {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const outcomes = writes.map((write) => this.#apply(write));
      this.#database.exec("COMMIT");
      return outcomes;
    } catch (error) {
      // SQLite has rolled back already after some errors.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      if (!leavesOpen(error)) throw error;
      throw new Indeterminate("Cannot tell whether the write has been made: the disk failed", { cause: error });
    }
  }

  #apply({ key, value, ifRevision, shown }: PendingWrite): number | Conflict {
    if (ifRevision !== undefined) {
      const current = this.#current.get(key) as { revision: number; present: number } | undefined;
      const revision = current?.present === 1 ? current.revision : 0;
      if (revision !== ifRevision || (value === null && revision === 0)) {
        return new Conflict(`Cannot change ${shown}: revision ${ifRevision} was expected, and ${revision} is there`);
      }
    }
    return (this.#replace.get(key, value) as { revision: number }).revision;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function tooManyPending(name: "pendingWritesMax" | "pendingBytesMax", value: number): IsopodError {
  return new IsopodError("overloaded", {
    message: `Cannot write to the store: what waits for the disk is over ${value} ${name === "pendingBytesMax" ? "bytes" : "writes"}.`,
    limit: { name, value },
  });
}
