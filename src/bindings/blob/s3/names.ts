/** Names of objects in the server's bucket: `PREFIX PROJECT/BUCKET/KEY`. */
import type { Bucket } from "../backend.ts";
import { refused } from "../refused.ts";

/** Of S3. */
const NAME_BYTES_MAX = 1024;
/** The last of all characters. */
const LAST = "\u{10ffff}";

/** What stands in front of a bucket's keys, below the server's prefix. */
export function rootOf({ project, name }: Bucket): string {
  return `${project}/${name}/`;
}

/**
 * Where an object is, below the server's prefix. Parts of an address that say "here" or "above" would lead elsewhere.
 * @throws {IsopodError} `bad_request`
 */
export function nameOf(prefix: string, bucket: Bucket, key: string): string {
  if (key.split("/").some((part) => part === "." || part === "..")) {
    throw refused('on this store, no part of a key between "/" may be "." or ".."');
  }
  const name = rootOf(bucket) + key;
  const over = Buffer.byteLength(prefix + name) - NAME_BYTES_MAX;
  if (over <= 0) return name;
  throw refused(`on this store, a key of this bucket has at most ${Buffer.byteLength(key) - over} bytes`);
}

/** The last name that may begin like this: what is behind it is behind all of them. */
export function lastBelow(prefix: string, root: string, folder: string): string {
  const left = NAME_BYTES_MAX - Buffer.byteLength(prefix + root + folder);
  return folder + LAST.repeat(Math.max(0, Math.floor(left / Buffer.byteLength(LAST))));
}
