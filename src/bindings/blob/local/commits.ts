/**
 * The changes of one project, gathered: those of one turn of the event loop share a transaction, and so one wait for the
 * disk. Each has its own outcome, and one that fails undoes nothing of the others.
 */
import type { DatabaseSync } from "node:sqlite";
import { IsopodError } from "../../../core/errors.ts";
import { nameFailure } from "../../../core/storage_failure.ts";
import { type Deferred, deferred } from "../../../stdx/deferred.ts";
import { overQuota } from "../refused.ts";
import type { Rows } from "./rows.ts";

const TRANSACTION_CHANGES_MAX = 64;
const PENDING_MAX = 4096;

/** What a transaction adds up. */
export interface Tally {
  bytes: number;
  /** Contents that a row named, and may not any more. */
  freed: string[];
}

/** What commits are made on. */
export interface CommitsOptions {
  readonly database: DatabaseSync;
  readonly rows: Rows;
  /** Of the data, for messages. */
  readonly path: string;
  /** How much the project may keep now, in bytes. */
  bytesMax(): number;
  freed(contents: readonly string[]): void;
}

interface Pending {
  readonly step: (tally: Tally) => unknown;
  readonly outcome: Deferred<unknown>;
}

/** The commits of one database. */
export class Commits {
  readonly #options: CommitsOptions;
  readonly #pending: Pending[] = [];
  #draining = false;
  #usage: number;

  constructor(options: CommitsOptions) {
    this.#options = options;
    this.#usage = options.rows.usage;
  }

  /** How much the project keeps, in bytes. */
  get usage(): number {
    return this.#usage;
  }

  /** Makes a change; resolves with what `step` returns when it is on the disk. @throws {IsopodError} */
  make<T>(step: (tally: Tally) => T): Promise<T> {
    if (this.#pending.length >= PENDING_MAX) {
      const message = `Cannot use blobs: ${PENDING_MAX} changes of the project wait for the disk already`;
      return Promise.reject(new IsopodError("overloaded", { message }));
    }
    const outcome = deferred<unknown>();
    this.#pending.push({ step, outcome });
    if (!this.#draining) {
      this.#draining = true;
      setImmediate(() => this.#drain());
    }
    return outcome.promise as Promise<T>;
  }

  #drain(): void {
    this.#commit(this.#pending.splice(0, TRANSACTION_CHANGES_MAX));
    this.#draining = this.#pending.length > 0;
    if (this.#draining) setImmediate(() => this.#drain());
  }

  #commit(taken: readonly Pending[]): void {
    const { database, rows, path, freed } = this.#options;
    const tally: Tally = { bytes: this.#usage, freed: [] };
    let settle: (() => void)[];
    try {
      database.exec("BEGIN IMMEDIATE");
      settle = taken.map((each) => this.#apply(each, tally));
      if (tally.bytes !== this.#usage) rows.usage = tally.bytes;
      database.exec("COMMIT");
    } catch (error) {
      // SQLite has rolled back already after some errors.
      if (database.isTransaction) database.exec("ROLLBACK");
      for (const { outcome } of taken) outcome.reject(nameFailure(error, path));
      return;
    }
    this.#usage = tally.bytes;
    if (tally.freed.length > 0) freed(tally.freed);
    for (const each of settle) each();
  }

  /** Makes one change, or nothing of it; how its outcome is told. @throws {Error} of SQLite */
  #apply({ step, outcome }: Pending, tally: Tally): () => void {
    const { database } = this.#options;
    const before = { ...tally, freed: tally.freed.length };
    database.exec("SAVEPOINT change");
    try {
      const value = step(tally);
      const max = this.#options.bytesMax();
      if (tally.bytes > before.bytes && tally.bytes > max) throw overQuota(tally.bytes, max);
      database.exec("RELEASE change");
      return () => outcome.resolve(value);
    } catch (error) {
      if (!(error instanceof IsopodError)) throw error;
      database.exec("ROLLBACK TO change; RELEASE change");
      tally.bytes = before.bytes;
      tally.freed.length = before.freed;
      return () => outcome.reject(error);
    }
  }
}
