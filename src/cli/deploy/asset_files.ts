/**
 * Gathers a function's static files for a deploy: those that a server would serve from the folder on its own disk, so
 * neither symbolic links nor names that begin with a dot.
 */
import { type Dirent, lstatSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { CommandFailure, EXIT } from "../exit_codes.ts";
import { byteSize } from "../terminal/table.ts";

/** What a version may have; docs/deploying.md says so too. */
const FILES_MAX = 2000;
const FILE_BYTES_MAX = 10 * 1024 * 1024;

const CONFIG = "isopod.toml";

/** A static file: its path below the folder, and what is in it. */
export interface AssetFile {
  readonly path: string;
  readonly content: Uint8Array<ArrayBuffer>;
}

/**
 * The files of a folder, in the order of their paths.
 * @param name the function that they are of
 * @param folder absolute
 * @throws {CommandFailure} when there are more, or larger ones, than a version may have
 */
export function readAssetFiles(name: string, folder: string): AssetFile[] {
  const paths = pathsBelow(folder, "").sort();
  if (paths.length > FILES_MAX) {
    throw refused(name, `${folder} holds ${paths.length} files, expected at most ${FILES_MAX}`);
  }
  return paths.map((path) => {
    const full = join(folder, path);
    const { size } = lstatSync(full);
    if (size > FILE_BYTES_MAX) {
      throw refused(name, `${path} has ${byteSize(size)}, expected at most ${byteSize(FILE_BYTES_MAX)}`);
    }
    return { path, content: new Uint8Array(readFileSync(full)) };
  });
}

/** The page of a function that runs in one, and the files beside its module. @throws {CommandFailure} as above */
export function readPageFiles(name: string, folder: string, entry: string): AssetFile[] {
  const isPart = ({ path }: AssetFile) => path !== basename(entry) && !/\.[mc]?tsx?$/i.test(path) && path !== CONFIG;
  return readAssetFiles(name, folder).filter(isPart);
}

function pathsBelow(folder: string, below: string): string[] {
  return readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry: Dirent) => {
    if (entry.name.startsWith(".")) return [];
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : pathsBelow(folder, path);
    return entry.isFile() ? [path] : [];
  });
}

function refused(name: string, why: string): CommandFailure {
  return new CommandFailure(`Cannot deploy the static files of "${name}": ${why}`, { exitCode: EXIT.usage });
}
