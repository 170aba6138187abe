/**
 * The answer of an invocation as it arrives from the guest: its head, its body, its end.
 *
 * A body that has arrived as a whole when its head is handed over is bytes and costs no stream. A longer one is a
 * stream that gives credit as it is read. A body that is cut off errors: it must never look complete.
 */
import type { IsopodError } from "../core/errors.ts";
import type { Body } from "../core/invocation.ts";

/** Shorter pieces than this are copied together while they wait, in bytes: a guest may send them one by one. */
const SMALL_BYTES = 4 * 1024;
const JOINED_BYTES = 16 * 1024;

/** Who hears what becomes of a body. */
export interface BodyOwner {
  /** The reader has taken `bytes`. */
  consumed(bytes: number): void;
  /** The reader gives up. */
  cancelled(): void;
}

/** Collects a body. */
export class AnswerBody {
  #chunks: Uint8Array[] = [];
  /** The last chunk with its room to grow, when it is one that pieces are copied into. */
  #tail: { readonly bytes: Uint8Array; fill: number } | undefined;
  #waitingBytes = 0;
  #ended = false;
  #failure: IsopodError | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #demand = false;
  /** Nobody reads any more; what the guest still sends of it, and its end, is for nobody. */
  #isCancelled = false;
  readonly #owner: BodyOwner;

  constructor(owner: BodyOwner) {
    this.#owner = owner;
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
        cancel: () => this.#cancel(),
      },
      { highWaterMark: 0 },
    );
  }

  push(bytes: Uint8Array): void {
    if (this.#isCancelled) return;
    this.#waitingBytes += bytes.length;
    if (this.#chunks.length > 0 && bytes.length < SMALL_BYTES) {
      this.#join(bytes);
    } else {
      this.#tail = undefined;
      this.#chunks.push(bytes);
    }
    this.#deliver();
  }

  end(): void {
    this.#ended = true;
    this.#deliver();
  }

  /** Cuts the body off, unless all of it has arrived: at once, or after what has arrived when it is to be `kept`. */
  fail(error: IsopodError, kept = false): void {
    if (this.#ended) return;
    this.#failure = error;
    if (!kept) {
      this.#chunks = [];
      this.#waitingBytes = 0;
    }
    this.#deliver();
  }

  #cancel(): void {
    this.#isCancelled = true;
    this.#controller = undefined;
    this.#chunks = [];
    this.#waitingBytes = 0;
    this.#owner.cancelled();
  }

  /** A short piece would hold the whole chunk that it came in, and a million of them more than they weigh. */
  #join(piece: Uint8Array): void {
    if (this.#tail === undefined || this.#tail.fill + piece.length > JOINED_BYTES) {
      this.#tail = { bytes: new Uint8Array(JOINED_BYTES), fill: 0 };
      this.#chunks.push(this.#tail.bytes);
    }
    this.#tail.bytes.set(piece, this.#tail.fill);
    this.#tail.fill += piece.length;
    this.#chunks[this.#chunks.length - 1] = this.#tail.bytes.subarray(0, this.#tail.fill);
  }

  #deliver(): void {
    const controller = this.#controller;
    if (controller === undefined) return;
    if (this.#demand && this.#chunks.length > 0) {
      this.#demand = false;
      const chunk = this.#chunks.shift() as Uint8Array;
      if (this.#chunks.length === 0) this.#tail = undefined;
      this.#waitingBytes -= chunk.length;
      controller.enqueue(chunk);
      this.#owner.consumed(chunk.length);
    }
    if (this.#chunks.length > 0) return;
    if (this.#ended) {
      this.#controller = undefined;
      controller.close();
    } else if (this.#failure !== undefined) {
      // Without a reason: Bun prints the reason of every stream that it serves, and `ended` tells it to who asks.
      this.#controller = undefined;
      controller.error(undefined);
    }
  }
}
