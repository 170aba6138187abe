/** The blobs of a store in memory. */
import type { Clock } from "../core/clock.ts";
import type { BlobFacts, BlobStore } from "../core/store.ts";
import { blobMismatch, blobTooLarge, checkBlobBound, checkBlobHash, storeClosed } from "../core/store_rules.ts";
import { hashOf } from "../stdx/hash.ts";

interface Held {
  bytes: Uint8Array;
  touchedAt: number;
}

/** Blobs in a map, which several stores may share. */
export class MemoryBlobs implements BlobStore {
  #blobs: Map<string, Held>;
  #clock: Clock;
  #closing: AbortSignal;

  constructor(blobs: Map<string, Held>, clock: Clock, closing: AbortSignal) {
    this.#blobs = blobs;
    this.#clock = clock;
    this.#closing = closing;
  }

  async put(
    body: Uint8Array | ReadableStream<Uint8Array>,
    options: { readonly expected?: string | undefined; readonly bytesMax?: number | undefined } = {},
  ): Promise<BlobFacts> {
    this.#checkOpen();
    if (options.expected !== undefined) checkBlobHash(options.expected);
    const bytesMax = checkBlobBound(options.bytesMax);
    const bytes = body instanceof Uint8Array ? Uint8Array.from(body) : await this.#gather(body, bytesMax);
    if (bytes.length > bytesMax) throw blobTooLarge(bytesMax);
    const hash = hashOf(bytes);
    if (options.expected !== undefined && hash !== options.expected) throw blobMismatch(hash, options.expected);
    this.#blobs.set(hash, { bytes, touchedAt: this.#clock.wallNow() });
    return { hash, bytes: bytes.length };
  }

  async head(hash: string): Promise<BlobFacts | undefined> {
    const held = this.#held(hash);
    return held && { hash, bytes: held.bytes.length };
  }

  async read(hash: string): Promise<Uint8Array | undefined> {
    return this.#held(hash)?.bytes.slice();
  }

  async stream(hash: string): Promise<ReadableStream<Uint8Array> | undefined> {
    const held = this.#held(hash);
    const closing = this.#closing;
    return (
      held &&
      new ReadableStream(
        {
          pull(controller) {
            if (closing.aborted) throw storeClosed();
            if (held.bytes.length > 0) controller.enqueue(held.bytes.slice());
            controller.close();
          },
        },
        { highWaterMark: 0 },
      )
    );
  }

  async *list(): AsyncGenerator<BlobFacts & { readonly touchedAt: number }> {
    this.#checkOpen();
    for (const [hash, { bytes, touchedAt }] of [...this.#blobs]) yield { hash, bytes: bytes.length, touchedAt };
  }

  async delete(hash: string, before: number): Promise<boolean> {
    const held = this.#held(hash);
    return held !== undefined && held.touchedAt < before && this.#blobs.delete(hash);
  }

  async #gather(stream: ReadableStream<Uint8Array>, bytesMax: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    const reader = stream.getReader();
    const cancel = () => reader.cancel(this.#closing.reason).catch(() => {});
    this.#closing.addEventListener("abort", cancel);
    try {
      for (let bytes = 0; ; ) {
        const { done, value } = await reader.read();
        this.#checkOpen();
        if (done) return Buffer.concat(pieces);
        bytes += value.length;
        if (bytes > bytesMax) throw blobTooLarge(bytesMax);
        pieces.push(Uint8Array.from(value));
      }
    } catch (error) {
      reader.cancel(error).catch(() => {});
      throw error;
    } finally {
      this.#closing.removeEventListener("abort", cancel);
    }
  }

  #held(hash: string): Held | undefined {
    checkBlobHash(hash);
    this.#checkOpen();
    return this.#blobs.get(hash);
  }

  #checkOpen(): void {
    if (this.#closing.aborted) throw storeClosed();
  }
}
