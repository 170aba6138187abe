/** What is beside the module of a function that runs in a page: the page itself, and the files that it may fetch. */
import { realpathSync, statSync } from "node:fs";
import { basename, join, sep } from "node:path";
import mime from "mime";
import { type BrowserProgram, PAGE_FILES_MAX, type PageFile, PROGRAM_BYTES_MAX } from "../../core/browser_program.ts";
import type { Program } from "../../core/function.ts";
import { hashOf } from "../../stdx/hash.ts";
import { walk } from "./disk_trees.ts";

/** The page of a folder. */
export const PAGE = "index.html";

/** Sources of modules, which are in the bundle; a page fetches no TypeScript. */
const SOURCE = /\.[mc]?tsx?$/i;

/** The program of a function whose bundle is `bundle` and whose page and files are in `folder`. @throws {Error} */
export async function pageProgram(
  bundle: Program,
  path: string,
  folder: string | undefined,
  denied: ReadonlySet<string>,
): Promise<BrowserProgram> {
  const { files, html } =
    folder === undefined ? { files: [], html: undefined } : await readFolder(folder, path, denied);
  return makePageProgram(bundle, basename(path), files, html);
}

/** The program of a bundle and what is beside it. @throws {Error} when it is too large */
export function makePageProgram(
  { code, sourceMap }: Pick<Program, "code" | "sourceMap">,
  name: string,
  files: readonly PageFile[],
  html: string | undefined,
): BrowserProgram {
  const bytes = files.reduce((sum, file) => sum + file.bytes.length, Buffer.byteLength(code));
  if (bytes > PROGRAM_BYTES_MAX) {
    throw new Error(`the module and its files take ${bytes} bytes, over ${PROGRAM_BYTES_MAX}`);
  }
  const named = files.map(({ path, type, bytes: content }) => [path, type, hashOf(content)]);
  return {
    kind: "browser",
    name,
    code,
    sourceMap,
    html,
    files,
    hash: hashOf(JSON.stringify([hashOf(code), html, named])),
  };
}

/** Whether a file beside a module is one that its page may fetch. */
export function isPageFile(path: string): boolean {
  return path !== PAGE && !SOURCE.test(path);
}

/** A file as a page fetches it. */
export function pageFile(path: string, bytes: Uint8Array): PageFile {
  return { path: `/${path.split(sep).map(encodeURIComponent).join("/")}`, type: typeOf(path), bytes };
}

function typeOf(path: string): string {
  const type = mime.getType(path) ?? "application/octet-stream";
  return /^text\/|javascript|json|xml/.test(type) ? `${type}; charset=utf-8` : type;
}

async function readFolder(folder: string, entry: string, denied: ReadonlySet<string>) {
  const root = realpathSync(folder);
  const files: PageFile[] = [];
  let html: string | undefined;
  let size = 0;
  for (const name of [...walk(root, denied, "node_modules")].sort()) {
    const full = realpathSync(join(root, name));
    if (!full.startsWith(root + sep)) throw new Error(`${join(folder, name)} leads out of its folder`);
    if (SOURCE.test(name) || full === realpathSync(entry)) continue;
    size += statSync(full).size;
    if (files.length >= PAGE_FILES_MAX) throw new Error(`${folder} holds more than ${PAGE_FILES_MAX} files`);
    if (size > PROGRAM_BYTES_MAX) throw new Error(`${folder} holds more than ${PROGRAM_BYTES_MAX} bytes`);
    const bytes = await Bun.file(full).bytes();
    if (name === PAGE) html = new TextDecoder().decode(bytes);
    else files.push(pageFile(name, bytes));
  }
  return { files, html };
}
