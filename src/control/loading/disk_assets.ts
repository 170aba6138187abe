/**
 * Static files of a function of the configuration, read from disk as they are now.
 *
 * A file that is opened is asked where it lies: only one at the very path below the folder is given, so that no
 * symbolic link on the way leads out of it, also not one that was put there a moment ago. What is small is kept in
 * memory, and looked up by a single `stat` as long as the file has not changed.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { type Asset, type AssetFallback, type AssetFolder, isAssetPath } from "../../core/assets.ts";
import { IsopodError } from "../../core/errors.ts";
import { hashOf } from "../../stdx/hash.ts";

/** The largest file that is held in memory, in bytes, and so compressed and named by the hash of its contents. */
export const SMALL_BYTES_MAX = 4 * 1024 * 1024;
/** Of all files of one folder that are held. */
const HELD_BYTES_MAX = 32 * 1024 * 1024;
const KNOWN_MAX = 10_000;

interface KnownFile {
  readonly identity: string;
  readonly asset: Asset;
  /** In memory. */
  readonly heldBytes: number;
}

/** A folder on disk. */
export class DiskAssets implements AssetFolder {
  readonly fallback: AssetFallback;
  readonly #root: string;
  readonly #known = new Map<string, KnownFile>();
  #heldBytes = 0;

  /** @throws {Error} when there is no such folder */
  constructor(folder: string, fallback: AssetFallback) {
    this.#root = realpathSync(folder);
    this.fallback = fallback;
  }

  async find(path: string): Promise<Asset | undefined> {
    if (!isAssetPath(path)) return undefined;
    const stats = statOf(join(this.#root, path));
    if (stats === undefined || !stats.isFile()) return undefined;
    const known = this.#known.get(path);
    if (known?.identity === identityOf(stats)) return known.asset;
    const read = await this.#read(path);
    this.#keep(path, read);
    return read?.asset;
  }

  async #read(path: string): Promise<KnownFile | undefined> {
    const opened = this.#open(path);
    if (opened === undefined) return undefined;
    const { file, stats } = opened;
    try {
      const identity = identityOf(stats);
      const facts = { path, modifiedAt: Number(stats.mtimeMs) };
      if (stats.size > SMALL_BYTES_MAX) {
        const asset: Asset = {
          ...{ ...facts, bytes: Number(stats.size), tag: hashOf(identity).slice(-32), small: false },
          body: (start, end) => this.#slice(path, identity, start, end),
        };
        return { identity, asset, heldBytes: 0 };
      }
      const bytes = new Uint8Array(await Bun.file(`/proc/self/fd/${file}`).arrayBuffer());
      const body = async (start: number, end: number) => bytes.subarray(start, end);
      const asset = { ...facts, bytes: bytes.length, tag: hashOf(bytes).slice(-32), small: true, body };
      return { identity, asset, heldBytes: bytes.length };
    } finally {
      closeSync(file);
    }
  }

  /** A part of a large file, to be sent by the listener; the file is not another one than was found. */
  async #slice(path: string, identity: string, start: number, end: number): Promise<Blob> {
    const opened = this.#open(path);
    if (opened === undefined || identityOf(opened.stats) !== identity) {
      if (opened !== undefined) closeSync(opened.file);
      throw new IsopodError("internal", { cause: `the static file ${path} has changed while it was being answered` });
    }
    const { file } = opened;
    // The listener opens it anew, by this name, before anything else happens.
    setImmediate(() => closeSync(file));
    return Bun.file(`/proc/self/fd/${file}`).slice(start, end);
  }

  /** Opens a file that lies where its path says. */
  #open(path: string): { readonly file: number; readonly stats: BigIntStats } | undefined {
    const full = join(this.#root, path);
    let file: number | undefined;
    try {
      file = openSync(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      const stats = fstatSync(file, { bigint: true });
      if (stats.isFile() && readlinkSync(`/proc/self/fd/${file}`) === full) return { file, stats };
    } catch {
      // What cannot be opened is not there.
    }
    if (file !== undefined) closeSync(file);
    return undefined;
  }

  #keep(path: string, read: KnownFile | undefined): void {
    this.#forget(path);
    if (read === undefined) return;
    this.#known.set(path, read);
    this.#heldBytes += read.heldBytes;
    for (const oldest of this.#known.keys()) {
      if (this.#heldBytes <= HELD_BYTES_MAX && this.#known.size <= KNOWN_MAX) break;
      this.#forget(oldest);
    }
  }

  #forget(path: string): void {
    this.#heldBytes -= this.#known.get(path)?.heldBytes ?? 0;
    this.#known.delete(path);
  }
}

function statOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Another one for a file that was replaced or written to. */
function identityOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join("-");
}
