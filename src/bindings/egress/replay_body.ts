/**
 * A request body that can be sent again as long as little of it has been read: what a 307 or 308 asks for.
 *
 * The guest's stream is read once. While no more than `replayBytesMax` bytes have passed they are kept, and a second
 * attempt gets them first and the rest of the stream after. A new attempt ends the one before it, which may still be waiting
 * for a chunk; so a read is shared between all who wait, and whatever it yields goes to the newest attempt.
 */
import type { ReadableStreamDefaultReader } from "node:stream/web";

/** One request body; whoever takes it cancels it in the end. */
export class ReplayBody {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #replayBytesMax: number;
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #dropped = 0;
  #attempts = 0;
  #done = false;
  #pending: Promise<void> | undefined;

  constructor(body: ReadableStream<Uint8Array>, replayBytesMax: number) {
    this.#reader = body.getReader();
    this.#replayBytesMax = replayBytesMax;
  }

  /** Whether the body can be sent from its beginning. */
  get replayable(): boolean {
    return this.#dropped === 0;
  }

  /** The body from its beginning; only while `replayable`. Ending the iteration early leaves the body as it is. */
  async *attempt(): AsyncGenerator<Uint8Array, void, undefined> {
    const mine = ++this.#attempts;
    for (let at = 0; ; at++) {
      while (at - this.#dropped >= this.#kept.length && !this.#done) await this.#more();
      if (mine !== this.#attempts) return;
      const chunk = this.#kept[at - this.#dropped];
      if (chunk === undefined) return;
      if (this.#keptBytes > this.#replayBytesMax) this.#forget();
      yield chunk;
    }
  }

  /** Gives the rest of the body up; the guest learns that nobody reads it. */
  cancel(reason: unknown): void {
    this.#done = true;
    this.#kept = [];
    this.#reader.cancel(reason).catch(() => {});
  }

  #more(): Promise<void> {
    this.#pending ??= this.#reader.read().then(({ done, value }) => {
      this.#pending = undefined;
      if (done || this.#done) this.#done = true;
      else {
        this.#kept.push(value);
        this.#keptBytes += value.length;
      }
    });
    return this.#pending;
  }

  #forget(): void {
    this.#dropped += this.#kept.length;
    this.#kept = [];
    // Stays over the limit: from here on each chunk is dropped as it is sent.
    this.#keptBytes = Number.POSITIVE_INFINITY;
  }
}
