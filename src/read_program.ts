/**
 * Reads what a program of the `process` engine is made of, for whoever deploys it: the very files that a server would run
 * from the folder on its own disk, with those of its layers.
 */
import { existsSync, realpathSync } from "node:fs";
import { relative } from "node:path";
import type { ProcessConfig } from "./control/config/config.ts";
import { DiskTrees } from "./control/loading/disk_trees.ts";
import type { FileTree } from "./core/process_program.ts";

/** What a declared function says of its program. */
export interface DeclaredProgram extends Pick<ProcessConfig, "root" | "layers"> {
  /** Absolute paths of files that are never sent. */
  readonly denied: readonly string[];
}

/** A file of a program. */
export interface ProgramFile {
  /** Relative to `/var/task`, or to `/opt`. */
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
  const denied = new Set(secret.filter((file) => existsSync(file)).map((file) => realpathSync(file)));
  const files = await filesOf(await trees.read(path, denied), path, undefined);
  for (const [index, layer] of layers.entries()) {
    files.push(...(await filesOf(await trees.readLayer(layer, denied), layer, index + 1)));
  }
  const bytes = files.reduce((sum, { content }) => sum + content.length, 0);
  if (bytes > BYTES_MAX) throw new Error(`its files are of ${bytes} bytes together, expected at most ${BYTES_MAX}`);
  return files;
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
