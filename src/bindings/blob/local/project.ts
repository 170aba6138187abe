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
import { BodyRoom } from "../body_room.ts";
import { Life } from "../life.ts";
import { type BlobObject, type Conditions, holds, type ListPage, type ListQuery, type PutFacts } from "../object.ts";
import { streamPieces } from "./body.ts";
import { Changes } from "./changes.ts";
import { Commits } from "./commits.ts";
import { ContentFiles } from "./content.ts";
import { openDatabase } from "./database.ts";
import { listObjects } from "./listing.ts";
import { Removals } from "./removals.ts";
import { Rows } from "./rows.ts";
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
  readonly #removals: Removals;
  readonly #commits: Commits;
  readonly #changes: Changes;
  readonly #writer: Writer;
  #isClean = true;

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
    const removals = new Removals({ files, rows, life, complain });
    const freed = (contents: readonly string[]) => removals.add(contents);
    const commits = new Commits({ database, rows, path: directory, bytesMax, freed });
    const changes = new Changes({ database, rows, commits, wallNow });
    const writer = new Writer({ files, life, removals, room: new BodyRoom(bytesMax) });
    const usage = () => commits.usage;
    this.uploads = new Uploads({ rows, changes, writer, life, usage, wallNow });
    this.#life = life;
    this.#database = database;
    this.#rows = rows;
    this.#files = files;
    this.#removals = removals;
    this.#commits = commits;
    this.#changes = changes;
    this.#writer = writer;
    if (!files.wasLeft) return;
    life
      .during(() => files.removeOthers((content) => rows.names(content)))
      .catch((error) => {
        this.#isClean = false;
        complain("What a crash has left of blobs cannot be removed", error);
      });
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

  /** An object with its bytes; without them where the conditions do not hold. @throws {IsopodError} `bad_request` */
  get(bucket: string, key: string, how: GetOptions): OpenedObject | BlobObject | undefined {
    const { conditions, range: asked, signal } = how;
    const object = this.head(bucket, key);
    if (object === undefined || !holds(conditions, object)) return object;
    const range = rangeOf(asked, object);
    const pieces = this.#life.now(() => this.#rows.pieces(object.version));
    const contents = pieces.map(({ content }) => content);
    const files = this.#files;
    // Another one may take its place from now on; its files stay until they are read.
    for (const content of contents) files.hold(content);
    this.#life.hold();
    const closed = () => {
      for (const content of contents) files.release(content);
      const [first] = pieces;
      if (first !== undefined && this.#rows.piece(object.version, first.part) === undefined)
        this.#removals.add(contents);
      this.#life.release();
    };
    const readable = pieces.map(({ bytes, sums, content }) => ({ bytes, sums, open: () => this.#open(content) }));
    const until = AbortSignal.any([signal, this.#life.signal]);
    return { object, range, body: streamPieces(readable, range, until, closed) };
  }

  /** Puts an object; undefined where the conditions do not hold. */
  async put(
    bucket: string,
    key: string,
    incoming: Incoming,
    { facts, conditions }: { readonly facts: PutFacts; readonly conditions: Conditions },
  ): Promise<BlobObject | undefined> {
    // Said before the bytes are sent, where it can be; decided after them.
    const before = this.head(bucket, key);
    if (!holds(conditions, before)) return undefined;
    return this.#writer.write({
      incoming,
      checksums: facts.checksums,
      left: () => this.#commits.usage - (before?.size ?? 0),
      make: (content) => {
        const checksums = { ...facts.checksums, md5: content.md5 };
        const made = { size: content.bytes, etag: content.md5, uploaded: this.#options.wallNow() };
        const object = newObject(key, { ...facts, checksums }, made);
        return this.#changes.putObject({ bucket, key: encoder.encode(key), object, conditions }, content);
      },
    });
  }

  delete(bucket: string, keys: readonly string[]): Promise<void> {
    const all = keys.map((key) => encoder.encode(key));
    return this.#life.during(() => this.#changes.delete(bucket, all));
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
    if (this.#isClean && !this.#removals.failed) this.#files.markClean();
  }

  async #open(content: string): Promise<FileHandle> {
    try {
      return await this.#files.open(content);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw nameFailure(error, this.#options.directory);
      throw new IsopodError("internal", { cause: `the file ${content} of a blob is missing` });
    }
  }
}
