/**
 * Folders of this machine as trees of files, for programs that run from them.
 *
 * What begins with a dot, configurations of ours and files of secrets are left out. A symbolic link that leads out of the
 * folder is a mistake. A file is read again when it has changed, and only then.
 */
import { lstatSync, readdirSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, relative, sep } from "node:path";
import type { FileTree, TreeEntry } from "../../core/process_program.ts";
import { hashOf } from "../../stdx/hash.ts";
import { readZip } from "../lambda/zip_files.ts";
import { fingerprintOf } from "./file_modules.ts";

/** The most that one tree may hold. */
const ENTRIES_MAX = 20_000;
const TREE_BYTES_MAX = 1024 * 1024 * 1024;
/** Unpacked, and held in memory until it is laid. */
const ZIP_BYTES_MAX = 256 * 1024 * 1024;
const EXECUTABLE = 0o111;
const NOTHING = new Uint8Array(0);

/** Reads folders, and remembers the hashes of files that have not changed. */
export class DiskTrees {
  readonly #hashes = new Map<string, { readonly fingerprint: string; readonly hash: string }>();

  /** The tree of a folder, or of one file that is to be run. @throws {Error} naming what cannot be in one */
  async read(path: string, denied: ReadonlySet<string>): Promise<FileTree> {
    const folder = realpathSync(path);
    const isFile = statSync(folder).isFile();
    const found = isFile ? [basename(path)] : [...walk(folder, denied)];
    const entries: TreeEntry[] = [];
    let bytes = 0;
    for (const name of found.sort()) {
      const full = isFile ? folder : join(folder, name);
      const stats = lstatSync(full);
      if (stats.isSymbolicLink()) {
        entries.push({ path: name, link: linkOf(folder, name), isExecutable: false });
        continue;
      }
      bytes += stats.size;
      if (bytes > TREE_BYTES_MAX) throw new Error(`${path} holds more than 1 GiB`);
      entries.push({ path: name, hash: await this.#hash(full), isExecutable: (stats.mode & EXECUTABLE) !== 0 });
    }
    return {
      hash: hashOf(JSON.stringify(entries)),
      entries,
      read: (entry) => Bun.file(isFile ? folder : join(folder, entry.path)).bytes(),
    };
  }

  /** The tree of a layer: a folder, or a zip archive, whose files can all be executed. @throws {Error} */
  async readLayer(path: string, denied: ReadonlySet<string>): Promise<FileTree> {
    if (!statSync(path).isFile()) return this.read(path, denied);
    const bounds = { filesMax: ENTRIES_MAX, bytesMax: ZIP_BYTES_MAX };
    const files = await readZip(await Bun.file(path).bytes(), bounds);
    const contents = new Map(files.map(({ path: name, content = NOTHING }) => [name, content]));
    const entries = [...contents].map(([name, bytes]) => ({ path: name, hash: hashOf(bytes), isExecutable: true }));
    const read = async (entry: TreeEntry) => contents.get(entry.path) ?? NOTHING;
    return { hash: hashOf(JSON.stringify(entries)), entries, read };
  }

  async #hash(file: string): Promise<string> {
    const fingerprint = fingerprintOf(file);
    const known = this.#hashes.get(file);
    if (known?.fingerprint === fingerprint) return known.hash;
    const hash = hashOf(await Bun.file(file).bytes());
    this.#hashes.set(file, { fingerprint, hash });
    return hash;
  }
}

/** The files and links below a folder, by their paths in it; hidden ones, `denied` ones and folders called `leftOut` are not among them. */
export function* walk(folder: string, denied: ReadonlySet<string>, leftOut = ""): Generator<string> {
  const folders = [""];
  let count = 0;
  for (let inner = folders.pop(); inner !== undefined; inner = folders.pop()) {
    for (const entry of readdirSync(join(folder, inner), { withFileTypes: true })) {
      const name = join(inner, entry.name);
      if (entry.name.startsWith(".") || entry.name === "isopod.toml" || denied.has(join(folder, name))) continue;
      if (entry.name === leftOut) continue;
      count += 1;
      if (count > ENTRIES_MAX) throw new Error(`${folder} holds more than ${ENTRIES_MAX} files`);
      if (entry.isDirectory()) folders.push(name);
      else if (entry.isFile() || entry.isSymbolicLink()) yield name;
      else throw new Error(`${join(folder, name)} is neither a file nor a folder nor a link`);
    }
  }
}

/** Where a link leads, relative to its own folder. @throws {Error} when that is outside */
function linkOf(folder: string, name: string): string {
  const text = readlinkSync(join(folder, name));
  const from = join(folder, dirname(name));
  const target = text.startsWith("/") ? text : join(from, text);
  if (target !== folder && !target.startsWith(folder + sep)) {
    throw new Error(`the symbolic link ${join(folder, name)} leads out of its folder (${text})`);
  }
  return relative(from, target) || ".";
}
