/** What bounds a KV namespace, whoever uses it; how much a project may keep is its quota. */

/** Bytes, counts and times. */
export const KV_LIMITS = {
  keyBytesMax: 512,
  valueBytesMax: 25 * 1024 * 1024,
  /** Of the metadata's JSON. */
  metadataBytesMax: 1024,
  /** The shortest time after which an entry may expire; the clock of who writes is not ours. */
  ttlSecondsMin: 1,
  ttlSecondsMax: 100 * 365 * 86_400,
  /** Keys of one list. */
  listKeysMax: 1000,
  /** Keys of one `getMany`, and the bytes of all its values together. */
  manyKeysMax: 100,
  manyBytesMax: 25 * 1024 * 1024,
  /** What every entry counts beside its key, metadata and value. */
  entryBytes: 64,
} as const;
