/**
 * The writes of one project, gathered: those of one turn of the event loop share a transaction, and so one wait for the
 * disk. Each has its own outcome, and its project's quota is held within the transaction.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { IsopodError } from "../../core/errors.ts";
import { type Deferred, deferred } from "../../stdx/deferred.ts";
import { nameFailure } from "./failures.ts";
import { KV_LIMITS } from "./limits.ts";

const TRANSACTION_WRITES_MAX = 256;
const TRANSACTION_BYTES_MAX = 8 * 1024 * 1024;
const PENDING_WRITES_MAX = 4096;

/** A value as it is kept: in its row, or in a file beside the database. */
export interface KeptValue {
  readonly inline: Uint8Array | null;
  readonly file: string | null;
  readonly bytes: number;
}

/** A change of one key. */
export interface Write {
  readonly namespace: number;
  readonly key: Uint8Array;
  /** Null deletes. */
  readonly value: KeptValue | null;
  readonly metadata: string | null;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number | null;
  /** 0 for a key that must not be there. */
  readonly ifRevision: number | undefined;
}

/** What a write has done. */
export interface Written {
  /** 0 for a deletion. */
  readonly revision: number;
  /** The file of the value that was there before. */
  readonly freed: string | null;
}

interface PendingWrite {
  readonly write: Write;
  readonly outcome: Deferred<Written>;
}

/** How writes are set up. */
export interface WritesOptions {
  readonly database: DatabaseSync;
  readonly path: string;
  /** How much the project may keep now, in bytes. */
  bytesMax(): number;
  /** Milliseconds since the Unix epoch. */
  wallNow(): number;
}

interface Current {
  readonly revision: number;
  readonly bytes: number;
  readonly file: string | null;
  readonly expires_at: number | null;
}

/** The writes of one database. */
export class Writes {
  readonly #options: WritesOptions;
  readonly #current: StatementSync;
  readonly #replace: StatementSync;
  readonly #remove: StatementSync;
  readonly #usage: StatementSync;
  readonly #setUsage: StatementSync;
  #pending: PendingWrite[] = [];
  #draining: Promise<void> | undefined;

  constructor(options: WritesOptions) {
    const { database } = options;
    this.#options = options;
    this.#current = database.prepare(
      "SELECT revision, bytes, file, expires_at FROM entries WHERE namespace = ? AND key = ?",
    );
    this.#replace = database.prepare(
      "INSERT OR REPLACE INTO entries (namespace, key, bytes, expires_at, metadata, file, value) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING revision",
    );
    this.#remove = database.prepare("DELETE FROM entries WHERE revision = ?");
    this.#usage = database.prepare("SELECT bytes FROM usage");
    this.#setUsage = database.prepare("UPDATE usage SET bytes = ?");
  }

  /** Whether writes wait to be made. */
  get busy(): boolean {
    return this.#draining !== undefined;
  }

  /** Makes a write; resolves when it is on the disk. @throws {IsopodError} */
  add(write: Write): Promise<Written> {
    if (this.#pending.length >= PENDING_WRITES_MAX) {
      const message = `Cannot write: ${PENDING_WRITES_MAX} writes of the project wait for the disk already.`;
      throw new IsopodError("overloaded", { message });
    }
    const outcome = deferred<Written>();
    this.#pending.push({ write, outcome });
    this.#draining ??= this.#drain();
    return outcome.promise;
  }

  /** Settles when nothing waits any more. */
  async settled(): Promise<void> {
    await this.#draining;
  }

  async #drain(): Promise<void> {
    while (this.#pending.length > 0) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      this.#commit(this.#take());
    }
    this.#draining = undefined;
  }

  #take(): PendingWrite[] {
    let bytes = 0;
    let count = 0;
    for (const { write } of this.#pending) {
      bytes += write.value?.inline?.length ?? 0;
      if (count >= TRANSACTION_WRITES_MAX || (count > 0 && bytes > TRANSACTION_BYTES_MAX)) break;
      count += 1;
    }
    return this.#pending.splice(0, count);
  }

  #commit(taken: readonly PendingWrite[]): void {
    const { path } = this.#options;
    let outcomes: (Written | IsopodError)[];
    try {
      outcomes = this.#transact(taken);
    } catch (error) {
      const named = nameFailure(error, path);
      // A large write must not take small ones with it.
      if (named.code === "storage_full" && taken.length > 1) for (const each of taken) this.#commit([each]);
      else for (const { outcome } of taken) outcome.reject(named);
      return;
    }
    for (const [index, { outcome }] of taken.entries()) {
      const found = outcomes[index] as Written | IsopodError;
      if (found instanceof IsopodError) outcome.reject(found);
      else outcome.resolve(found);
    }
  }

  #transact(taken: readonly PendingWrite[]): (Written | IsopodError)[] {
    const { database } = this.#options;
    database.exec("BEGIN IMMEDIATE");
    try {
      const before = (this.#usage.get() as { bytes: number }).bytes;
      const usage = { bytes: before };
      const outcomes = taken.map(({ write }) => this.#apply(write, usage));
      if (usage.bytes !== before) this.#setUsage.run(usage.bytes);
      database.exec("COMMIT");
      return outcomes;
    } catch (error) {
      // SQLite has rolled back already after some errors.
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  }

  #apply(write: Write, usage: { bytes: number }): Written | IsopodError {
    const { namespace, key, value, metadata, expiresAt, ifRevision } = write;
    const current = this.#current.get(namespace, key) as Current | undefined;
    const isThere = current !== undefined && (current.expires_at ?? Number.POSITIVE_INFINITY) > this.#options.wallNow();
    const revision = isThere ? current.revision : 0;
    if (ifRevision !== undefined && revision !== ifRevision) {
      const message = `Cannot write: revision ${ifRevision} was expected, and ${revision} is there`;
      return new IsopodError("changed_meanwhile", { message });
    }
    const freed = current?.file ?? null;
    if (value === null) {
      if (current !== undefined) this.#remove.run(current.revision);
      usage.bytes -= current?.bytes ?? 0;
      return { revision: 0, freed };
    }
    const bytes = KV_LIMITS.entryBytes + key.length + (metadata?.length ?? 0) + value.bytes;
    const grown = bytes - (current?.bytes ?? 0);
    const bytesMax = this.#options.bytesMax();
    if (grown > 0 && usage.bytes + grown > bytesMax) return overQuota(usage.bytes + grown, bytesMax);
    usage.bytes += grown;
    const row = this.#replace.get(namespace, key, bytes, expiresAt, metadata, value.file, value.inline);
    return { revision: (row as { revision: number }).revision, freed };
  }
}

function overQuota(wanted: number, value: number): IsopodError {
  return new IsopodError("quota_exceeded", {
    message: `Cannot write: the project may keep ${value} bytes in KV (kvBytesMax), and this would make it ${wanted}`,
    limit: { name: "kvBytesMax", value },
  });
}
