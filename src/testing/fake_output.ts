/** What a guest in memory writes: delivered a microtask later, chunk by chunk, unless reading is paused. */
import type { GuestReader } from "../core/engine.ts";

/** The output. */
export class FakeOutput {
  #reader: GuestReader | undefined;
  #chunks: Uint8Array[] = [];
  #paused = false;
  #asked = false;
  #ended = false;

  /** Whether nothing more can be written. */
  get ended(): boolean {
    return this.#ended;
  }

  read(reader: GuestReader): void {
    this.#reader = reader;
    this.#schedule();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  /** The guest writes. */
  push(chunk: Uint8Array): void {
    if (this.#ended) return;
    this.#chunks.push(chunk);
    this.#schedule();
  }

  /** The guest writes no more. */
  end(): void {
    this.#ended = true;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#asked || this.#paused || this.#reader === undefined) return;
    if (this.#chunks.length === 0 && !this.#ended) return;
    this.#asked = true;
    queueMicrotask(() => this.#deliver());
  }

  #deliver(): void {
    this.#asked = false;
    if (this.#paused) return;
    const chunk = this.#chunks.shift();
    const reader = this.#reader;
    if (chunk !== undefined) reader?.data(chunk);
    else if (this.#ended) {
      this.#reader = undefined;
      return reader?.end();
    }
    this.#schedule();
  }
}
