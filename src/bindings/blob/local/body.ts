/** A range of an object as a stream: over its pieces, block by block, each checked before it is given. */
import type { FileHandle } from "node:fs/promises";
import { endingStream } from "../ending_stream.ts";
import type { ByteRange } from "../object.ts";
import { BLOCK_BYTES, readBlock } from "./content.ts";

/** A piece of an object. */
export interface ReadPiece {
  readonly bytes: number;
  readonly sums: Uint8Array;
  /** Opens its file. Only one is open at a time: an object may be made of thousands. */
  open(): Promise<FileHandle>;
}

/**
 * The stream; it lets go of the files at its end, when it is cancelled, and when `signal` fires.
 * @param closed is called once it has
 */
export function streamPieces(
  pieces: readonly ReadPiece[],
  range: ByteRange,
  signal: AbortSignal,
  closed: () => void,
): ReadableStream<Uint8Array> {
  const chunks = checkedChunks(pieces, range);
  return endingStream(
    {
      next: async () => (await chunks.next()).value ?? undefined,
      async release() {
        // Waits for the read that is under way: the number of a closed file may be another's at once.
        await chunks.return();
        closed();
      },
    },
    signal,
  );
}

async function* checkedChunks(pieces: readonly ReadPiece[], range: ByteRange): AsyncGenerator<Uint8Array, void> {
  const end = range.offset + range.length;
  let start = 0;
  for (const { open, bytes, sums } of pieces) {
    const from = Math.max(range.offset, start) - start;
    const to = Math.min(end, start + bytes) - start;
    start += bytes;
    if (from >= to) continue;
    const file = await open();
    try {
      for (let block = Math.floor(from / BLOCK_BYTES); block * BLOCK_BYTES < to; block += 1) {
        const read = await readBlock(file, block, bytes, sums);
        const at = block * BLOCK_BYTES;
        yield read.subarray(Math.max(0, from - at), Math.min(read.length, to - at));
      }
    } finally {
      await file.close();
    }
  }
}
