/** What was made of components, on the disk, by the hashes of component and transpiler. */
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What is kept, in bytes; what was used longest ago goes first. */
const KEPT_BYTES_MAX = 512 * 1024 * 1024;

/** The files. */
export class KeptComponents {
  readonly #directory: string;
  readonly #suffix: string;

  /** @param transpilerHash `sha256-<hex>`: what another transpiler made is not found */
  constructor(directory: string, transpilerHash: string) {
    this.#directory = directory;
    this.#suffix = transpilerHash.slice(7, 23);
  }

  /** What was made of the component of that hash. */
  async find(hash: string): Promise<Uint8Array | undefined> {
    const path = this.#pathOf(hash);
    const kept = Bun.file(path);
    if (!(await kept.exists())) return undefined;
    const now = new Date();
    utimesSync(path, now, now);
    return kept.bytes();
  }

  /** Keeps what was made of the component of that hash. */
  keep(hash: string, made: Uint8Array): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const path = this.#pathOf(hash);
    const beside = `${path}.${crypto.randomUUID()}`;
    writeFileSync(beside, made);
    renameSync(beside, path);
    removeOldest(this.#directory);
  }

  #pathOf(hash: string): string {
    return join(this.#directory, `${hash.slice(7)}-${this.#suffix}`);
  }
}

function removeOldest(directory: string): void {
  const files = readdirSync(directory).flatMap((name) => {
    const stats = statSync(join(directory, name), { throwIfNoEntry: false });
    return stats === undefined ? [] : [{ path: join(directory, name), size: stats.size, usedAt: stats.mtimeMs }];
  });
  let bytes = 0;
  for (const { path, size } of files.sort((one, other) => other.usedAt - one.usedAt)) {
    bytes += size;
    if (bytes > KEPT_BYTES_MAX) rmSync(path, { force: true });
  }
}
