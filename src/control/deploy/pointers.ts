/**
 * Moves a function's pointer: the one write that makes a change visible, by compare-and-set.
 *
 * Who loses the race reads again and tries again, since what it wants does not depend on what the other did; with
 * `If-Match` it does, and is told.
 */
import { IsopodError } from "../../core/errors.ts";
import { Conflict, Indeterminate, type Store, type StoreKey } from "../../core/store.ts";
import { type FunctionRecord, functionRecord, readJson, toBytes } from "./records.ts";

/** Races that are lost before the caller is told to try again. */
const ATTEMPTS_MAX = 64;

/** What stands after a change. */
export interface PointerMove {
  readonly before: FunctionRecord | undefined;
  readonly after: FunctionRecord;
  readonly revision: number;
  /** Whether anything was written. */
  readonly changed: boolean;
}

/** The revision of an `If-Match`, as it is found in the store. */
export type Expected = number | undefined;

/**
 * Changes the pointer of a function.
 * @param change gives the record after it; the very object that it was given when there is nothing to change
 * @param expected the revision that it must have; 0 for none
 * @throws {IsopodError} `changed_meanwhile`, `store_unavailable`, and what `change` throws
 */
export async function movePointer(
  store: Store,
  project: string,
  name: string,
  expected: Expected,
  change: (before: FunctionRecord | undefined) => FunctionRecord | Promise<FunctionRecord>,
): Promise<PointerMove> {
  const key: StoreKey = ["functions", project, name];
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const entry = await store.get(key, { fresh: true });
    const revision = entry?.revision ?? 0;
    checkExpected(expected, revision, `function "${name}"`);
    const before = entry && readRecord(entry.value, name);
    const after = await change(before);
    if (before !== undefined && after === before) return { before, after, revision, changed: false };
    const written = await tryPut(store, key, toBytes(after), revision);
    if (written !== undefined) return { before, after, revision: written, changed: true };
  }
  throw new IsopodError("store_unavailable", { retryAfterSeconds: 1, cause: `${ATTEMPTS_MAX} lost races for ${name}` });
}

/** @throws {IsopodError} `changed_meanwhile` */
export function checkExpected(expected: Expected, revision: number, what: string): void {
  if (expected === undefined || expected === revision) return;
  throw new IsopodError("changed_meanwhile", { message: `Cannot change ${what}: it has changed since it was read.` });
}

/** The revision of the write; undefined when somebody else was faster. */
export async function tryPut(
  store: Store,
  key: StoreKey,
  value: Uint8Array,
  ifRevision: number,
): Promise<number | undefined> {
  try {
    return await store.put(key, value, { ifRevision });
  } catch (error) {
    if (error instanceof Conflict) return undefined;
    if (!(error instanceof Indeterminate)) throw error;
    const now = await store.get(key, { fresh: true });
    return now !== undefined && Buffer.compare(now.value, value) === 0 ? now.revision : undefined;
  }
}

function readRecord(value: Uint8Array, name: string): FunctionRecord {
  const parsed = functionRecord.safeParse(readJson(value));
  if (parsed.success) return parsed.data;
  throw new IsopodError("internal", { cause: `the pointer of function ${name} cannot be read` });
}
