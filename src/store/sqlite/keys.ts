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
  const bytes = Buffer.from(key.map((segment) => `${segment}\0`).join(""));
  const isPlain = !key.some((segment) => segment.includes("\0"));
  return isPlain ? bytes : Buffer.concat(key.map(encodeSegment));
}

/** A segment, whose NULs are marked as its own. */
function encodeSegment(segment: string): Uint8Array {
  const marked = [...Buffer.from(segment)].flatMap((byte) => (byte === END ? [END, ESCAPE] : [byte]));
  return Uint8Array.from([...marked, END]);
}

/** The key of bytes that `encodeKey` has made. */
export function decodeKey(bytes: Uint8Array): StoreKey {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!view.includes(ESCAPE)) return view.toString("utf8", 0, view.length - 1).split("\0");
  const key: string[] = [];
  let segment: number[] = [];
  for (let at = 0; at < view.length; at += 1) {
    const byte = view[at] as number;
    if (byte !== END) {
      segment.push(byte);
    } else if (view[at + 1] === ESCAPE) {
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

/** What of a range stands behind a key: SQLite must not be given two lower bounds, because it seeks by the wrong one. */
export function rangeBehind(range: KeyRange, after: StoreKey | undefined): KeyRange {
  if (after === undefined) return range;
  const next = Uint8Array.from([...encodeKey(after), 0]);
  return Buffer.compare(next, range.from) > 0 ? { ...range, from: next } : range;
}
