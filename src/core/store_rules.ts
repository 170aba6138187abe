/**
 * What every store refuses, whichever stands behind the port: keys, values, conditions and their bounds.
 *
 * An implementation calls these before it does anything, so that a mistake has the same answer on one machine and on
 * many.
 */
import { IsopodError } from "./errors.ts";
import type { StoreCondition, StoreKey } from "./store.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** The bounds of a store. */
export const STORE_LIMITS = {
  keySegmentsMax: 16,
  /** Of all segments in UTF-8, and one for each of them. */
  keyBytesMax: KIB,
  valueBytesMax: MIB,
  listEntriesMax: 1000,
  /** Of the values of one listing together; one entry is always given. */
  listBytesMax: 16 * MIB,
  watchesMax: 1000,
  /** Writes that have been asked for and not been made yet, and the bytes of their values. */
  pendingWritesMax: 10_000,
  pendingBytesMax: 64 * MIB,
  blobBytesMax: 1024 * MIB,
} as const;

/** @throws {IsopodError} `bad_request` for what is no key */
export function checkKey(key: StoreKey): void {
  if (key.length === 0) refuseKey(key, "expected at least one segment");
  checkPrefix(key);
}

/** A prefix is a key, or nothing, which every key begins with. @throws {IsopodError} `bad_request` */
export function checkPrefix(key: StoreKey): void {
  const { keySegmentsMax, keyBytesMax } = STORE_LIMITS;
  if (key.length > keySegmentsMax) refuseKey(key, `${key.length} segments are over ${keySegmentsMax}`);
  let bytes = key.length;
  for (const [index, segment] of key.entries()) {
    if (segment === "") refuseKey(key, `segment ${index + 1} is empty`);
    if (!segment.isWellFormed()) refuseKey(key, `segment ${index + 1} is not valid Unicode`);
    bytes += Buffer.byteLength(segment);
  }
  if (bytes > keyBytesMax) refuseKey(key, `its ${bytes} bytes are over ${keyBytesMax}`);
}

/** @throws {IsopodError} `value_too_large` */
export function checkValue(key: StoreKey, value: Uint8Array): void {
  const { valueBytesMax } = STORE_LIMITS;
  if (value.byteLength <= valueBytesMax) return;
  throw new IsopodError("value_too_large", {
    message: `Cannot write ${shown(key)}: its ${value.byteLength} bytes are over ${valueBytesMax}.`,
    limit: { name: "valueBytesMax", value: valueBytesMax },
  });
}

/** @throws {IsopodError} `bad_request` for a condition that no entry can meet */
export function checkCondition({ ifRevision }: StoreCondition): void {
  if (ifRevision !== undefined) checkRevision(ifRevision, "ifRevision");
}

/** @throws {IsopodError} `bad_request` */
export function checkRevision(revision: number, name: string): void {
  if (Number.isSafeInteger(revision) && revision >= 0) return;
  throw new IsopodError("bad_request", {
    message: `Cannot use ${name} ${revision}: expected a revision, a whole number from 0.`,
  });
}

/** The number of entries that a listing may give. @throws {IsopodError} `bad_request` */
export function checkListLimit(limit: number = STORE_LIMITS.listEntriesMax): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= STORE_LIMITS.listEntriesMax) return limit;
  throw new IsopodError("bad_request", {
    message: `Cannot list ${limit} entries: expected 1 to ${STORE_LIMITS.listEntriesMax}.`,
  });
}

/** @throws {IsopodError} `bad_request` for what is not `sha256-` and 64 hex digits */
export function checkBlobHash(hash: string): void {
  if (/^sha256-[0-9a-f]{64}$/.test(hash)) return;
  throw new IsopodError("bad_request", {
    message: `Cannot use blob ${JSON.stringify(hash.slice(0, 100))}: expected sha256- and 64 hex digits.`,
  });
}

/** The number of bytes that a blob may have. @throws {IsopodError} `bad_request` */
export function checkBlobBound(bytesMax: number = STORE_LIMITS.blobBytesMax): number {
  if (Number.isSafeInteger(bytesMax) && bytesMax >= 0) return Math.min(bytesMax, STORE_LIMITS.blobBytesMax);
  throw new IsopodError("bad_request", { message: `Cannot write a blob of at most ${bytesMax} bytes.` });
}

/** The error of a blob that is larger than `bytesMax`. */
export function blobTooLarge(bytesMax: number): IsopodError {
  return new IsopodError("body_too_large", {
    message: `Cannot write the blob: it is over ${bytesMax} bytes.`,
    limit: { name: "bytesMax", value: bytesMax },
  });
}

/** The error of a blob that is not the one that was expected. */
export function blobMismatch(hash: string, expected: string): IsopodError {
  return new IsopodError("integrity_mismatch", {
    message: `Cannot write the blob: its hash is ${hash}, and ${expected} was expected.`,
  });
}

/** The error of one watch too many. */
export function tooManyWatches(): IsopodError {
  const { watchesMax } = STORE_LIMITS;
  return new IsopodError("overloaded", {
    message: `Cannot watch the store: it has ${watchesMax} watches already.`,
    limit: { name: "watchesMax", value: watchesMax },
  });
}

/** The error of whatever is asked of a store that has been closed. */
export function storeClosed(): IsopodError {
  return new IsopodError("draining", { message: "Cannot use the store: it is closed." });
}

/** A key as messages show it, cut where it is long. */
export function shown(key: StoreKey): string {
  const text = JSON.stringify(key);
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}

function refuseKey(key: StoreKey, why: string): never {
  throw new IsopodError("bad_request", { message: `Cannot use the store key ${shown(key)}: ${why}.` });
}
