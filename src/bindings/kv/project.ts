/**
 * The KV data of one project while it is open: what its namespaces hold, read and written.
 *
 * An entry that has expired is not there for anybody, whenever its row is collected.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { openDatabase } from "./database.ts";
import { nameFailure } from "./failures.ts";
import { type KeptValue, Writes } from "./writes.ts";

/** An entry. */
export interface KvEntry {
  readonly revision: number;
  readonly bytes: number;
  readonly expires_at: number | null;
  /** Percent-encoded JSON. */
  readonly metadata: string | null;
  readonly file: string | null;
  readonly value: Uint8Array | null;
}

/** How an entry is put. */
export interface PutOptions {
  readonly metadata: string | null;
  readonly expiresAt: number | null;
  readonly ifRevision: number | undefined;
}

/** What a project's data is made of. */
export interface ProjectOptions {
  readonly directory: string;
  bytesMax(): number;
  wallNow(): number;
}

/** The data of one project. */
export class KvProject {
  readonly #options: ProjectOptions;
  readonly #database: DatabaseSync;
  readonly #writes: Writes;
  readonly #get: StatementSync;
  readonly #namespaces = new Map<string, number>();

  /** @throws {IsopodError} when its file cannot be used */
  constructor(options: ProjectOptions) {
    const { directory, bytesMax, wallNow } = options;
    this.#options = options;
    this.#database = openDatabase(directory);
    this.#writes = new Writes({ database: this.#database, path: directory, bytesMax, wallNow });
    this.#get = this.#database.prepare(
      "SELECT revision, bytes, expires_at, metadata, file, value FROM entries WHERE namespace = ? AND key = ?",
    );
    const rows = this.#database.prepare("SELECT id, name FROM namespaces").all() as { id: number; name: string }[];
    for (const { id, name } of rows) this.#namespaces.set(name, id);
  }

  /** The entry of a key. */
  get(namespace: string, key: Uint8Array): KvEntry | undefined {
    const id = this.#namespaces.get(namespace);
    if (id === undefined) return undefined;
    const entry = this.#tried(() => this.#get.get(id, key)) as KvEntry | undefined;
    const expiresAt = entry?.expires_at ?? null;
    return expiresAt !== null && expiresAt <= this.#options.wallNow() ? undefined : entry;
  }

  /** Puts an entry; its revision. @throws {IsopodError} `changed_meanwhile`, `quota_exceeded` */
  async put(namespace: string, key: Uint8Array, value: KeptValue, options: PutOptions): Promise<number> {
    const { revision } = await this.#writes.add({ namespace: this.#idOf(namespace), key, value, ...options });
    return revision;
  }

  /** Deletes an entry, if there is one. @throws {IsopodError} `changed_meanwhile` */
  async delete(namespace: string, key: Uint8Array, ifRevision: number | undefined): Promise<void> {
    const id = this.#namespaces.get(namespace);
    if (id === undefined && ifRevision === undefined) return;
    const none = { value: null, metadata: null, expiresAt: null };
    await this.#writes.add({ namespace: id ?? 0, key, ...none, ifRevision });
  }

  /** Makes what is asked for, and closes the file. */
  async close(): Promise<void> {
    await this.#writes.settled();
    this.#database.close();
  }

  #idOf(namespace: string): number {
    const known = this.#namespaces.get(namespace);
    if (known !== undefined) return known;
    const sql = "INSERT INTO namespaces (name) VALUES (?) RETURNING id";
    const { id } = this.#tried(() => this.#database.prepare(sql).get(namespace)) as { id: number };
    this.#namespaces.set(namespace, id);
    return id;
  }

  #tried<T>(step: () => T): T {
    try {
      return step();
    } catch (error) {
      throw nameFailure(error, this.#options.directory);
    }
  }
}
