/**
 * The writes of one project, gathered: those of one turn of the event loop share a transaction, and so one wait for the
 * disk. Each has its own outcome.
 */
import { IsopodError } from "../../core/errors.ts";
import { nameFailure } from "../../core/storage_failure.ts";
import { type Deferred, deferred } from "../../stdx/deferred.ts";
import type { Transactions, Write, Written } from "./transactions.ts";

const TRANSACTION_WRITES_MAX = 256;
/** A commit holds up the event loop: those of one project must leave the others their turns. */
const TRANSACTION_BYTES_MAX = 1024 * 1024;
const PENDING_WRITES_MAX = 4096;

interface PendingWrite {
  readonly write: Write;
  readonly outcome: Deferred<number>;
}

/** How writes are set up. */
export interface WritesOptions {
  readonly transactions: Transactions;
  /** Of the data, for messages. */
  readonly path: string;
  /** Hears of each change, once it is on the disk; a revision of 0 is a deletion. */
  changed(write: Write, revision: number): void;
}

/** The writes of one database. */
export class Writes {
  readonly #options: WritesOptions;
  #pending: PendingWrite[] = [];
  #draining: Promise<void> | undefined;

  constructor(options: WritesOptions) {
    this.#options = options;
  }

  /** Whether writes wait to be made. */
  get busy(): boolean {
    return this.#draining !== undefined;
  }

  /** Makes a write; resolves with its revision when it is on the disk. @throws {IsopodError} */
  add(write: Write): Promise<number> {
    if (this.#pending.length >= PENDING_WRITES_MAX) {
      const message = `Cannot write: ${PENDING_WRITES_MAX} writes of the project wait for the disk already.`;
      throw new IsopodError("overloaded", { message });
    }
    const outcome = deferred<number>();
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
    let outcomes: (Written | IsopodError)[];
    try {
      outcomes = this.#options.transactions.make(taken.map(({ write }) => write));
    } catch (error) {
      const named = nameFailure(error, this.#options.path);
      // A large write must not take small ones with it.
      if (named.code === "storage_full" && taken.length > 1) for (const each of taken) this.#commit([each]);
      else for (const { outcome } of taken) outcome.reject(named);
      return;
    }
    for (const [index, { write, outcome }] of taken.entries()) {
      const found = outcomes[index] as Written | IsopodError;
      if (found instanceof IsopodError) {
        outcome.reject(found);
        continue;
      }
      if (found.changed) this.#options.changed(write, found.revision);
      outcome.resolve(found.revision);
    }
  }
}
