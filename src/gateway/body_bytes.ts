/** Reads a whole body, and never more of it than its limit. */
import { systemClock } from "../core/clock.ts";
import { IsopodError } from "../core/errors.ts";
import { toldLength } from "./request_head.ts";

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
  /** How long the first MiB may take, and each further one, in milliseconds; no bound when left out. */
  readonly idleMs?: number | undefined;
}

const MIB = 1024 * 1024;

/**
 * The bytes of a request's body.
 * @throws {IsopodError} the limit's code, before anything is read when the length is told; `body_timeout`;
 * `client_gone` when the body breaks off.
 */
export async function readBytes(holder: BodyHolder, limit: BytesLimit): Promise<Uint8Array> {
  const told = toldLength(holder.headers);
  if (told !== undefined && told > limit.max) throw tooLarge(limit);
  let bytes: Uint8Array;
  try {
    // The server holds a body to the length that was told, so this is bounded, and cheaper than the stream.
    const reading = told !== undefined ? holder.bytes() : collect(holder.body, limit);
    bytes = await inTime(reading, limit.idleMs, told ?? limit.max);
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

/** `reading`, unless it takes too long for a body of `length` bytes. @throws {IsopodError} `body_timeout` */
function inTime<T>(reading: Promise<T>, idleMs: number | undefined, length: number): Promise<T> {
  if (idleMs === undefined) return reading;
  const timeoutMs = idleMs * Math.max(1, Math.ceil(length / MIB));
  return new Promise((resolve, reject) => {
    const cancel = systemClock.after(timeoutMs, () => {
      reject(
        new IsopodError("body_timeout", { message: `The request's body was not there after ${timeoutMs / 1000} s.` }),
      );
    });
    reading.then(resolve, reject).finally(cancel);
  });
}

function tooLarge({ code, max }: BytesLimit): IsopodError {
  const what = code === "code_too_large" ? "the program" : "the body";
  const name = code === "code_too_large" ? "codeBytesMax" : "bodyBytesMax";
  return new IsopodError(code, {
    message: `Cannot read ${what}: it is over ${max} bytes.`,
    limit: { name, value: max },
  });
}
