/** The KV data of one project while it is open: database, files of long values, and who follows the changes. */
import type { FileHandle } from "node:fs/promises";
import type { DatabaseSync } from "node:sqlite";
import { IsopodError } from "../../core/errors.ts";
import { nameFailure } from "../../core/storage_failure.ts";
import { openDatabase } from "./database.ts";
import { type KeyPage, type KvEntry, Reads } from "./reads.ts";
import { Transactions, type Write } from "./transactions.ts";
import { ValueFiles } from "./value_files.ts";
import { Watches } from "./watches.ts";
import { Writes } from "./writes.ts";

/** How an entry is put. */
export type PutOptions = Pick<Write, "metadata" | "expiresAt" | "ifRevision">;

/** What a project's data is made of. */
export interface ProjectOptions {
  readonly directory: string;
  bytesMax(): number;
  wallNow(): number;
  /** Hears what went wrong where nobody waits. */
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** An entry whose value is here, or in a file that is open. */
export interface OpenedEntry {
  readonly entry: KvEntry;
  readonly file: FileHandle | undefined;
}

const NO_KEYS: KeyPage = { keys: [], after: undefined };

/** The data of one project. */
export class KvProject {
  readonly watches = new Watches();
  readonly #options: ProjectOptions;
  readonly #database: DatabaseSync;
  readonly #files: ValueFiles;
  readonly #reads: Reads;
  readonly #transactions: Transactions;
  readonly #writes: Writes;
  readonly #namespaces = new Map<string, number>();
  readonly #names = new Map<number, string>();
  readonly #removals = new Set<Promise<void>>();
  readonly #ender = new AbortController();
  #holders = 0;
  #onQuiet: (() => void) | undefined;

  /** @throws {IsopodError} when its files cannot be used */
  constructor(options: ProjectOptions) {
    const { directory, bytesMax, wallNow } = options;
    this.#options = options;
    this.#database = openDatabase(directory);
    this.#files = new ValueFiles(directory);
    this.#reads = new Reads(this.#database, wallNow);
    this.#transactions = new Transactions({
      ...{ database: this.#database, bytesMax, wallNow },
      freed: (files) => {
        for (const file of files) this.#remove(file);
      },
    });
    this.#writes = new Writes({
      ...{ transactions: this.#transactions, path: directory },
      changed: ({ namespace, key }, revision) => this.watches.changed(this.#names.get(namespace) ?? "", key, revision),
    });
    for (const row of this.#database.prepare("SELECT id, name FROM namespaces").all()) this.#know(row);
    const named = this.#database.prepare("SELECT file FROM entries WHERE file IS NOT NULL").all();
    this.#files.removeOthers(new Set(named.map(({ file }) => String(file))));
  }

  /** Whether somebody uses it. */
  get busy(): boolean {
    return this.#holders > 0 || this.#writes.busy || this.#removals.size > 0 || this.watches.count > 0;
  }

  /** Runs `step`, during which it is not closed for want of use. @throws {IsopodError} */
  async during<T>(step: () => Promise<T>): Promise<T> {
    this.#holders += 1;
    try {
      return await step();
    } catch (error) {
      throw this.#closed ? gone() : nameFailure(error, this.#options.directory);
    } finally {
      this.#holders -= 1;
      if (this.#holders === 0) this.#onQuiet?.();
    }
  }

  /** The entry of a key, whose value may be in a file. */
  get(namespace: string, key: Uint8Array): KvEntry | undefined {
    const id = this.#namespaces.get(namespace);
    return id === undefined ? undefined : this.#tried(() => this.#reads.get(id, key));
  }

  /** The entry of a key with its file open. */
  async open(namespace: string, key: Uint8Array): Promise<OpenedEntry | undefined> {
    for (;;) {
      const entry = this.get(namespace, key);
      if (entry === undefined || entry.file === null) return entry && { entry, file: undefined };
      try {
        return { entry, file: await this.#files.open(entry.file) };
      } catch (error) {
        // Another value has taken its place in the meantime, and its file is gone: this one's.
        const isGone = (error as NodeJS.ErrnoException).code === "ENOENT";
        if (!isGone || this.get(namespace, key)?.file === entry.file) throw error;
      }
    }
  }

  /** A part of the keys. */
  list(namespace: string, prefix: Uint8Array, after: Uint8Array | undefined, limit: number): KeyPage {
    const id = this.#namespaces.get(namespace);
    return id === undefined ? NO_KEYS : this.#tried(() => this.#reads.list(id, prefix, after, limit));
  }

  /** Puts a body; the entry's revision. @throws {IsopodError} `changed_meanwhile`, `quota_exceeded`, `value_too_large` */
  put(
    namespace: string,
    key: Uint8Array,
    body: ReadableStream<Uint8Array> | null,
    options: PutOptions & { readonly signal: AbortSignal },
  ): Promise<number> {
    return this.during(async () => {
      const { signal, ...how } = options;
      const value = await this.#files.keep(body, AbortSignal.any([signal, this.#ender.signal]));
      try {
        if (this.#closed) throw gone();
        return await this.#writes.add({ namespace: this.#idOf(namespace), key, value, ...how });
      } catch (error) {
        if (value.file !== null) await this.#files.remove(value.file);
        throw error;
      }
    });
  }

  /** Deletes an entry, if there is one. @throws {IsopodError} `changed_meanwhile` */
  delete(namespace: string, key: Uint8Array, ifRevision: number | undefined): Promise<number> {
    const none = { value: null, metadata: null, expiresAt: null };
    return this.during(async () => this.#writes.add({ namespace: this.#idOf(namespace), key, ...none, ifRevision }));
  }

  /** Removes what has expired, a piece of it; whether that was all. @throws {IsopodError} */
  collect(): boolean {
    return this.#closed || this.#tried(() => this.#transactions.collect());
  }

  /** Makes the writes that are asked for, ends everything else, and closes the files. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#ender.abort();
    this.watches.close(gone());
    if (this.#holders > 0) {
      await new Promise<void>((resolve) => {
        this.#onQuiet = resolve;
      });
    }
    await this.#writes.settled();
    await Promise.all(this.#removals);
    this.#database.close();
  }

  get #closed(): boolean {
    return this.#ender.signal.aborted;
  }

  #remove(file: string): void {
    const removal = this.#files
      .remove(file)
      .catch((error) => this.#options.report("A value's file cannot be removed", { cause: String(error) }))
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }

  #idOf(namespace: string): number {
    const known = this.#namespaces.get(namespace);
    if (known !== undefined) return known;
    const made = this.#database.prepare("INSERT INTO namespaces (name) VALUES (?) RETURNING id, name").get(namespace);
    return this.#know(made);
  }

  #know(row: unknown): number {
    const { id, name } = row as { id: number; name: string };
    this.#namespaces.set(name, id);
    this.#names.set(id, name);
    return id;
  }

  #tried<T>(step: () => T): T {
    if (this.#closed) throw gone();
    try {
      return step();
    } catch (error) {
      throw nameFailure(error, this.#options.directory);
    }
  }
}

function gone(): IsopodError {
  return new IsopodError("binding_failed", { message: "Cannot use KV: its data is being closed" });
}
