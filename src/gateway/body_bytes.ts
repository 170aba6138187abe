/** Reads a whole body, and never more of it than its limit. */
import { IsopodError } from "../core/errors.ts";

/** A body with the headers that describe it. */
export interface BodyHolder {
  readonly headers: { get(name: string): string | null };
  readonly body: ReadableStream<Uint8Array> | null;
  bytes(): Promise<Uint8Array>;
}

/** How much may be read, and what it is called when there is more. */
export interface BytesLimit {
  readonly max: number;
  readonly code: "code_too_large" | "body_too_large";
}

/**
 * The bytes of a request's body.
 * @throws {IsopodError} the limit's code, before anything is read when the length is told; `client_gone` when the
 * body breaks off.
 */
export async function readBytes(holder: BodyHolder, limit: BytesLimit): Promise<Uint8Array> {
  const told = holder.headers.get("content-length");
  if (told !== null && Number(told) > limit.max) throw tooLarge(limit);
  let bytes: Uint8Array;
  try {
    // The server holds a body to the length that was told, so this is bounded, and cheaper than the stream.
    bytes = told !== null ? await holder.bytes() : await collect(holder.body, limit);
  } catch (error) {
    throw error instanceof IsopodError ? error : new IsopodError("client_gone", { cause: error });
  }
  if (bytes.length > limit.max) throw tooLarge(limit);
  return bytes;
}

/**
 * The bytes of a stream, which is cancelled as soon as there are too many.
 * @throws {IsopodError} the limit's code; and whatever the stream fails with.
 */
export async function collect(stream: ReadableStream<Uint8Array> | null, limit: BytesLimit): Promise<Uint8Array> {
  if (stream === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > limit.max) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, length);
}

function tooLarge({ code, max }: BytesLimit): IsopodError {
  const what = code === "code_too_large" ? "the program" : "the body";
  const name = code === "code_too_large" ? "codeBytesMax" : "bodyBytesMax";
  return new IsopodError(code, {
    message: `Cannot read ${what}: it is over ${max} bytes.`,
    limit: { name, value: max },
  });
}
