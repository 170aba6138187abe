/**
 * From the files that a deploy brings or names to blobs, and to what an instance runs: the entry itself, or a bundle
 * where the entry imports others.
 */
import { posix } from "node:path";
import { IsopodError } from "../../core/errors.ts";
import {
  type LoadedModule,
  languageOf,
  loadedModule,
  type ModuleLoader,
  moduleKindOf,
  type Program,
} from "../../core/function.ts";
import type { BlobStore } from "../../core/store.ts";
import { WASM_BYTES_MAX } from "../../core/wasm_program.ts";
import { hashOf } from "../../stdx/hash.ts";
import type { Build } from "../loading/build.ts";
import type { Manifest } from "./records.ts";

/** A file of a deploy: its contents, or the hash of contents that the server has. */
export interface DeployedFile {
  readonly path: string;
  readonly hash?: string | undefined;
  readonly content?: Uint8Array | undefined;
  /** Whether a program's file can be executed; it can when left out. */
  readonly executable?: boolean | undefined;
  /** The layer of a program that it is of, counted from 1. */
  readonly layer?: number | undefined;
}

/** A file of a version. */
export type VersionFile = Manifest["files"][number];

/** A file of a version, as another deploy names it. */
export function namedFile({ path, hash, executable, layer }: Omit<VersionFile, "bytes">): DeployedFile {
  return { path, hash, ...(executable !== undefined && { executable }), ...(layer !== undefined && { layer }) };
}

/** The largest file that is code, in bytes. */
export const CODE_BYTES_MAX = 10 * 1024 * 1024;
const EXTENSIONS = ["", ".ts", ".tsx", ".mts", ".js", ".jsx", ".mjs", ".json", "/index.ts", "/index.tsx", "/index.js"];

/**
 * Stores what is new, and finds what is named.
 * @throws {IsopodError} `blobs_missing` naming all that are, `integrity_mismatch`, `body_too_large`
 */
export async function storeFiles(blobs: BlobStore, files: readonly DeployedFile[]): Promise<VersionFile[]> {
  const missing: string[] = [];
  const stored: VersionFile[] = [];
  for (const file of files) {
    const found = await storeFile(blobs, file.hash, file.content);
    if (found === undefined) missing.push(`${file.path} (${file.hash})`);
    else stored.push({ ...namedFile({ ...file, ...found }), ...found });
  }
  if (missing.length === 0) return stored;
  const some = missing.slice(0, 5).join(", ");
  throw new IsopodError("blobs_missing", {
    message: `The server does not have ${missing.length} of the files: ${some}; send them to blobs/HASH first, or with the deploy.`,
  });
}

async function storeFile(
  blobs: BlobStore,
  hash: string | undefined,
  content: Uint8Array | undefined,
): Promise<{ hash: string; bytes: number } | undefined> {
  const bounds = { expected: hash, bytesMax: CODE_BYTES_MAX };
  if (content !== undefined) return blobs.put(content, bounds);
  const known = hash === undefined ? undefined : await blobs.read(hash);
  // Written again, which touches it: nobody may collect it before the manifest refers to it.
  return known === undefined ? undefined : blobs.put(known, bounds);
}

/** @throws {IsopodError} `code_too_large` when a module and its files are more than an instance can be given */
export function checkModuleBytes(name: string, files: readonly VersionFile[]): void {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  if (bytes <= WASM_BYTES_MAX) return;
  throw new IsopodError("code_too_large", {
    message: `Cannot deploy "${name}": the module and its files are ${bytes} bytes, over ${WASM_BYTES_MAX}.`,
  });
}

/** Whether a version's entry runs as it is. */
export function isSelfContained(entry: string, files: readonly VersionFile[]): boolean {
  return files.every(({ path }) => path === entry || path === `${entry}.map`) && files.length <= 2;
}

/** What is joined. */
export interface BundledFiles {
  readonly entry: string;
  readonly files: readonly VersionFile[];
  /** What the bundle is to run in; Bun when left out. */
  readonly target?: "browser" | undefined;
}

/**
 * Joins the entry with what it imports of the version's files, in a sandbox.
 * @throws {IsopodError} `syntax_error`, `unresolved_import`
 */
export async function bundleFiles(
  build: Build,
  blobs: BlobStore,
  { entry, files, target }: BundledFiles,
  signal: AbortSignal,
): Promise<Program> {
  const code = await readText(blobs, files, entry);
  const source = {
    name: posix.basename(entry),
    language: languageOf(entry),
    code,
    hash: hashOf(code),
    url: entry,
    target,
  };
  // A single file without imports needs no joining, and its mistakes are found when it is loaded.
  return build(source, createModules(blobs, files), signal, files.length > 1);
}

function createModules(blobs: BlobStore, files: readonly VersionFile[]): ModuleLoader {
  const paths = new Set(files.map(({ path }) => path));
  return {
    async load(specifier, importer): Promise<LoadedModule> {
      const fail = (why: string): never => {
        throw new IsopodError("unresolved_import", {
          message: `Cannot resolve import "${specifier.slice(0, 200)}" of ${importer}: ${why}`,
        });
      };
      if (!/^\.{1,2}\//.test(specifier)) {
        return fail("a deploy brings its packages within its bundle; `isopod deploy` makes one");
      }
      const wanted = posix.join(posix.dirname(importer), specifier);
      const path = EXTENSIONS.map((extension) => wanted + extension).find((each) => paths.has(each));
      if (path === undefined) return fail("there is no such file in the deploy");
      const kind = moduleKindOf(path);
      if (kind === "wasm") return loadedModule(path, kind, await readFile(blobs, files, path));
      return { id: path, kind, code: await readText(blobs, files, path) };
    },
  };
}

async function readFile(blobs: BlobStore, files: readonly VersionFile[], path: string): Promise<Uint8Array> {
  const file = files.find((each) => each.path === path);
  const bytes = file && (await blobs.read(file.hash));
  if (bytes === undefined) throw new IsopodError("internal", { cause: `the blob of ${path} is gone` });
  return bytes;
}

async function readText(blobs: BlobStore, files: readonly VersionFile[], path: string): Promise<string> {
  const bytes = await readFile(blobs, files, path);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new IsopodError("bad_request", { message: `Cannot read ${path}: it is not UTF-8 text.`, cause });
  }
}
