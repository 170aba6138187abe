/**
 * The port of a function's static files: the gateway serves them by itself, wherever they lie.
 *
 * A folder is asked by the path of a file below it, decoded, with `/` between its parts; what it holds decides, and
 * nothing outside it can be named. It never gives symbolic links, nor names that begin with a dot.
 */

/** What answers where no file does: the function; 404; the folder's `index.html`, for clients that want a page. */
export const ASSET_FALLBACKS = ["function", "404", "spa"] as const;
/** One of these. */
export type AssetFallback = (typeof ASSET_FALLBACKS)[number];

/** A file as it was when it was found. */
export interface Asset {
  /** Below its folder. */
  readonly path: string;
  readonly bytes: number;
  /** Another one for other contents: letters, digits and `-`. */
  readonly tag: string;
  /** Milliseconds since the Unix epoch. */
  readonly modifiedAt: number;
  /** Whether it is small enough to be held in memory, and so to be compressed. */
  readonly small: boolean;
  /** The bytes from `start` to before `end`: a `Blob` when they are for the listener to read. @throws {Error} */
  body(start: number, end: number): Promise<Uint8Array<ArrayBuffer> | Blob>;
}

/** The static files of one version of a function. */
export interface AssetFolder {
  readonly fallback: AssetFallback;
  find(path: string): Promise<Asset | undefined>;
}

/** Whether a folder may hold a file at `path`: plain names, none of which begins with a dot. */
export function isAssetPath(path: string): boolean {
  if (path.length === 0 || path.length > ASSET_PATH_LENGTH_MAX || !path.isWellFormed()) return false;
  return path.split("/").every((name) => name !== "" && !name.startsWith(".") && !/[\\\0]/.test(name));
}

/** The longest path of a file, in UTF-16 units. */
export const ASSET_PATH_LENGTH_MAX = 1024;
