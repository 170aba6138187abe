/** What is known of an object beside its bytes, and how it travels: as JSON, percent-encoded in a header or plain in a list. */

/** HTTP's headers that are kept with an object. */
export interface HttpMetadata {
  readonly contentType?: string;
  readonly contentLanguage?: string;
  readonly contentDisposition?: string;
  readonly contentEncoding?: string;
  readonly cacheControl?: string;
  /** Milliseconds since the Unix epoch. */
  readonly cacheExpiry?: number;
}

/** Hex digits by the algorithm's name. */
export type Checksums = Readonly<Partial<Record<ChecksumName, string>>>;

/** The algorithms that a put may name. */
export const CHECKSUM_NAMES = ["md5", "sha1", "sha256", "sha384", "sha512"] as const;

/** An algorithm. */
export type ChecksumName = (typeof CHECKSUM_NAMES)[number];

/** An object without its bytes. */
export interface BlobObject {
  readonly key: string;
  /** Another one with every put. */
  readonly version: string;
  readonly size: number;
  /** Hex digits; with `-PARTS` behind them when it was uploaded in parts. */
  readonly etag: string;
  /** Milliseconds since the Unix epoch. */
  readonly uploaded: number;
  readonly httpMetadata: HttpMetadata;
  readonly customMetadata: Readonly<Record<string, string>>;
  readonly checksums: Checksums;
}

/** A piece of an object, in bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** What a put or a get is made to depend on. ETags are without quotes; `*` stands for any. */
export interface Conditions {
  readonly etagMatches?: readonly string[] | undefined;
  readonly etagDoesNotMatch?: readonly string[] | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly uploadedBefore?: number | undefined;
  readonly uploadedAfter?: number | undefined;
  /** Whether dates are HTTP's, which know no milliseconds: the object's is cut to seconds too. */
  readonly wholeSeconds?: boolean | undefined;
}

/**
 * Whether what is there (or nothing) is as the conditions want it. RFC 9110, section 13.2.2, has their order; of an object
 * that is not there, R2 says that it matches no ETag and was not uploaded after anything.
 */
export function holds(conditions: Conditions, found: Pick<BlobObject, "etag" | "uploaded"> | undefined): boolean {
  const { etagMatches, etagDoesNotMatch, uploadedBefore, uploadedAfter, wholeSeconds } = conditions;
  if (found === undefined) return etagMatches === undefined && uploadedAfter === undefined;
  const names = (etags: readonly string[]) => etags.some((etag) => etag === "*" || etag === found.etag);
  const uploaded = wholeSeconds ? Math.floor(found.uploaded / 1000) * 1000 : found.uploaded;
  if (etagMatches !== undefined) {
    if (!names(etagMatches)) return false;
  } else if (uploadedBefore !== undefined) {
    // HTTP's date is one that the object may have; R2's own is one that it must be before.
    if (wholeSeconds ? uploaded > uploadedBefore : uploaded >= uploadedBefore) return false;
  }
  if (etagDoesNotMatch !== undefined) return !names(etagDoesNotMatch);
  return uploadedAfter === undefined || uploaded > uploadedAfter;
}

/** Metadata that a list can tell. */
export type Metadata = "httpMetadata" | "customMetadata";

/** What a list is asked for. */
export interface ListQuery {
  readonly prefix: string;
  readonly delimiter: string | undefined;
  /** The key or the common prefix behind which to go on. */
  readonly after: string | undefined;
  readonly limit: number;
  /** What is told of each object beside the rest. */
  readonly include: readonly Metadata[];
}

/** An object of a list: with the metadata that was asked for. */
export type ListedObject = Omit<BlobObject, Metadata> & Partial<Pick<BlobObject, Metadata>>;

/** An object with the metadata that a list is to tell, and no other. */
export function listed(object: BlobObject, include: readonly Metadata[]): ListedObject {
  const { httpMetadata, customMetadata, ...rest } = object;
  return {
    ...rest,
    ...(include.includes("httpMetadata") && { httpMetadata }),
    ...(include.includes("customMetadata") && { customMetadata }),
  };
}

/** A part of a bucket's keys, in the order of their bytes. */
export interface ListPage {
  readonly objects: readonly ListedObject[];
  readonly prefixes: readonly string[];
  /** Behind which to go on; undefined at the end. */
  readonly after: string | undefined;
}

/** What is told of a put beside its bytes. */
export interface PutFacts {
  readonly httpMetadata: HttpMetadata;
  readonly customMetadata: Readonly<Record<string, string>>;
  /** What the bytes must come to. */
  readonly checksums: Checksums;
}

/** A part that has arrived. */
export interface UploadedPart {
  readonly partNumber: number;
  readonly etag: string;
}
