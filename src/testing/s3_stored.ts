/** What the tests' store of S3's kind keeps. */

/** Bytes that are kept. */
export interface Stored {
  readonly bytes: Uint8Array;
  readonly etag: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly modified: Date;
}

/** An upload under way. */
export interface StoredUpload {
  readonly key: string;
  readonly began: Date;
  readonly headers: Readonly<Record<string, string>>;
  readonly parts: Map<number, Stored>;
}
