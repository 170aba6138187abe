/**
 * Where blobs are kept: local files, or a store that speaks S3's protocol. The binding checks what a program may do; a
 * backend is given buckets and keys that it may.
 *
 * Life cycle: one backend a server, any number of calls at once, `close` once. What is acknowledged is durable, and is
 * seen by every call from then on; an object is there as a whole or not at all.
 */
import type { BlobObject, ByteRange, Conditions, ListPage, ListQuery, PutFacts, UploadedPart } from "./object.ts";
import { refused } from "./refused.ts";

/** A bucket: a name within a project. */
export interface Bucket {
  readonly project: string;
  readonly name: string;
}

/** An object whose bytes can be read. */
export interface OpenedObject {
  readonly object: BlobObject;
  /** What of it `body` gives. */
  readonly range: ByteRange;
  /** Errors rather than to give bytes that are not those that were put. */
  readonly body: ReadableStream<Uint8Array>;
}

/** A body, and when it is given up. */
export interface Incoming {
  readonly body: ReadableStream<Uint8Array> | null;
  readonly signal: AbortSignal;
}

/** Which piece is asked for: the end counted from behind when only `suffix` is given. */
export interface RangeQuery {
  readonly offset?: number | undefined;
  readonly length?: number | undefined;
  readonly suffix?: number | undefined;
  /** Whether the whole object is wanted where it has nothing of the piece, as HTTP lets a server answer. */
  readonly orWhole?: boolean;
}

/** The port. Errors are `IsopodError`s of the catalogue. */
export interface BlobBackend {
  head(bucket: Bucket, key: string): Promise<BlobObject | undefined>;
  /** The object alone where the conditions do not hold. */
  get(
    bucket: Bucket,
    key: string,
    how: { readonly conditions: Conditions; readonly range: RangeQuery | undefined; readonly signal: AbortSignal },
  ): Promise<OpenedObject | BlobObject | undefined>;
  /** Undefined where the conditions do not hold. */
  put(
    bucket: Bucket,
    key: string,
    incoming: Incoming,
    how: { readonly facts: PutFacts; readonly conditions: Conditions },
  ): Promise<BlobObject | undefined>;
  delete(bucket: Bucket, keys: readonly string[]): Promise<void>;
  list(bucket: Bucket, query: ListQuery): Promise<ListPage>;
  /** Begins an upload in parts; its id. */
  createUpload(bucket: Bucket, key: string, facts: PutFacts): Promise<string>;
  putPart(bucket: Bucket, key: string, upload: string, part: number, incoming: Incoming): Promise<UploadedPart>;
  completeUpload(bucket: Bucket, key: string, upload: string, parts: readonly UploadedPart[]): Promise<BlobObject>;
  abortUpload(bucket: Bucket, key: string, upload: string): Promise<void>;
  removeProject(project: string): Promise<void>;
  close(): Promise<void>;
}

/** The piece of an object that is to be given. @throws {IsopodError} `bad_request` when it has nothing of it */
export function rangeOf(asked: RangeQuery | undefined, { size }: Pick<BlobObject, "size">): ByteRange {
  const whole = { offset: 0, length: size };
  const piece = asked === undefined ? whole : pieceOf(asked, size);
  if (piece !== undefined) return piece;
  if (asked?.orWhole) return whole;
  throw refused(`the object has ${size} bytes, and none of the range`);
}

function pieceOf({ offset, length, suffix }: RangeQuery, size: number): ByteRange | undefined {
  if (suffix !== undefined) {
    const taken = Math.min(suffix, size);
    return taken === 0 ? undefined : { offset: size - taken, length: taken };
  }
  const from = offset ?? 0;
  if (from >= size) return undefined;
  const taken = Math.min(length ?? size, size - from);
  return taken === 0 ? undefined : { offset: from, length: taken };
}
