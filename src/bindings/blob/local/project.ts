/**
 * The blobs of one project while they are open: rows that say what there is, files that hold it.
 *
 * Bytes are written first, and a transaction makes them an object; what no row names any more is removed after it. So a
 * crash leaves objects as they were before or after a change, and at most files that nobody names.
 */
import type { FileHandle } from "node:fs/promises";
import type { DatabaseSync } from "node:sqlite";
import { IsopodError } from "../../../core/errors.ts";
import { nameFailure } from "../../../core/storage_failure.ts";
import { type Incoming, type OpenedObject, type RangeQuery, rangeOf } from "../backend.ts";
import { type BlobObject, type Conditions, holds, type ListPage, type ListQuery, type PutFacts } from "../object.ts";
import { refused } from "../refused.ts";
import { streamPieces } from "./body.ts";
import { Changes } from "./changes.ts";
import { ContentFiles } from "./content.ts";
import { openDatabase } from "./database.ts";
import { Life } from "./life.ts";
import { listObjects } from "./listing.ts";
import { type Piece, Rows } from "./rows.ts";
import { newObject, Uploads } from "./uploads.ts";
import { Writer } from "./writer.ts";

/** What a project's blobs are made of. */
export interface ProjectOptions {
  readonly directory: string;
  bytesMax(): number;
  wallNow(): number;
  /** Hears what went wrong where nobody waits. */
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** What a get depends on, and what of the object it wants. */
export interface GetOptions {
  readonly conditions: Conditions;
  readonly range: RangeQuery | undefined;
  readonly signal: AbortSignal;
}

const NOTHING: ListPage = { objects: [], prefixes: [], after: undefined };
const encoder = new TextEncoder();

/** The blobs of one project. */
export class BlobProject {
  readonly uploads: Uploads;
  readonly #options: ProjectOptions;
  readonly #life: Life;
  readonly #database: DatabaseSync;
  readonly #rows: Rows;
  readonly #files: ContentFiles;
  readonly #changes: Changes;
  readonly #writer: Writer;

  /** @throws {IsopodError} when its files cannot be used */
  constructor(options: ProjectOptions) {
    const { directory, bytesMax, wallNow, report } = options;
    this.#options = options;
    const life = new Life(directory);
    const database = openDatabase(directory);
    const rows = new Rows(database);
    const files = new ContentFiles(directory);
    const complain = (message: string, error: unknown) => {
      if (!life.signal.aborted) report(message, { cause: String(error) });
    };
    const writer = new Writer({ files, rows, life, complain });
    const freed = (contents: readonly string[]) => writer.removeFreed(contents);
    const changes = new Changes({ database, rows, bytesMax, wallNow, freed });
    this.uploads = new Uploads({ rows, changes, writer, life, wallNow });
    this.#life = life;
    this.#database = database;
    this.#rows = rows;
    this.#files = files;
    this.#changes = changes;
    this.#writer = writer;
    life
      .during(() => files.removeOthers((content) => rows.names(content)))
      .catch((error) => complain("What a crash has left of blobs cannot be removed", error));
  }

  /** Whether somebody uses it. */
  get busy(): boolean {
    return this.#life.busy;
  }

  head(bucket: string, key: string): BlobObject | undefined {
    return this.#life.now(() => {
      const id = this.#changes.bucketId(bucket);
      return id === undefined ? undefined : this.#rows.object(id, encoder.encode(key));
    });
  }

  /** An object with its files open; without them where the conditions do not hold. @throws {IsopodError} `bad_request` */
  async get(bucket: string, key: string, how: GetOptions): Promise<OpenedObject | BlobObject | undefined> {
    const { conditions, range: asked, signal } = how;
    for (;;) {
      const object = this.head(bucket, key);
      if (object === undefined || !holds(conditions, object)) return object;
      const range = asked === undefined ? { offset: 0, length: object.size } : rangeOf(asked, object.size);
      if (range === undefined) throw refused(`the object has ${object.size} bytes, and none of the range`);
      const pieces = this.#life.now(() => this.#rows.pieces(object.version));
      const files = await this.#openAll(pieces);
      if (files !== undefined) {
        const open = pieces.map(({ bytes, sums }, at) => ({ file: files[at] as FileHandle, bytes, sums }));
        this.#life.hold();
        const until = AbortSignal.any([signal, this.#life.signal]);
        return { object, range, body: streamPieces(open, range, until, () => this.#life.release()) };
      }
      // Another one has taken its place meanwhile, and its files are gone: that one's are given.
      if (this.head(bucket, key)?.version !== object.version) continue;
      throw new IsopodError("internal", { cause: `a file of the blob ${object.version} is missing` });
    }
  }

  /** Puts an object; undefined where the conditions do not hold. */
  async put(
    bucket: string,
    key: string,
    incoming: Incoming,
    { facts, conditions }: { readonly facts: PutFacts; readonly conditions: Conditions },
  ): Promise<BlobObject | undefined> {
    // Said before the bytes are sent, where it can be; decided after them.
    if (!holds(conditions, this.head(bucket, key))) return undefined;
    return this.#writer.write(incoming, facts, (content) => {
      const checksums = { ...facts.checksums, md5: content.md5 };
      const made = { size: content.bytes, etag: content.md5, uploaded: this.#options.wallNow() };
      const object = newObject(key, { ...facts, checksums }, made);
      return this.#changes.putObject({ bucket, key: encoder.encode(key), object, conditions }, [
        { ...content, part: 1 },
      ]);
    });
  }

  delete(bucket: string, keys: readonly string[]): void {
    const all = keys.map((key) => encoder.encode(key));
    this.#life.now(() => this.#changes.delete(bucket, all));
  }

  list(bucket: string, query: ListQuery): ListPage {
    return this.#life.now(() => {
      const id = this.#changes.bucketId(bucket);
      return id === undefined ? NOTHING : listObjects(this.#rows, id, query);
    });
  }

  /** Ends what is under way and closes the files. */
  async close(): Promise<void> {
    if (this.#life.signal.aborted) return;
    await this.#life.end();
    this.#database.close();
  }

  /** The files of pieces; undefined when one is not there any more. */
  async #openAll(pieces: readonly Piece[]): Promise<FileHandle[] | undefined> {
    const files: FileHandle[] = [];
    try {
      for (const { content } of pieces) files.push(await this.#files.open(content));
      return files;
    } catch (error) {
      await Promise.all(files.map((file) => file.close()));
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw nameFailure(error, this.#options.directory);
    }
  }
}
