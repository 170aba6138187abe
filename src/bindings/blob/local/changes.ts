/** Changes of a project's objects and uploads, a transaction each: conditions, the quota, and what no row names after it. */
import type { DatabaseSync } from "node:sqlite";
import { BLOB_LIMITS } from "../limits.ts";
import { type BlobObject, type Conditions, holds, type PutFacts } from "../object.ts";
import { noUpload, overQuota } from "../refused.ts";
import type { Content } from "./content.ts";
import type { Piece, Rows, Upload } from "./rows.ts";

/** What changes are made on. */
export interface ChangesOptions {
  readonly database: DatabaseSync;
  readonly rows: Rows;
  /** How much the project may keep now, in bytes. */
  bytesMax(): number;
  /** Milliseconds since the Unix epoch. */
  wallNow(): number;
  /** Hears of contents that a row named, and may not any more. */
  freed(contents: readonly string[]): void;
}

/** An object that is to be put. */
export interface NewObject {
  readonly bucket: string;
  readonly key: Uint8Array;
  readonly object: BlobObject;
  readonly conditions: Conditions;
}

/** What a transaction adds up. */
interface Tally {
  bytes: number;
  readonly freed: string[];
}

/** The changes of one database. */
export class Changes {
  readonly #options: ChangesOptions;
  readonly #buckets = new Map<string, number>();

  constructor(options: ChangesOptions) {
    this.#options = options;
    for (const { id, name } of options.database.prepare("SELECT id, name FROM buckets").all()) {
      this.#buckets.set(String(name), Number(id));
    }
  }

  /** The number of a bucket; undefined when nothing was ever put into it. */
  bucketId(name: string): number | undefined {
    return this.#buckets.get(name);
  }

  /** Puts an object; undefined where the conditions do not hold. @throws {IsopodError} `quota_exceeded` */
  putObject({ bucket, key, object, conditions }: NewObject, pieces: readonly Piece[]): BlobObject | undefined {
    const { rows } = this.#options;
    const id = this.#idOf(bucket);
    return this.#transact((tally) => {
      if (!holds(conditions, rows.object(id, key))) return undefined;
      this.#replace(tally, id, key, object, pieces);
      return object;
    });
  }

  delete(bucket: string, keys: readonly Uint8Array[]): void {
    const id = this.#buckets.get(bucket);
    if (id === undefined) return;
    this.#transact((tally) => {
      for (const key of keys) this.#forget(tally, id, key);
    });
  }

  createUpload(bucket: string, key: Uint8Array, facts: PutFacts): string {
    const id = crypto.randomUUID().replaceAll("-", "");
    const { rows, wallNow } = this.#options;
    rows.putUpload({ id, bucket: this.#idOf(bucket), key, facts }, wallNow());
    return id;
  }

  /** The upload of this id, for this key. @throws {IsopodError} `not_found` */
  checkUpload(bucket: string, key: Uint8Array, id: string): Upload {
    const upload = this.#options.rows.upload(id);
    if (upload === undefined || upload.bucket !== this.#buckets.get(bucket)) throw noUpload();
    if (Buffer.compare(upload.key, key) !== 0) throw noUpload();
    return upload;
  }

  /** @throws {IsopodError} `quota_exceeded` */
  putPart(id: string, part: number, content: Content): void {
    const { rows } = this.#options;
    this.#transact((tally) => {
      const before = rows.pieces(id).find((piece) => piece.part === part);
      if (before !== undefined) this.#drop(tally, before.bytes, [before.content]);
      this.#add(tally, content.bytes);
      rows.putPiece(id, part, content);
    });
  }

  completeUpload(upload: Upload, object: BlobObject, pieces: readonly Piece[]): void {
    this.#transact((tally) => {
      this.#forgetUpload(tally, upload.id);
      this.#replace(tally, upload.bucket, upload.key, object, pieces);
    });
  }

  abortUploads(ids: readonly string[]): void {
    this.#transact((tally) => {
      for (const id of ids) this.#forgetUpload(tally, id);
    });
  }

  #replace(tally: Tally, bucket: number, key: Uint8Array, object: BlobObject, pieces: readonly Piece[]): void {
    const { rows } = this.#options;
    this.#forget(tally, bucket, key);
    this.#add(tally, object.size);
    rows.putObject(bucket, key, object);
    for (const piece of pieces) rows.putPiece(object.version, piece.part, piece);
  }

  #forget(tally: Tally, bucket: number, key: Uint8Array): void {
    const { rows } = this.#options;
    const before = rows.object(bucket, key);
    if (before === undefined) return;
    const contents = rows.pieces(before.version).map(({ content }) => content);
    rows.deletePieces(before.version);
    rows.deleteObject(bucket, key);
    this.#drop(tally, before.size, contents);
  }

  #forgetUpload(tally: Tally, id: string): void {
    const { rows } = this.#options;
    for (const { bytes, content } of rows.pieces(id)) this.#drop(tally, bytes, [content]);
    rows.deletePieces(id);
    rows.deleteUpload(id);
  }

  /** Counts an entry in. */
  #add(tally: Tally, bytes: number): void {
    tally.bytes += bytes + BLOB_LIMITS.entryBytes;
  }

  /** Counts an entry out, whose contents may be named no more. */
  #drop(tally: Tally, bytes: number, contents: readonly string[]): void {
    tally.bytes -= bytes + BLOB_LIMITS.entryBytes;
    tally.freed.push(...contents);
  }

  #transact<T>(step: (tally: Tally) => T): T {
    const { database, rows, freed, bytesMax } = this.#options;
    database.exec("BEGIN IMMEDIATE");
    let tally: Tally;
    let result: T;
    try {
      const before = rows.usage;
      tally = { bytes: before, freed: [] };
      result = step(tally);
      const max = bytesMax();
      if (tally.bytes > before && tally.bytes > max) throw overQuota(tally.bytes, max);
      if (tally.bytes !== before) rows.usage = tally.bytes;
      database.exec("COMMIT");
    } catch (error) {
      // SQLite has rolled back already after some errors.
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
    if (tally.freed.length > 0) freed(tally.freed);
    return result;
  }

  #idOf(bucket: string): number {
    const known = this.#buckets.get(bucket);
    if (known !== undefined) return known;
    const { database } = this.#options;
    const made = database.prepare("INSERT INTO buckets (name) VALUES (?) RETURNING id").get(bucket) as { id: number };
    this.#buckets.set(bucket, made.id);
    return made.id;
  }
}
