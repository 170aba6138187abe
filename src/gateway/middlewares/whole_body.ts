/**
 * Bodies between hooks and functions, held whole: whoever gave one is then done with it. Were they streamed, requests whose
 * hooks are in one place would hold places there while they wait for more of them, and none would ever go on.
 *
 * All that is held at a time, of all requests, has a bound.
 */
import { IsopodError } from "../../core/errors.ts";
import type { InvocationResponse } from "../../core/invocation.ts";

/** Bytes that all of them may hold. */
const HELD_BYTES_MAX = 512 * 1024 * 1024;

/** Bytes that are held now. */
let heldBytes = 0;

/** A body, and what must be called when it is needed no more. */
export interface WholeBody {
  readonly bytes: Uint8Array;
  release(): void;
}

/**
 * The whole body of an answer.
 * @param tooLarge the error of one that is over `bytesMax`
 * @throws {IsopodError} what cut it off; `overloaded` when too much is held already
 */
export async function wholeBody(
  { body, blob, ended }: InvocationResponse,
  bytesMax: number,
  tooLarge: () => IsopodError,
): Promise<WholeBody> {
  let own = 0;
  let isReleased = false;
  const release = () => {
    if (!isReleased) heldBytes -= own;
    isReleased = true;
  };
  const take = (bytes: number) => {
    own += bytes;
    heldBytes += bytes;
    if (own > bytesMax) throw tooLarge();
    if (heldBytes > HELD_BYTES_MAX) {
      throw new IsopodError("overloaded", { retryAfterSeconds: 1, cause: "bodies that middlewares are given" });
    }
  };
  const stream = blob?.stream() ?? body;
  try {
    if (!(stream instanceof ReadableStream)) {
      take(stream?.length ?? 0);
      return { bytes: stream ?? new Uint8Array(0), release };
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of stream) {
      take(chunk.length);
      chunks.push(chunk);
    }
    return { bytes: chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks), release };
  } catch (error) {
    release();
    if (error instanceof IsopodError) throw error;
    throw (await ended).error ?? new IsopodError("internal", { cause: error });
  }
}
