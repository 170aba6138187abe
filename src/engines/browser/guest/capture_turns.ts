/**
 * What one function's pages have asked of their browser: so many pictures and documents at a time, so many more that wait,
 * and so many bytes of what they are to be made of, since that stands in a process that other functions share.
 */
import type { BodySink, Reply } from "../../guest/http_reply.ts";

/** What one is made of is read up to this size, in bytes. */
const REQUEST_BYTES_MAX = 16 * 1024 * 1024;

/** What is asked for and not made yet, in bytes. */
const HELD_BYTES_MAX = 32 * 1024 * 1024;

/** So many at a time; so many more wait, and any others are refused. */
const OPEN_MAX = 3;
const WAITING_MAX = 64;

const TOO_MANY = "Too many pictures and documents are asked for at once";

/** The turns of one function. */
export class CaptureTurns {
  readonly #waiting: (() => void)[] = [];
  #open = 0;
  #heldBytes = 0;

  /** Does `work` when it is its turn. @throws {Error} when too many wait */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting.length >= WAITING_MAX) throw new Error(TOO_MANY);
    while (this.#open >= OPEN_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#open += 1;
    try {
      return await work();
    } finally {
      this.#open -= 1;
      this.#waiting.shift()?.();
    }
  }

  /** Reads what is asked for, and answers that it is; it is held until what `asked` returns has settled. */
  read(reply: Reply, asked: (text: string) => Promise<void>): BodySink {
    let parts: Uint8Array[] = [];
    let size = 0;
    let refusal: string | undefined;
    const drop = () => {
      parts = [];
      this.#heldBytes -= size;
      size = 0;
    };
    return {
      data: (bytes) => {
        if (refusal !== undefined) return;
        parts.push(bytes.slice());
        size += bytes.length;
        this.#heldBytes += bytes.length;
        if (size > REQUEST_BYTES_MAX) refusal = `The HTML is larger than ${REQUEST_BYTES_MAX} bytes`;
        else if (this.#heldBytes > HELD_BYTES_MAX) refusal = TOO_MANY;
        if (refusal !== undefined) drop();
      },
      end: () => {
        if (refusal !== undefined) return reply.send(413, {}, refusal);
        reply.send(202, {}, "");
        const text = Buffer.concat(parts).toString();
        parts = [];
        asked(text).then(drop);
      },
      cut: drop,
    };
  }
}
