/** Bodies between Web streams and wire streams, under credit in both directions. */
import type { WireStream } from "../../wire/stream.ts";

/** Bytes in one frame: what a sender overshoots its credit by, and small enough that other streams get their turn. */
const CHUNK_BYTES = 64 * 1024;

/** The receiving half of a body. */
export interface BodyReceiver {
  readonly stream: ReadableStream<Uint8Array>;
  /** What has arrived, when it is already all of it and nobody has begun to read; takes the stream's place. */
  whole(): Uint8Array | undefined;
  data(bytes: Uint8Array): void;
  end(): void;
  fail(reason: unknown): void;
}

/**
 * A body that arrives by `data` and `end`. The stream is made when it is first asked for.
 * @param consumed is told of the bytes that the reader has taken
 * @param cancelled is called when the reader gives up
 */
export function receiveBody(consumed: (bytes: number) => void, cancelled: () => void): BodyReceiver {
  let queue: Uint8Array[] = [];
  let ended = false;
  let failure: { readonly reason: unknown } | undefined;
  let stream: ReadableStream<Uint8Array> | undefined;
  let wake: (() => void) | undefined;

  const notify = () => {
    wake?.();
    wake = undefined;
  };
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
    while (queue.length === 0 && !ended && failure === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    if (failure !== undefined) return controller.error(failure.reason);
    const chunk = queue.shift();
    if (chunk === undefined) return controller.close();
    controller.enqueue(chunk);
    consumed(chunk.length);
  };
  return {
    get stream() {
      stream ??= new ReadableStream<Uint8Array>(
        {
          pull,
          cancel() {
            queue = [];
            cancelled();
          },
        },
        { highWaterMark: 0 },
      );
      return stream;
    },
    whole() {
      if (!ended || stream !== undefined || failure !== undefined) return undefined;
      return queue.length === 1 ? queue[0] : concatenate(queue);
    },
    data(bytes) {
      if (failure === undefined && !ended && bytes.length > 0) queue.push(bytes);
      notify();
    },
    end() {
      ended = true;
      notify();
    },
    fail(reason) {
      failure ??= { reason };
      notify();
    },
  };
}

/** One array of many. */
export function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/**
 * Sends `body` on `stream` until it is used up, waiting for credit; does not send the end.
 * @param onResume is given what must be called when the stream is writable again or over
 */
export async function pump(
  body: ReadableStream<Uint8Array>,
  stream: WireStream,
  onResume: (callback: () => void) => void,
): Promise<void> {
  const reader = body.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    if (stream.over) return void reader.cancel().catch(() => {});
    const bytes = asBytes(value);
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      if (stream.send(bytes.subarray(at, at + CHUNK_BYTES))) continue;
      await new Promise<void>((resolve) => onResume(resolve));
      if (stream.over) return void reader.cancel().catch(() => {});
    }
  }
}

const encoder = new TextEncoder();

/** A chunk of a body as bytes: programs put texts, buffers and views into their streams. */
function asBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  if (typeof chunk === "string") return encoder.encode(chunk);
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  throw new TypeError(`Cannot send a chunk of type ${typeof chunk}: expected bytes or text`);
}
