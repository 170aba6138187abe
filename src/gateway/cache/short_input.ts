/** A program's input, read before it runs as far as it is short: so that it can be part of what names an answer. */
import type { Body } from "../../core/invocation.ts";

/** The input: as a whole, or the same to be read from its beginning. */
export interface ShortInput {
  readonly body: Body;
  readonly isWhole: boolean;
}

/**
 * Reads up to `bytesMax` bytes, until `signal` fires.
 * @throws whatever the input fails with
 */
export async function readShort(input: Body, bytesMax: number, signal: AbortSignal): Promise<ShortInput> {
  if (!(input instanceof ReadableStream)) return { body: input, isWhole: (input?.length ?? 0) <= bytesMax };
  const reader = input.getReader();
  const cancel = (reason?: unknown) => reader.cancel(reason).catch(() => {});
  signal.addEventListener("abort", cancel);
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  try {
    while (bytes <= bytesMax) {
      const { value, done } = await reader.read();
      signal.throwIfAborted();
      if (done) return { body: Buffer.concat(pieces), isWhole: true };
      bytes += value.length;
      pieces.push(value);
    }
  } finally {
    signal.removeEventListener("abort", cancel);
  }
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const piece = pieces.shift();
        if (piece !== undefined) return controller.enqueue(piece);
        const { value, done } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel,
    },
    { highWaterMark: 0 },
  );
  return { body, isWhole: false };
}
