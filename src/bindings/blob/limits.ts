/** What bounds a blob binding, whoever uses it; how much a project may keep is its quota. */

const MB = 1024 * 1024;

/** Bytes, counts and times. The figures are R2's where it has one. */
export const BLOB_LIMITS = {
  keyBytesMax: 1024,
  /** Of one put, and of one part. */
  putBytesMax: 5 * 1024 * MB,
  /** Of all parts of an upload but the last. */
  partBytesMin: 5 * MB,
  partsMax: 10_000,
  /** Names and values together. */
  customMetadataBytesMax: 8192,
  httpMetadataBytesMax: 4096,
  /** Keys of one list, of one deletion. */
  listKeysMax: 1000,
  deleteKeysMax: 1000,
  /** What a list tells of objects; it ends with a cursor where that is more. */
  listBytesMax: MB,
  /** Uploads of a project that are not completed. */
  uploadsMax: 1000,
  /** An upload that is not completed by then is removed. */
  uploadMsMax: 7 * 86_400_000,
  /** What every object and part counts beside its bytes; an object counts its key and metadata too. */
  entryBytes: 256,
  /** Puts of a project that write at a time; further ones wait. */
  writersMax: 64,
} as const;
