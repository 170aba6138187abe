/** Pictures and documents that are made and wait to be fetched by their page, which does so at once. */

/** More than this, and the oldest go. */
const WAITING_MAX = 64;

/** Those of one page. */
export class MadeCaptures {
  readonly #made = new Map<number, Uint8Array>();

  /** Keeps one under the number by which it was asked for. */
  keep(id: number, bytes: Uint8Array): void {
    this.#made.set(id, bytes);
    for (const oldest of this.#made.keys()) if (this.#made.size > WAITING_MAX) this.#made.delete(oldest);
  }

  /** Hands one out, once. */
  take(id: number): Uint8Array | undefined {
    const bytes = this.#made.get(id);
    this.#made.delete(id);
    return bytes;
  }
}
