/**
 * Undoes a response's content coding, as a `fetch` does, one bounded piece at a time: the decoder stops when its reader
 * does. A coding that is cut short, or not what the head says, errors the body.
 */
import type { Transform } from "node:stream";
import { pipeline, Readable } from "node:stream";
import type { ReadableStreamDefaultReader } from "node:stream/web";
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from "node:zlib";
import type { HeaderList } from "../../core/invocation.ts";

/** Codings on top of each other that are undone; more are left as they are. */
const CODINGS_MAX = 2;
const PIECE_BYTES = 64 * 1024;

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: () => createGunzip({ chunkSize: PIECE_BYTES }),
  "x-gzip": () => createGunzip({ chunkSize: PIECE_BYTES }),
  deflate: () => createInflate({ chunkSize: PIECE_BYTES }),
  br: () => createBrotliDecompress({ chunkSize: PIECE_BYTES }),
  zstd: () => createZstdDecompress({ chunkSize: PIECE_BYTES }),
};

/** The codings to undo, in that order; empty when there are none or one is not known. */
export function codingsOf(headers: HeaderList): readonly string[] {
  const codings = headers
    .filter(([name]) => name === "content-encoding")
    .flatMap(([, value]) => value.toLowerCase().split(","))
    .map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding !== "identity");
  const known = codings.every((coding) => Object.hasOwn(DECODERS, coding));
  return known && codings.length <= CODINGS_MAX ? codings.reverse() : [];
}

/** What the headers are once the body has been decoded. */
export function withoutCoding(headers: HeaderList): HeaderList {
  return headers.filter(([name]) => name !== "content-encoding" && name !== "content-length");
}

/** Who is told of a decoding, and what ends it. */
export interface DecodeOptions {
  /** Called with the size of each decoded piece; what it throws ends the body. */
  decoded(bytes: number): void;
  /** What the reader sees instead of an error of a decoder. */
  explain(error: unknown): Error;
  readonly signal: AbortSignal;
  /** Called once, when the decoding is over. */
  over(): void;
}

/** The decoded body. */
export function decodeBody(
  body: ReadableStream<Uint8Array>,
  codings: readonly string[],
  options: DecodeOptions,
): ReadableStream<Uint8Array> {
  const { signal } = options;
  const reader = body.getReader();
  const decoders = codings.flatMap((coding) => DECODERS[coding]?.() ?? []);
  const source = Readable.from(chunksOf(reader), { objectMode: false });
  const output: Readable = decoders.reduce<Readable>((from, to) => pipeline(from, to, () => {}), source);
  const pieces = output[Symbol.asyncIterator]();
  let isOver = false;
  const finish = () => {
    if (isOver) return;
    isOver = true;
    signal.removeEventListener("abort", abort);
    options.over();
  };
  const giveUp = (reason: unknown) => {
    reader.cancel(reason).catch(() => {});
    for (const stream of [source, ...decoders]) stream.destroy();
    finish();
  };
  const fail = (sink: ReadableStreamDefaultController<Uint8Array>, error: unknown) => {
    if (isOver) return;
    giveUp(error);
    sink.error(options.explain(error));
  };
  let abort = () => {};
  return new ReadableStream<Uint8Array>(
    {
      start(sink) {
        abort = () => fail(sink, signal.reason);
        signal.addEventListener("abort", abort, { once: true });
      },
      async pull(sink) {
        try {
          const { done, value } = await pieces.next();
          if (done) {
            // The coding has ended; the message has to end as well before it counts as whole.
            if (!(await reader.read()).done) giveUp(undefined);
            else finish();
            return sink.close();
          }
          options.decoded((value as Uint8Array).length);
          sink.enqueue(value as Uint8Array);
        } catch (error) {
          fail(sink, error);
        }
      },
      cancel: giveUp,
    },
    { highWaterMark: 0 },
  );
}

async function* chunksOf(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}
