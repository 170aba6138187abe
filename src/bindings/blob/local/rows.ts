/** Rows of a project's database as objects, uploads and pieces, and the statements that read and write them. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { BLOB_LIMITS } from "../limits.ts";
import type { BlobObject, PutFacts } from "../object.ts";
import type { Content } from "./content.ts";

/** A piece as it is kept. */
export interface Piece {
  readonly part: number;
  readonly content: string;
  readonly bytes: number;
  readonly md5: string;
  readonly sums: Uint8Array;
}

/** An upload that is under way. */
export interface Upload {
  readonly id: string;
  readonly bucket: number;
  readonly key: Uint8Array;
  readonly facts: PutFacts;
}

interface ObjectRow {
  readonly key: Uint8Array;
  readonly version: string;
  readonly bytes: number;
  readonly etag: string;
  readonly uploaded: number;
  readonly facts: string;
}

const OBJECT = "key, version, bytes, etag, uploaded, facts";
const decoder = new TextDecoder();

/** The rows of one database. */
export class Rows {
  readonly #object: StatementSync;
  readonly #list: StatementSync;
  readonly #putObject: StatementSync;
  readonly #deleteObject: StatementSync;
  readonly #upload: StatementSync;
  readonly #putUpload: StatementSync;
  readonly #deleteUpload: StatementSync;
  readonly #old: StatementSync;
  readonly #uploads: StatementSync;
  readonly #counted: StatementSync;
  readonly #pieces: StatementSync;
  readonly #piece: StatementSync;
  readonly #movePieces: StatementSync;
  readonly #deletePiece: StatementSync;
  readonly #putPiece: StatementSync;
  readonly #deletePieces: StatementSync;
  readonly #named: StatementSync;
  readonly #usage: StatementSync;
  readonly #setUsage: StatementSync;

  constructor(database: DatabaseSync) {
    const prepare = (sql: string) => database.prepare(sql);
    this.#object = prepare(`SELECT ${OBJECT} FROM objects WHERE bucket = ? AND key = ?`);
    this.#list = prepare(`SELECT ${OBJECT} FROM objects WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key`);
    this.#putObject = prepare(`INSERT OR REPLACE INTO objects (bucket, ${OBJECT}) VALUES (?, ?, ?, ?, ?, ?, ?)`);
    this.#deleteObject = prepare("DELETE FROM objects WHERE bucket = ? AND key = ?");
    this.#upload = prepare("SELECT id, bucket, key, facts FROM uploads WHERE id = ?");
    this.#putUpload = prepare("INSERT INTO uploads (id, bucket, key, started, facts) VALUES (?, ?, ?, ?, ?)");
    this.#deleteUpload = prepare("DELETE FROM uploads WHERE id = ?");
    this.#old = prepare("SELECT id FROM uploads WHERE started < ? LIMIT 100");
    this.#uploads = prepare("SELECT count(*) AS count FROM uploads");
    this.#counted = prepare(
      "SELECT bytes + length(key) + length(CAST(facts AS BLOB)) AS counted FROM objects WHERE bucket = ? AND key = ?",
    );
    this.#piece = prepare("SELECT bytes, content FROM pieces WHERE owner = ? AND part = ?");
    this.#movePieces = prepare("UPDATE pieces SET owner = ?2 WHERE owner = ?1");
    this.#deletePiece = prepare("DELETE FROM pieces WHERE owner = ? AND part = ?");
    this.#pieces = prepare("SELECT part, content, bytes, md5, sums FROM pieces WHERE owner = ? ORDER BY part");
    this.#putPiece = prepare(
      "INSERT OR REPLACE INTO pieces (owner, part, content, bytes, md5, sums) VALUES (?, ?, ?, ?, ?, ?)",
    );
    this.#deletePieces = prepare("DELETE FROM pieces WHERE owner = ?");
    this.#named = prepare("SELECT 1 FROM pieces WHERE content = ? LIMIT 1");
    this.#usage = prepare("SELECT bytes FROM usage");
    this.#setUsage = prepare("UPDATE usage SET bytes = ?");
  }

  object(bucket: number, key: Uint8Array): BlobObject | undefined {
    const row = this.#object.get(bucket, key) as ObjectRow | undefined;
    return row && objectOf(row);
  }

  /** Objects whose keys are from `from` on and before `end`, in the order of their bytes. */
  *objects(bucket: number, from: Uint8Array, end: Uint8Array): Generator<BlobObject> {
    for (const row of this.#list.iterate(bucket, from, end) as Iterable<unknown>) yield objectOf(row as ObjectRow);
  }

  putObject(bucket: number, key: Uint8Array, { version, size, etag, uploaded, ...facts }: BlobObject): void {
    const { httpMetadata, customMetadata, checksums } = facts;
    const json = JSON.stringify({ httpMetadata, customMetadata, checksums });
    this.#putObject.run(bucket, key, version, size, etag, uploaded, json);
  }

  deleteObject(bucket: number, key: Uint8Array): void {
    this.#deleteObject.run(bucket, key);
  }

  /** What an object counts: its bytes, its key and metadata, and what its row takes. */
  counted(bucket: number, key: Uint8Array): number {
    return Number(this.#counted.get(bucket, key)?.["counted"] ?? 0) + BLOB_LIMITS.entryBytes;
  }

  upload(id: string): Upload | undefined {
    const row = this.#upload.get(id) as (Omit<Upload, "facts"> & { readonly facts: string }) | undefined;
    return row && { ...row, facts: JSON.parse(row.facts) as PutFacts };
  }

  putUpload({ id, bucket, key, facts }: Upload, started: number): void {
    this.#putUpload.run(id, bucket, key, started, JSON.stringify(facts));
  }

  deleteUpload(id: string): void {
    this.#deleteUpload.run(id);
  }

  /** Some of the uploads that began before a moment. */
  uploadsBefore(wallMs: number): string[] {
    return this.#old.all(wallMs).map(({ id }) => String(id));
  }

  get uploadCount(): number {
    return Number(this.#uploads.get()?.count);
  }

  pieces(owner: string): Piece[] {
    return this.#pieces.all(owner) as unknown as Piece[];
  }

  /** Length and content of one piece. */
  piece(owner: string, part: number): Pick<Piece, "bytes" | "content"> | undefined {
    return this.#piece.get(owner, part) as Pick<Piece, "bytes" | "content"> | undefined;
  }

  putPiece(owner: string, part: number, { content, bytes, md5, sums }: Content): void {
    this.#putPiece.run(owner, part, content, bytes, md5, sums);
  }

  /** Gives all pieces of one owner to another one, who has none. */
  movePieces(owner: string, to: string): void {
    this.#movePieces.run(owner, to);
  }

  deletePiece(owner: string, part: number): void {
    this.#deletePiece.run(owner, part);
  }

  deletePieces(owner: string): void {
    this.#deletePieces.run(owner);
  }

  /** Whether any row names a content. */
  names(content: string): boolean {
    return this.#named.get(content) !== undefined;
  }

  get usage(): number {
    return Number(this.#usage.get()?.bytes);
  }

  set usage(bytes: number) {
    this.#setUsage.run(bytes);
  }
}

function objectOf({ key, version, bytes, etag, uploaded, facts }: ObjectRow): BlobObject {
  const known = JSON.parse(facts) as Pick<BlobObject, "httpMetadata" | "customMetadata" | "checksums">;
  return { key: decoder.decode(key), version, size: bytes, etag, uploaded, ...known };
}
