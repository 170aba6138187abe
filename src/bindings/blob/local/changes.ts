/** Changes of a project's objects and uploads, each as a whole: conditions, what they count, and what no row names after. */
import type { DatabaseSync } from "node:sqlite";
import { BLOB_LIMITS } from "../limits.ts";
import { type BlobObject, type Conditions, holds, type PutFacts } from "../object.ts";
import { noUpload, tooManyUploads } from "../refused.ts";
import type { Commits, Tally } from "./commits.ts";
import type { Content } from "./content.ts";
import type { Piece, Rows, Upload } from "./rows.ts";

/** What changes are made on. */
export interface ChangesOptions {
  readonly database: DatabaseSync;
  readonly rows: Rows;
  readonly commits: Commits;
  /** Milliseconds since the Unix epoch. */
  wallNow(): number;
}

/** An object that is to be put. */
export interface NewObject {
  readonly bucket: string;
  readonly key: Uint8Array;
  readonly object: BlobObject;
  readonly conditions: Conditions;
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
  putObject({ bucket, key, object, conditions }: NewObject, content: Content): Promise<BlobObject | undefined> {
    const { rows, commits } = this.#options;
    const id = this.#idOf(bucket);
    return commits.make((tally) => {
      if (!holds(conditions, rows.object(id, key))) return undefined;
      this.#replace(tally, id, key, object);
      rows.putPiece(object.version, 1, content);
      return object;
    });
  }

  async delete(bucket: string, keys: readonly Uint8Array[]): Promise<void> {
    const id = this.#buckets.get(bucket);
    if (id === undefined) return;
    await this.#options.commits.make((tally) => {
      for (const key of keys) this.#forget(tally, id, key);
    });
  }

  /** @throws {IsopodError} `quota_exceeded` when too many are under way */
  createUpload(bucket: string, key: Uint8Array, facts: PutFacts): Promise<string> {
    const { rows, commits, wallNow } = this.#options;
    const upload = { id: crypto.randomUUID().replaceAll("-", ""), bucket: this.#idOf(bucket), key, facts };
    return commits.make(() => {
      if (rows.uploadCount >= BLOB_LIMITS.uploadsMax) throw tooManyUploads();
      rows.putUpload(upload, wallNow());
      return upload.id;
    });
  }

  /** The upload of this id, for this key. @throws {IsopodError} `not_found` */
  checkUpload(bucket: string, key: Uint8Array, id: string): Upload {
    const upload = this.#options.rows.upload(id);
    if (upload === undefined || upload.bucket !== this.#buckets.get(bucket)) throw noUpload();
    if (Buffer.compare(upload.key, key) !== 0) throw noUpload();
    return upload;
  }

  /** @throws {IsopodError} `not_found`, `quota_exceeded` */
  putPart(bucket: string, key: Uint8Array, id: string, part: number, content: Content): Promise<void> {
    const { rows, commits } = this.#options;
    return commits.make((tally) => {
      // It may have been completed or given up while the bytes came.
      this.checkUpload(bucket, key, id);
      this.#forgetPiece(tally, rows.piece(id, part));
      tally.bytes += content.bytes + BLOB_LIMITS.entryBytes;
      rows.putPiece(id, part, content);
    });
  }

  /** Makes the object that `choose` says of the upload's pieces. @throws {IsopodError} `not_found`, and of `choose` */
  completeUpload(
    bucket: string,
    key: Uint8Array,
    id: string,
    choose: (upload: Upload, pieces: readonly Piece[]) => { object: BlobObject; chosen: readonly Piece[] },
  ): Promise<BlobObject> {
    const { rows, commits } = this.#options;
    return commits.make((tally) => {
      const upload = this.checkUpload(bucket, key, id);
      const pieces = rows.pieces(id);
      const { object, chosen } = choose(upload, pieces);
      const kept = new Set(chosen.map(({ part }) => part));
      for (const piece of pieces) {
        if (kept.has(piece.part)) tally.bytes -= piece.bytes + BLOB_LIMITS.entryBytes;
        else {
          this.#forgetPiece(tally, piece);
          rows.deletePiece(id, piece.part);
        }
      }
      rows.deleteUpload(id);
      this.#replace(tally, upload.bucket, key, object);
      rows.movePieces(id, object.version);
      return object;
    });
  }

  /** Gives uploads up. */
  abortUploads(ids: readonly string[]): Promise<void> {
    const { rows, commits } = this.#options;
    return commits.make((tally) => {
      for (const id of ids) {
        for (const piece of rows.pieces(id)) this.#forgetPiece(tally, piece);
        rows.deletePieces(id);
        rows.deleteUpload(id);
      }
    });
  }

  #replace(tally: Tally, bucket: number, key: Uint8Array, object: BlobObject): void {
    const { rows } = this.#options;
    this.#forget(tally, bucket, key);
    rows.putObject(bucket, key, object);
    tally.bytes += rows.counted(bucket, key);
  }

  #forget(tally: Tally, bucket: number, key: Uint8Array): void {
    const { rows } = this.#options;
    const before = rows.object(bucket, key);
    if (before === undefined) return;
    tally.bytes -= rows.counted(bucket, key);
    for (const { content } of rows.pieces(before.version)) tally.freed.push(content);
    rows.deletePieces(before.version);
    rows.deleteObject(bucket, key);
  }

  /** Counts a piece of an upload out, whose content may be named no more. */
  #forgetPiece(tally: Tally, piece: Pick<Piece, "bytes" | "content"> | undefined): void {
    if (piece === undefined) return;
    tally.bytes -= piece.bytes + BLOB_LIMITS.entryBytes;
    tally.freed.push(piece.content);
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
