/** Bytes that arrive by a Web stream, for readers that ask what is there: one chunk is held at a time. */
import type { Awaited } from "./poll.ts";

const NOTHING = new Uint8Array(0);

/** The bytes of a body. */
export class ByteSource implements Awaited {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #chunk: Uint8Array = NOTHING;
  #reading: Promise<void> | undefined;
  #ended: boolean;
  /** Why it broke off; undefined while it has not. */
  failure: Error | undefined;

  /** @param body null for none */
  constructor(body: ReadableStream<Uint8Array> | null) {
    this.#reader = body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined;
    this.#ended = body === null;
  }

  /** Whether all of it has been taken. */
  get isOver(): boolean {
    return this.#ended && this.#chunk.length === 0;
  }

  get isReady(): boolean {
    return this.#ended || this.#chunk.length > 0;
  }

  change(): Promise<void> {
    if (this.isReady) return Promise.resolve();
    this.#reading ??= this.#read();
    return this.#reading;
  }

  /** Up to `size` bytes of what is there; none when nothing is. */
  take(size: number): Uint8Array {
    if (!this.isReady) this.change();
    const taken = this.#chunk.subarray(0, size);
    this.#chunk = this.#chunk.subarray(taken.length);
    return taken;
  }

  /** Nobody wants the rest. */
  cancel(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#chunk = NOTHING;
    this.#reader?.cancel().catch(() => {});
  }

  async #read(): Promise<void> {
    try {
      const { value, done } = await (this.#reader as ReadableStreamDefaultReader<Uint8Array>).read();
      if (done) this.#ended = true;
      else if (!this.#ended) this.#chunk = value;
    } catch (error) {
      this.#ended = true;
      this.failure = error instanceof Error ? error : new Error(String(error));
    }
    this.#reading = undefined;
  }
}
