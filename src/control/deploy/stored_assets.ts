/** Static files of deployed versions: blobs by the paths of the manifest, the last ones that were asked for in memory. */
import type { Asset, AssetFallback, AssetFolder } from "../../core/assets.ts";
import { IsopodError } from "../../core/errors.ts";
import type { BlobStore } from "../../core/store.ts";
import { SMALL_BYTES_MAX } from "../loading/disk_assets.ts";
import type { VersionFile } from "./version_files.ts";

const KEPT_BYTES_MAX = 64 * 1024 * 1024;

/** Contents by their hash, for all versions. */
export class AssetContents {
  readonly #blobs: BlobStore;
  readonly #kept = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly #reading = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();
  #bytes = 0;

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  /** @throws {IsopodError} `internal` when the blob is gone or damaged */
  async read(hash: string): Promise<Uint8Array<ArrayBuffer>> {
    const kept = this.#kept.get(hash);
    if (kept !== undefined) {
      this.#kept.delete(hash);
      this.#kept.set(hash, kept);
      return kept;
    }
    const reading = this.#reading.get(hash) ?? this.#read(hash).finally(() => this.#reading.delete(hash));
    this.#reading.set(hash, reading);
    return reading;
  }

  async #read(hash: string): Promise<Uint8Array<ArrayBuffer>> {
    const found = await this.#blobs.read(hash);
    if (found === undefined) throw new IsopodError("internal", { cause: `the static file ${hash} is gone` });
    const bytes = new Uint8Array(found.buffer as ArrayBuffer, found.byteOffset, found.byteLength);
    this.#kept.set(hash, bytes);
    this.#bytes += bytes.length;
    for (const [oldest, { length }] of this.#kept) {
      if (this.#bytes <= KEPT_BYTES_MAX) break;
      this.#kept.delete(oldest);
      this.#bytes -= length;
    }
    return bytes;
  }
}

/** The static files of a version. */
export class StoredAssets implements AssetFolder {
  readonly fallback: AssetFallback;
  readonly #contents: AssetContents;
  readonly #files: readonly VersionFile[];
  readonly #modifiedAt: number;
  #byPath: ReadonlyMap<string, VersionFile> | undefined;

  /** @param modifiedAt when the version was made, in milliseconds since the Unix epoch */
  constructor(
    contents: AssetContents,
    files: readonly VersionFile[],
    fallback: AssetFallback | undefined,
    modifiedAt: number,
  ) {
    this.fallback = fallback ?? "function";
    this.#contents = contents;
    this.#files = files;
    this.#modifiedAt = modifiedAt;
  }

  async find(path: string): Promise<Asset | undefined> {
    // Made when it is first asked for: most versions are never asked again.
    this.#byPath ??= new Map(this.#files.map((file) => [file.path, file]));
    const file = this.#byPath.get(path);
    if (file === undefined) return undefined;
    const { hash, bytes } = file;
    return {
      ...{ path, bytes, tag: hash.slice(-32), modifiedAt: this.#modifiedAt, small: bytes <= SMALL_BYTES_MAX },
      body: async (start, end) => (await this.#contents.read(hash)).subarray(start, end),
    };
  }
}
