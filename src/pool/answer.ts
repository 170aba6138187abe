/**
 * The answer of an invocation as it arrives from the guest: its head, its body, its end.
 *
 * A body that has arrived as a whole when its head is handed over is bytes and costs no stream. A longer one is a
 * stream that gives credit as it is read. A body that is cut off errors: it must never look complete.
 */
import type { IsopodError } from "../core/errors.ts";
import type { Body } from "../core/invocation.ts";

/** Collects a body. */
export class AnswerBody {
  #chunks: Uint8Array[] = [];
  #waitingBytes = 0;
  #ended = false;
  #failure: IsopodError | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #demand = false;
  readonly #consumed: (bytes: number) => void;
  readonly #cancelled: () => void;

  /**
   * @param consumed is told of bytes that the reader has taken
   * @param cancelled is called when the reader gives up
   */
  constructor(consumed: (bytes: number) => void, cancelled: () => void) {
    this.#consumed = consumed;
    this.#cancelled = cancelled;
  }

  /** Bytes that have arrived and not been read. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** The body as it is now: whole when its end is known. Called once. */
  open(): Body {
    if (this.#ended && this.#failure === undefined) {
      const whole = this.#chunks.length === 1 ? (this.#chunks[0] as Uint8Array) : Buffer.concat(this.#chunks);
      this.#chunks = [];
      return whole.length === 0 ? null : whole;
    }
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => {
          this.#demand = true;
          this.#deliver();
        },
        cancel: () => this.#cancelled(),
      },
      { highWaterMark: 0 },
    );
  }

  push(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#deliver();
  }

  end(): void {
    this.#ended = true;
    this.#deliver();
  }

  /** Cuts the body off, unless all of it has arrived. What was not read is lost with it. */
  fail(error: IsopodError): void {
    if (this.#ended) return;
    this.#failure = error;
    this.#chunks = [];
    this.#waitingBytes = 0;
    // Without a reason: Bun prints the reason of every stream that it serves, and `ended` tells it to who asks.
    this.#controller?.error(undefined);
    this.#controller = undefined;
  }

  #deliver(): void {
    const controller = this.#controller;
    if (controller === undefined) return;
    if (this.#demand && this.#chunks.length > 0) {
      this.#demand = false;
      const chunk = this.#chunks.shift() as Uint8Array;
      this.#waitingBytes -= chunk.length;
      controller.enqueue(chunk);
      this.#consumed(chunk.length);
    }
    if (this.#ended && this.#chunks.length === 0) {
      this.#controller = undefined;
      controller.close();
    }
  }
}
