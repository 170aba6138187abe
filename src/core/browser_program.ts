/**
 * What the `browser` engine runs: a module whose handler runs in a page, the page when there is one, and files beside it.
 */

/** A file that the page can fetch from its own origin. */
export interface PageFile {
  /** Path of its address, such as `/logo.png`. */
  readonly path: string;
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** A program of the `browser` engine. */
export interface BrowserProgram {
  readonly kind: "browser";
  /** What stack traces call its module, such as `chart.ts`. */
  readonly name: string;
  /** `sha256-<hex>` of all of it. */
  readonly hash: string;
  /** The module, as JavaScript with nothing left to resolve. */
  readonly code: string;
  /** A source map (JSON, version 3) of `code`. */
  readonly sourceMap?: string | undefined;
  /** The page that the module runs in; an empty one when left out. */
  readonly html?: string | undefined;
  readonly files: readonly PageFile[];
}

/** Bytes of a program, all files together, that are handed to a browser. */
export const PROGRAM_BYTES_MAX = 20 * 1024 * 1024;

/** Files beside a module. */
export const PAGE_FILES_MAX = 1000;

/** Memory of a tab whose function sets no limit, in bytes: a page with a large library takes more than a script does. */
export const PAGE_BYTES = 256 * 1024 * 1024;

/** What the bytes of a program are when it is handed to a browser: its module, its HTML when it has one, and its files. */
export interface PageLayout {
  readonly codeBytes: number;
  readonly htmlBytes?: number;
  readonly files: readonly { readonly path: string; readonly type: string; readonly bytes: number }[];
}
