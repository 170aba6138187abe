/**
 * Trees of files as folders of this machine, to be bound read-only into sandboxes: each laid once, by its hash.
 *
 * Files are checked against the hashes that their tree names, links against leading out of it. The folders are the
 * server's own and go with it; those that no instance uses go before, the longest unused first, when there are many.
 */
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import type { FileTree, TreeEntry } from "../../core/process_program.ts";
import { hashOf } from "../../stdx/hash.ts";

/** Laid trees that are kept though no instance uses them. */
const UNUSED_MAX = 32;

/** A tree that has been laid, or is being laid. */
interface LaidTree {
  readonly folder: Promise<string>;
  users: number;
}

/** The laid trees of an engine. */
export class FileTrees {
  readonly #make: () => string;
  readonly #remove: (folder: string) => void;
  /** The one that was used last is the last. */
  readonly #laid = new Map<string, LaidTree>();
  #folder: string | undefined;
  /** Laid so far: each has a folder of its own name. */
  #count = 0;

  /**
   * @param make gives the folder that they are laid in, once
   * @param remove takes it back
   */
  constructor(make: () => string, remove: (folder: string) => void) {
    this.#make = make;
    this.#remove = remove;
  }

  /**
   * The folder of `trees`, the later over the earlier ones; undefined for none. It stays until `user` settles.
   * @throws {Error}
   */
  async lay(trees: readonly FileTree[], user: Promise<unknown>): Promise<string | undefined> {
    if (trees.length === 0) return undefined;
    const id = createHash("sha256")
      .update(trees.map(({ hash }) => hash).join(" "))
      .digest("hex");
    const laid = this.#laid.get(id) ?? { folder: this.#write(trees), users: 0 };
    this.#laid.delete(id);
    this.#laid.set(id, laid);
    laid.users += 1;
    const release = () => {
      laid.users -= 1;
      this.#collect();
    };
    user.then(release, release);
    try {
      return await laid.folder;
    } catch (error) {
      if (this.#laid.get(id) === laid) this.#laid.delete(id);
      throw error;
    }
  }

  /** Removes all of them. */
  close(): void {
    if (this.#folder !== undefined) this.#remove(this.#folder);
  }

  #collect(): void {
    const unused = [...this.#laid].filter(([, { users }]) => users === 0);
    for (const [id, { folder }] of unused.slice(0, Math.max(0, unused.length - UNUSED_MAX))) {
      this.#laid.delete(id);
      folder.then((path) => rmSync(path, { recursive: true, force: true })).catch(() => {});
    }
  }

  async #write(trees: readonly FileTree[]): Promise<string> {
    this.#folder ??= this.#make();
    this.#count += 1;
    const folder = join(this.#folder, String(this.#count));
    mkdirSync(folder, { mode: 0o755 });
    try {
      for (const tree of trees) {
        for (const entry of tree.entries) await writeEntry(folder, entry, tree);
      }
      return folder;
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }
}

async function writeEntry(folder: string, entry: TreeEntry, tree: FileTree): Promise<void> {
  const { path, link, hash, isExecutable } = entry;
  if (!isWithin(path)) throw new Error(`Cannot lay "${path}": it leads out of its folder`);
  const to = join(folder, path);
  mkdirSync(dirname(to), { recursive: true, mode: 0o755 });
  rmSync(to, { recursive: true, force: true });
  if (link !== undefined) {
    if (link.startsWith("/") || !isWithin(normalize(join(dirname(path), link)))) {
      throw new Error(`Cannot lay "${path}": the link leads out of its folder (${link})`);
    }
    symlinkSync(link, to);
    return;
  }
  const bytes = await tree.read(entry);
  if (hashOf(bytes) !== hash) throw new Error(`Cannot lay "${path}": it has changed since it was read`);
  writeFileSync(to, bytes);
  chmodSync(to, isExecutable ? 0o555 : 0o444);
}

/** Whether a path, made normal, stays below where it begins. */
function isWithin(path: string): boolean {
  return path !== "" && !path.startsWith("/") && !path.startsWith("..") && !path.includes("\0");
}
