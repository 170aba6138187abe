/** What bounds the Cache API, whoever uses it. */

const MB = 1024 * 1024;

/** Bytes, counts and times. */
export const CACHE_API_LIMITS = {
  /** Of all projects together. */
  bytesMax: 256 * MB,
  /** Of one project's functions, or of one plan's programs. */
  spaceBytesMax: 64 * MB,
  /** Body and headers of one answer. */
  entryBytesMax: 8 * MB,
  urlBytesMax: 4096,
  headersBytesMax: 32 * 1024,
  /** How long what says nothing is kept, in milliseconds: two hours, as on Cloudflare. */
  silentMs: 2 * 3600 * 1000,
  nameBytesMax: 256,
} as const;
