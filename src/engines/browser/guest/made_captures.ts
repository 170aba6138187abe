/** Pictures and documents that are made and wait to be fetched by their page, which does so at once. */

/** More than this, or more bytes, and the oldest go; the last one stays, however large it is. */
const WAITING_MAX = 64;
const WAITING_BYTES_MAX = 32 * 1024 * 1024;

/** Those of one page. */
export class MadeCaptures {
  readonly #made = new Map<number, Uint8Array>();
  #bytes = 0;

  /** Keeps one under the number by which it was asked for. */
  keep(id: number, bytes: Uint8Array): void {
    this.take(id);
    this.#made.set(id, bytes);
    this.#bytes += bytes.length;
    for (const oldest of this.#made.keys()) {
      if (oldest === id || (this.#made.size <= WAITING_MAX && this.#bytes <= WAITING_BYTES_MAX)) return;
      this.take(oldest);
    }
  }

  /** Hands one out, once. */
  take(id: number): Uint8Array | undefined {
    const bytes = this.#made.get(id);
    this.#made.delete(id);
    this.#bytes -= bytes?.length ?? 0;
    return bytes;
  }
}
