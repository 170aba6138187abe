/** Sends bodies in frames, as fast as the other side takes them. */
import type { WireStream } from "../../../wire/stream.ts";

/** Bytes in one frame. */
const PIECE_BYTES = 64 * 1024;

/** Who sends. */
export interface Sender {
  /** Nobody wants the rest. */
  readonly isOver: boolean;
  /** To be called when there is room again, or none is needed. */
  onWritable: (() => void) | undefined;
}

/** Sends all of `bytes`; resolves when more can be sent. */
export async function sendPieces(stream: WireStream, bytes: Uint8Array, sender: Sender): Promise<void> {
  for (let at = 0; at < bytes.length && !sender.isOver; at += PIECE_BYTES) {
    if (stream.send(bytes.subarray(at, at + PIECE_BYTES))) continue;
    await new Promise<void>((resolve) => {
      sender.onWritable = resolve;
    });
    sender.onWritable = undefined;
  }
}
