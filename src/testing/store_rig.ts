/** What the parts of the store's suite share: a store that is opened several times, and short ways to look at it. */
import { expect } from "bun:test";
import type { Store } from "../core/store.ts";
import type { FakeClock } from "./fake_clock.ts";

/** One store, which can be opened several times over. */
export interface StoreRig {
  /** Opens it once more, as another process would. The rig's owner closes nothing: `remove` does. */
  open(): Store;
  /** Closes what has been opened, and removes the store. */
  remove(): Promise<void>;
}

/** What the parts of the suite work with: fresh for each test, two stores opened on the same contents. */
export interface StoreFixture {
  store: Store;
  other: Store;
  open(): Store;
  clock: FakeClock;
}

/** Bytes of a text. */
export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
/** The text of bytes. */
export const textOf = (bytes: Uint8Array | undefined): string | undefined => bytes && new TextDecoder().decode(bytes);

/** Expects an error of the catalogue with `code`, whose message holds `words`. */
export async function refuses(promise: Promise<unknown>, code: string, words: string): Promise<void> {
  const error = await promise.catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code, message: expect.stringContaining(words) });
}
