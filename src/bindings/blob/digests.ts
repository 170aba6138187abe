/** Hashes of a body that streams: those that name and check it as a whole, and a checksum for each block of it. */
import { CHECKSUM_NAMES, type ChecksumName } from "./object.ts";

/** Algorithms beside MD5 and SHA-256, which every body has. */
export type DigestNames = readonly ChecksumName[];

/** Bytes of a block's checksum. */
export const SUM_BYTES = 8;

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

/** The checksum of a block: XXH3, 64 bits, which is against disks and not against enemies; a fortieth of SHA-256's time. */
export function sumOf(block: Uint8Array): Uint8Array {
  const sum = new Uint8Array(SUM_BYTES);
  new DataView(sum.buffer).setBigUint64(0, Bun.hash.xxHash3(block));
  return sum;
}

/** The checksums of a body's blocks, one behind the other. */
export class BlockSums {
  readonly #blockBytes: number;
  readonly #sums: Uint8Array[] = [];
  /** The block that is not whole yet. */
  #block: Uint8Array | undefined;
  #bytes = 0;

  constructor(blockBytes: number) {
    this.#blockBytes = blockBytes;
  }

  update(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const taken = Math.min(this.#blockBytes - this.#bytes, bytes.length - at);
      this.#block ??= new Uint8Array(this.#blockBytes);
      this.#block.set(bytes.subarray(at, at + taken), this.#bytes);
      this.#bytes += taken;
      at += taken;
      if (this.#bytes === this.#blockBytes) this.#finish(this.#block);
    }
  }

  all(): Uint8Array {
    if (this.#bytes > 0) this.#finish((this.#block as Uint8Array).subarray(0, this.#bytes));
    return Buffer.concat(this.#sums);
  }

  #finish(block: Uint8Array): void {
    this.#sums.push(sumOf(block));
    this.#bytes = 0;
  }
}
