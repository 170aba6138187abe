/**
 * Keys as bytes whose order is the order of keys, and where no key is the beginning of another by accident.
 *
 * A segment is its UTF-8 with each NUL followed by 0xFF, then one NUL. UTF-8 has no byte 0xFF, so the end of a segment
 * sorts below whatever goes on with it, and `["a"]` is not the beginning of `["ab"]`.
 */
import type { StoreKey } from "../../core/store.ts";

const END = 0x00;
const ESCAPE = 0xff;

/** The bytes from which, and before which, a range of keys stands. */
export interface KeyRange {
  readonly from: Uint8Array;
  readonly before: Uint8Array;
}

/** A key that has been checked, as bytes. */
export function encodeKey(key: StoreKey): Uint8Array {
  const bytes: number[] = [];
  for (const segment of key) {
    for (const byte of Buffer.from(segment)) {
      bytes.push(byte);
      if (byte === END) bytes.push(ESCAPE);
    }
    bytes.push(END);
  }
  return Uint8Array.from(bytes);
}

/** The key of bytes that `encodeKey` has made. */
export function decodeKey(bytes: Uint8Array): StoreKey {
  const key: string[] = [];
  let segment: number[] = [];
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] as number;
    if (byte !== END) {
      segment.push(byte);
    } else if (bytes[at + 1] === ESCAPE) {
      segment.push(END);
      at += 1;
    } else {
      key.push(Buffer.from(segment).toString());
      segment = [];
    }
  }
  return key;
}

/** Where the keys stand that begin with `prefix`, itself among them. */
export function rangeOf(prefix: StoreKey): KeyRange {
  const from = encodeKey(prefix);
  return { from, before: Uint8Array.from([...from, ESCAPE]) };
}
