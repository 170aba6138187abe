/** Texts of blobs, the last few of them in memory: a burst of new instances reads their code once. */
import { IsopodError } from "../../core/errors.ts";
import type { BlobStore } from "../../core/store.ts";

/** Characters of all texts that are kept. */
const KEPT_LENGTH_MAX = 16 * 1024 * 1024;

/** The texts. */
export class BlobTexts {
  readonly #blobs: BlobStore;
  readonly #kept = new Map<string, string>();
  #length = 0;

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  /** The text of the blob `hash`. @throws {IsopodError} `internal` when it is gone or no text */
  async read(hash: string): Promise<string> {
    const kept = this.#kept.get(hash);
    if (kept !== undefined) {
      this.#kept.delete(hash);
      this.#kept.set(hash, kept);
      return kept;
    }
    const bytes = await this.#blobs.read(hash);
    if (bytes === undefined) throw new IsopodError("internal", { cause: `blob ${hash} is gone` });
    const text = decode(bytes, hash);
    if (!this.#kept.has(hash) && text.length <= KEPT_LENGTH_MAX) {
      this.#kept.set(hash, text);
      this.#length += text.length;
    }
    for (const [oldest, { length }] of this.#kept) {
      if (this.#length <= KEPT_LENGTH_MAX) break;
      this.#kept.delete(oldest);
      this.#length -= length;
    }
    return text;
  }
}

function decode(bytes: Uint8Array, hash: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new IsopodError("bad_request", { message: `Cannot read ${hash}: it is not UTF-8 text.`, cause });
  }
}
