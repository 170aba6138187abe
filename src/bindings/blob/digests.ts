/** Hashes of a body that streams: those that name and check it as a whole, and a checksum for each block of it. */
import { CHECKSUM_NAMES, type ChecksumName } from "./object.ts";

/** Algorithms beside MD5 and SHA-256, which every body has. */
export type DigestNames = readonly ChecksumName[];

/** Bytes of a block's checksum: half of its SHA-256, against disks and not against enemies. */
export const SUM_BYTES = 16;

/** The hashes of a body. */
export class Digests {
  readonly #hashers: ReadonlyMap<ChecksumName, Bun.CryptoHasher>;

  constructor(wanted: DigestNames) {
    const names = CHECKSUM_NAMES.filter((name) => name === "md5" || name === "sha256" || wanted.includes(name));
    this.#hashers = new Map(names.map((name) => [name, new Bun.CryptoHasher(name)]));
  }

  update(bytes: Uint8Array): void {
    for (const hasher of this.#hashers.values()) hasher.update(bytes);
  }

  /** Hex digits, by algorithm. */
  hex(): Partial<Record<ChecksumName, string>> {
    return Object.fromEntries([...this.#hashers].map(([name, hasher]) => [name, hasher.digest("hex")]));
  }
}

/** The checksum of a block. */
export function sumOf(block: Uint8Array): Uint8Array {
  return new Uint8Array(new Bun.CryptoHasher("sha256").update(block).digest().buffer, 0, SUM_BYTES);
}

/** The checksums of a body's blocks, one behind the other. */
export class BlockSums {
  readonly #blockBytes: number;
  readonly #sums: Uint8Array[] = [];
  #hasher = new Bun.CryptoHasher("sha256");
  #bytes = 0;

  constructor(blockBytes: number) {
    this.#blockBytes = blockBytes;
  }

  update(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const taken = Math.min(this.#blockBytes - this.#bytes, bytes.length - at);
      this.#hasher.update(bytes.subarray(at, at + taken));
      this.#bytes += taken;
      at += taken;
      if (this.#bytes === this.#blockBytes) this.#finish();
    }
  }

  all(): Uint8Array {
    if (this.#bytes > 0) this.#finish();
    return Buffer.concat(this.#sums);
  }

  #finish(): void {
    this.#sums.push(new Uint8Array(this.#hasher.digest().buffer, 0, SUM_BYTES));
    this.#hasher = new Bun.CryptoHasher("sha256");
    this.#bytes = 0;
  }
}
