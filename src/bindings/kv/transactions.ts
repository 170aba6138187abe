/**
 * Changes of a project's entries, a transaction each time: conditions, the quota, and what a change takes the place of.
 *
 * What has expired is not there for a condition, and makes room where the quota would be passed.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { IsopodError } from "../../core/errors.ts";
import { KV_LIMITS } from "./limits.ts";

/** Expired entries that one transaction removes. */
const COLLECTED_MAX = 500;

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
  /** Percent-encoded JSON. */
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
  /** Whether anything is another than before. */
  readonly changed: boolean;
}

/** What a transaction adds up. */
interface Tally {
  bytes: number;
  /** The files of values that are no more. */
  readonly freed: string[];
}

/** What transactions are made on. */
export interface TransactionsOptions {
  readonly database: DatabaseSync;
  /** How much the project may keep now, in bytes. */
  bytesMax(): number;
  /** Milliseconds since the Unix epoch. */
  wallNow(): number;
  /** Hears of files that no row names any more. */
  freed(files: readonly string[]): void;
}

interface Current {
  readonly revision: number;
  readonly bytes: number;
  readonly file: string | null;
  readonly expires_at: number | null;
}

/** The transactions of one database. */
export class Transactions {
  readonly #options: TransactionsOptions;
  readonly #current: StatementSync;
  readonly #replace: StatementSync;
  readonly #remove: StatementSync;
  readonly #usage: StatementSync;
  readonly #setUsage: StatementSync;
  readonly #expire: StatementSync;

  constructor(options: TransactionsOptions) {
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
    this.#expire = database.prepare(
      "DELETE FROM entries WHERE revision IN (SELECT revision FROM entries WHERE expires_at <= ? LIMIT ?) RETURNING bytes, file",
    );
  }

  /** Makes changes; the outcome of each, in their order. @throws {Error} of SQLite, and then none is made */
  make(writes: readonly Write[]): (Written | IsopodError)[] {
    return this.#transact((tally) => writes.map((write) => this.#apply(write, tally)));
  }

  /** Removes what has expired, as much as fits one transaction; whether that was all. @throws {Error} of SQLite */
  collect(): boolean {
    return this.#transact((tally) => this.#collect(tally)) < COLLECTED_MAX;
  }

  #transact<T>(step: (tally: Tally) => T): T {
    const { database, freed } = this.#options;
    database.exec("BEGIN IMMEDIATE");
    try {
      const { bytes } = this.#usage.get() as { bytes: number };
      const tally: Tally = { bytes, freed: [] };
      const result = step(tally);
      if (tally.bytes !== bytes) this.#setUsage.run(tally.bytes);
      database.exec("COMMIT");
      if (tally.freed.length > 0) freed(tally.freed);
      return result;
    } catch (error) {
      // SQLite has rolled back already after some errors.
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  }

  #apply({ namespace, key, value, metadata, expiresAt, ifRevision }: Write, tally: Tally): Written | IsopodError {
    const current = this.#current.get(namespace, key) as Current | undefined;
    const isThere = current !== undefined && (current.expires_at ?? Number.POSITIVE_INFINITY) > this.#options.wallNow();
    const revision = isThere ? current.revision : 0;
    if (ifRevision !== undefined && revision !== ifRevision) {
      const message = `Cannot write: revision ${ifRevision} was expected, and ${revision} is there`;
      return new IsopodError("changed_meanwhile", { message });
    }
    const bytes = value === null ? 0 : KV_LIMITS.entryBytes + key.length + (metadata?.length ?? 0) + value.bytes;
    const grown = bytes - (current?.bytes ?? 0);
    const bytesMax = this.#options.bytesMax();
    if (grown > 0 && tally.bytes + grown > bytesMax) {
      // What has expired makes room; the entry itself may be among it.
      if (this.#collect(tally) > 0)
        return this.#apply({ namespace, key, value, metadata, expiresAt, ifRevision }, tally);
      return overQuota(tally.bytes + grown, bytesMax);
    }
    tally.bytes += grown;
    if (typeof current?.file === "string") tally.freed.push(current.file);
    if (value !== null) {
      const row = this.#replace.get(namespace, key, bytes, expiresAt, metadata, value.file, value.inline);
      return { revision: (row as { revision: number }).revision, changed: true };
    }
    if (current !== undefined) this.#remove.run(current.revision);
    return { revision: 0, changed: isThere };
  }

  #collect(tally: Tally): number {
    const rows = this.#expire.all(this.#options.wallNow(), COLLECTED_MAX) as unknown as Current[];
    for (const { bytes, file } of rows) {
      tally.bytes -= bytes;
      if (file !== null) tally.freed.push(file);
    }
    return rows.length;
  }
}

function overQuota(wanted: number, value: number): IsopodError {
  return new IsopodError("quota_exceeded", {
    message: `Cannot write: the project may keep ${value} bytes in KV (kvBytesMax), and this would make it ${wanted}`,
    limit: { name: "kvBytesMax", value },
  });
}
