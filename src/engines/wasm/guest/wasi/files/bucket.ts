/**
 * Folders that are filled from buckets: read-only, listed anew now and then, the contents of an object fetched as somebody
 * opens it and kept while there is room.
 */
import { refuse } from "../numbers.ts";
import { FileNode, FolderNode } from "./nodes.ts";
import { folderIn } from "./tree.ts";

/** A listing is as old as this at the most when an invocation begins, in milliseconds. */
const FRESH_MS = 1000;
/** The most objects of one folder. */
const OBJECTS_MAX = 10_000;
/** The largest object that can be opened, in bytes. */
const OBJECT_BYTES_MAX = 64 * 1024 * 1024;
/** What is kept of objects that nobody has open, in bytes. */
const KEPT_BYTES_MAX = 16 * 1024 * 1024;
/** A name in a path, as file systems have it. */
const NAME_BYTES_MAX = 255;
const NANOSECONDS_A_MS = 1_000_000n;

interface ListedObject {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
  readonly uploaded: Date;
}

interface Bucket {
  get(key: string): Promise<{ readonly size: number; arrayBuffer(): Promise<ArrayBuffer> } | null>;
  list(options: object): Promise<{
    readonly objects: readonly ListedObject[];
    readonly truncated: boolean;
    readonly cursor?: string;
  }>;
}

/** A file must be fetched before it can be opened. */
export class NotFetched extends Error {
  readonly file: BucketFile;

  constructor(file: BucketFile) {
    super("the file has not been fetched");
    this.file = file;
  }
}

/** One object. */
export class BucketFile extends FileNode {
  readonly etag: string;
  readonly #key: string;
  readonly #folder: BucketFolder;
  #isThere = false;

  constructor({ key, size, etag, uploaded }: ListedObject, folder: BucketFolder) {
    super(undefined, undefined, size);
    this.etag = etag;
    this.#key = key;
    this.#folder = folder;
    this.modified = BigInt(uploaded.getTime()) * NANOSECONDS_A_MS;
    this.changed = this.modified;
    this.accessed = this.modified;
  }

  /** @throws {NotFetched} unless its contents are there; {Refusal} when they are too large for that */
  need(): void {
    if (this.size > OBJECT_BYTES_MAX) refuse("fbig");
    if (!this.#isThere) throw new NotFetched(this);
  }

  /** Fetches what the bucket has under its key now. @throws {Refusal} when it is gone, or too large */
  async fetch(): Promise<void> {
    const found = await this.#folder.bucket.get(this.#key);
    if (found === null) return refuse("noent");
    if (found.size > OBJECT_BYTES_MAX) return refuse("fbig");
    this.replace(new Uint8Array(await found.arrayBuffer()));
    this.#isThere = true;
    this.#folder.keep(this);
  }

  /** Gives its contents up unless somebody has it open: whether it did. */
  drop(): boolean {
    if (this.isOpen) return false;
    this.replace(undefined);
    this.#isThere = false;
    return true;
  }
}

/** One folder, for all invocations of an instance. */
export class BucketFolder {
  #bucket: Bucket | undefined;
  readonly #prefix: string;
  /** Those whose contents are there, the one that was fetched last at the end. */
  readonly #kept = new Set<BucketFile>();
  #files = new Map<string, BucketFile>();
  #root = new FolderNode(undefined);
  #listedAt = Number.NEGATIVE_INFINITY;

  /** @param prefix what the keys of its objects begin with; it is no part of their names */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** What is there, as it was listed last. */
  get root(): FolderNode {
    return this.#root;
  }

  /** The bucket, as it is bound to the invocation that began last. */
  get bucket(): Bucket {
    return this.#bucket ?? refuse("io");
  }

  /** Lists `bucket` unless that has just been done. @throws {Error} when it cannot be listed */
  async refresh(bucket: unknown): Promise<void> {
    this.#bucket = bucket as Bucket;
    if (performance.now() - this.#listedAt < FRESH_MS) return;
    const listed = await listAll(this.#bucket, this.#prefix);
    const before = this.#files;
    this.#files = new Map();
    this.#root = new FolderNode(undefined);
    for (const object of listed) {
      const known = before.get(object.key);
      const file = known?.etag === object.etag ? known : new BucketFile(object, this);
      if (this.#put(object.key.slice(this.#prefix.length), file)) this.#files.set(object.key, file);
    }
    const current = new Set(this.#files.values());
    for (const file of this.#kept) if (!current.has(file)) this.#kept.delete(file);
    this.#listedAt = performance.now();
  }

  /** Keeps what `file` holds, and gives up what was fetched long ago where all of it is too much. */
  keep(file: BucketFile): void {
    this.#kept.delete(file);
    this.#kept.add(file);
    let bytes = 0;
    for (const each of this.#kept) bytes += each.size;
    for (const each of this.#kept) {
      if (bytes <= KEPT_BYTES_MAX || each === file) return;
      if (!each.drop()) continue;
      bytes -= each.size;
      this.#kept.delete(each);
    }
  }

  /** Puts a file where its key says; false for a key that is no path, or that of a folder. */
  #put(path: string, file: BucketFile): boolean {
    const names = path.split("/");
    const name = names.pop() ?? "";
    if (!names.every(isName)) return false;
    // A key that ends in "/" stands for the folder itself.
    if (name !== "" && !isName(name)) return false;
    const folder = names.reduce(folderIn, this.#root);
    if (name === "" || folder.get(name) !== undefined) return false;
    folder.add(name, file);
    return true;
  }
}

function isName(name: string): boolean {
  if (name === "" || name === "." || name === ".." || name.includes("\0")) return false;
  return new TextEncoder().encode(name).length <= NAME_BYTES_MAX;
}

async function listAll(bucket: Bucket, prefix: string): Promise<ListedObject[]> {
  const all: ListedObject[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await bucket.list({ prefix, ...(cursor !== undefined && { cursor }) });
    all.push(...page.objects);
    if (all.length > OBJECTS_MAX) throw new Error(`it has more than ${OBJECTS_MAX} objects`);
    cursor = page.truncated ? page.cursor : undefined;
    if (cursor === undefined) return all;
  }
}
