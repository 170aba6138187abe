/**
 * Stands between a database server and the client: counts what comes before anybody keeps it, ends the stream at a message
 * that is announced too large or when more comes than was allowed, and when the client breaks on what it is told. A server
 * may be a tenant's own; the client's reader throws at nonsense, and nothing else would catch that.
 */
import type { Socket } from "node:net";
import { Refusal } from "../database/refusal.ts";
import type { SqlLimits } from "../limits.ts";

/** Type and length of a message. */
const HEADER_BYTES = 5;
/** ErrorResponse and NoticeResponse. */
const COMPLAINTS = new Set(["E".charCodeAt(0), "N".charCodeAt(0)]);

/** No byte. */
const NONE = -1;

/** The guard of one connection. */
export class StreamGuard {
  readonly #limits: SqlLimits;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #stream: Socket | undefined;
  #filled = 0;
  /** Of the message that is coming. */
  #messageLeft = 0;
  /** The last two bytes of its body so far. */
  #tail: readonly [number, number] = [NONE, NONE];
  #left = 0;

  constructor(limits: SqlLimits) {
    this.#limits = limits;
  }

  /** Lets `bytes` more come in from now on, whatever was left before. */
  allow(bytes: number): void {
    this.#left = bytes;
  }

  /** Guards `stream`, and no longer the one before: with TLS the messages come by another one. */
  watch(stream: Socket): void {
    this.#stream = stream;
    this.#filled = 0;
    this.#messageLeft = 0;
    const emit = stream.emit.bind(stream) as (event: string, ...args: unknown[]) => boolean;
    stream.emit = ((event: string, ...args: unknown[]) => {
      if (event !== "data") return tell(event, args);
      // What the client answers to one piece leaves in one write.
      stream.cork();
      const told = tell(event, args);
      stream.uncork();
      return told;
    }) as Socket["emit"];
    const tell = (event: string, args: unknown[]) => {
      try {
        if (event === "data" && this.#stream === stream) this.#count(args[0] as Buffer);
        return emit(event, ...args);
      } catch (error) {
        stream.destroy(error as Error);
        return true;
      }
    };
  }

  #count(chunk: Buffer): void {
    this.#left -= chunk.length;
    const { resultBytesMax: value } = this.#limits;
    const limit = { name: "resultBytesMax", value };
    if (this.#left < 0) {
      throw new Refusal("result_too_large", `Cannot read results of more than ${value} bytes`, limit);
    }
    for (let at = 0; at < chunk.length; ) {
      if (this.#messageLeft > 0) {
        const taken = Math.min(this.#messageLeft, chunk.length - at);
        this.#messageLeft -= taken;
        at += taken;
        this.#tail = [taken > 1 ? (chunk[at - 2] as number) : this.#tail[1], chunk[at - 1] as number];
        if (this.#messageLeft === 0) this.#checkComplaint();
        continue;
      }
      // The answer to the question for TLS is one byte, and no message.
      this.#header[this.#filled++] = chunk[at++] as number;
      if (this.#filled < HEADER_BYTES) continue;
      this.#filled = 0;
      this.#messageLeft = this.#header.readInt32BE(1) - 4;
      if (this.#messageLeft < 0) throw new Error("the database sends a message without a length");
      this.#tail = [NONE, NONE];
      if (this.#messageLeft === 0) this.#checkComplaint();
      // Bytes come as twice their number of digits.
      if (this.#messageLeft > 2 * value) {
        throw new Refusal("result_too_large", `Cannot read a row of more than ${value} bytes`, limit);
      }
    }
  }

  /**
   * The fields of a complaint end with a NUL each, and all of them with one more. The client's reader looks for that one
   * for ever where it is not there.
   */
  #checkComplaint(): void {
    const [before, last] = this.#tail;
    // One NUL alone is a complaint without fields.
    if (!COMPLAINTS.has(this.#header[0] as number) || (last === 0 && (before === 0 || before === NONE))) return;
    throw new Error("the database sends a complaint without an end");
  }
}
