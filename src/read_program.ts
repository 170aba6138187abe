/**
 * Reads what a program of the `process` engine, or a module of the `wasm` engine, is made of, for whoever deploys it: the very
 * files that a server would run from the folder on its own disk, with those of a program's layers.
 */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename, relative } from "node:path";
import type { ProcessConfig } from "./control/config/config.ts";
import { DiskTrees } from "./control/loading/disk_trees.ts";
import type { FileTree } from "./core/process_program.ts";
import { hashOf } from "./stdx/hash.ts";

/** What a declared function says of its program. */
export interface DeclaredProgram extends Pick<ProcessConfig, "root" | "layers"> {
  /** Absolute paths of files that are never sent. */
  readonly denied: readonly string[];
}

/** What a declared function says of its module. */
export interface DeclaredModule {
  /** Absolute path of the folder that a command finds at "/". */
  readonly files: string | undefined;
  /** Absolute paths of files that are never sent. */
  readonly denied: readonly string[];
}

/** A module with the files that it finds. */
export interface ModuleFiles {
  /** The path of the module itself among the files. */
  readonly entry: string;
  readonly files: readonly Pick<ProgramFile, "path" | "hash" | "content">[];
}

/** A file of a program. */
export interface ProgramFile {
  /** Relative to `/var/task`, to `/opt`, or to a module's "/". */
  readonly path: string;
  readonly hash: string;
  readonly content: Uint8Array<ArrayBuffer>;
  readonly executable: boolean;
  /** Counted from 1; undefined for the program's own files. */
  readonly layer: number | undefined;
}

/** More would have to be held in memory, and is over every quota that there should be. */
const BYTES_MAX = 256 * 1024 * 1024;

/**
 * The files of the program at `path`, a folder or the one file that is run.
 * @throws {Error} naming what cannot be deployed
 */
export async function readProgramFiles(
  path: string,
  { root, layers, denied: secret }: DeclaredProgram,
): Promise<ProgramFile[]> {
  if (root !== undefined) throw new Error("a root of its own is for functions of a server's configuration");
  const trees = new DiskTrees();
  const denied = realPaths(secret);
  const files = await filesOf(await trees.read(path, denied), path, undefined);
  for (const [index, layer] of layers.entries()) {
    files.push(...(await filesOf(await trees.readLayer(layer, denied), layer, index + 1)));
  }
  const bytes = files.reduce((sum, { content }) => sum + content.length, 0);
  if (bytes > BYTES_MAX) throw new Error(`its files are of ${bytes} bytes together, expected at most ${BYTES_MAX}`);
  return files;
}

/** The module at `path`, and its files. @throws {Error} naming what cannot be deployed */
export async function readModuleFiles(path: string, { files, denied }: DeclaredModule): Promise<ModuleFiles> {
  const module = new Uint8Array(readFileSync(path));
  const tree = files && (await new DiskTrees().read(files, realPaths([...denied, path])));
  const all = tree && files ? await filesOf(tree, files, undefined) : [];
  const found = all.map(({ path: each, hash, content }) => ({ path: each, hash, content }));
  // The module is not among the files that it finds, wherever it lies.
  let entry = basename(path);
  while (found.some((file) => file.path === entry || file.path.startsWith(`${entry}/`))) entry = `module/${entry}`;
  return { entry, files: [{ path: entry, hash: hashOf(module), content: module }, ...found] };
}

function realPaths(files: readonly string[]): Set<string> {
  return new Set(files.filter((file) => existsSync(file)).map((file) => realpathSync(file)));
}

async function filesOf(tree: FileTree, place: string, layer: number | undefined): Promise<ProgramFile[]> {
  const files: ProgramFile[] = [];
  for (const entry of tree.entries) {
    const { path, hash, link, isExecutable: executable } = entry;
    if (hash === undefined) {
      throw new Error(
        `${relative(".", place) || "."} holds the symbolic link ${path} (to ${link}): expected files alone`,
      );
    }
    files.push({ path, hash, content: new Uint8Array(await tree.read(entry)), executable, layer });
  }
  return files;
}
