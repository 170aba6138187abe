/** Writes of single records: by compare-and-set where a caller says what it has read, and never over what it has not. */
import { IsopodError } from "../../core/errors.ts";
import { Conflict, type Store, type StoreKey } from "../../core/store.ts";
import { checkExpected, type Expected, tryPut } from "./pointers.ts";
import { toBytes } from "./records.ts";

const ATTEMPTS_MAX = 16;

/**
 * Writes what `change` makes of the bytes that are there.
 * @param what names the record in errors
 * @returns the revision
 * @throws {IsopodError} `changed_meanwhile`, and what `change` throws
 */
export async function changeRecord(
  store: Store,
  key: StoreKey,
  expected: Expected,
  what: string,
  change: (before: Uint8Array | undefined) => unknown,
): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const entry = await store.get(key, { fresh: true });
    checkExpected(expected, entry?.revision ?? 0, what);
    const written = await tryPut(store, key, toBytes(change(entry?.value)), entry?.revision ?? 0);
    if (written !== undefined) return written;
  }
  throw new IsopodError("store_unavailable", { retryAfterSeconds: 1, cause: `lost races for ${what}` });
}

/** Deletes a record. @throws {IsopodError} `not_found`, `changed_meanwhile` */
export async function deleteRecord(store: Store, key: StoreKey, expected: Expected, what: string): Promise<number> {
  const entry = await store.get(key, { fresh: true });
  if (entry === undefined) throw new IsopodError("not_found", { message: `There is no ${what}.` });
  checkExpected(expected, entry.revision, what);
  try {
    return await store.delete(key, { ifRevision: entry.revision });
  } catch (error) {
    if (!(error instanceof Conflict)) throw error;
    throw new IsopodError("changed_meanwhile", { message: `Cannot delete ${what}: it has changed just now.` });
  }
}
