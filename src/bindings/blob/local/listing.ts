/** Lists of a bucket's keys: by prefix, and by what stands before a delimiter, so that keys look like folders. */
import { BLOB_LIMITS } from "../limits.ts";
import { type ListedObject, type ListPage, type ListQuery, listed } from "../object.ts";
import type { Rows } from "./rows.ts";

const encoder = new TextEncoder();
/** Behind every key: no UTF-8 begins like this. */
const END = Uint8Array.of(0xff);

/** A page of a bucket's keys. */
export function listObjects(
  rows: Rows,
  bucket: number,
  { prefix, delimiter, after, limit, include }: ListQuery,
): ListPage {
  const start = encoder.encode(prefix);
  const end = endOf(start);
  const objects: ListedObject[] = [];
  const prefixes: string[] = [];
  let from = later(start, after === undefined ? start : behind(after, delimiter, prefix));
  let last: string | undefined;
  let told = 0;
  const isFull = () => objects.length + prefixes.length >= limit || told >= BLOB_LIMITS.listBytesMax;
  while (Buffer.compare(from, end) < 0) {
    let jump: Uint8Array | undefined;
    for (const object of rows.objects(bucket, from, end)) {
      if (isFull()) return { objects, prefixes, after: last };
      const folder = folderOf(object.key, prefix, delimiter);
      last = folder ?? object.key;
      if (folder === undefined) {
        const entry = listed(object, include);
        told += JSON.stringify(entry).length;
        objects.push(entry);
        continue;
      }
      prefixes.push(folder);
      // All that begins like this is one entry: go on behind it.
      jump = endOf(encoder.encode(folder));
      break;
    }
    if (jump === undefined) return { objects, prefixes, after: undefined };
    from = jump;
  }
  return { objects, prefixes, after: undefined };
}

/** The beginning that keys have in common up to the next delimiter; undefined for a key that has none. */
function folderOf(key: string, prefix: string, delimiter: string | undefined): string | undefined {
  const at = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
  return at < 0 ? undefined : key.slice(0, at + (delimiter as string).length);
}

/** The first key behind `after`, or behind all that begin with it where it is one entry of the list. */
function behind(after: string, delimiter: string | undefined, prefix: string): Uint8Array {
  const isFolder = folderOf(after, prefix, delimiter) === after;
  return isFolder ? endOf(encoder.encode(after)) : Buffer.concat([encoder.encode(after), Uint8Array.of(0)]);
}

function later(one: Uint8Array, other: Uint8Array): Uint8Array {
  return Buffer.compare(one, other) < 0 ? other : one;
}

/** The first key behind all that begin with `prefix`; the last byte of UTF-8 is never 0xff. */
function endOf(prefix: Uint8Array): Uint8Array {
  if (prefix.length === 0) return END;
  const end = Uint8Array.from(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return end;
}
