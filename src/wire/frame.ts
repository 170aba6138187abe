/**
 * The frame codec between host and guest: length-prefixed binary frames, Web APIs only.
 *
 * A frame is a header of 9 bytes (payload length as u32, type as u8, stream as u32, little-endian) and its payload.
 * The codec knows lengths and types; what may follow what is `connection.ts`. Every length has a limit, so a peer
 * that sends garbage costs at most one error and the largest payload that the receiver accepts.
 */

/** Bytes before each payload. */
export const HEADER_BYTES = 9;

/** The types of frames. `hello` to `ready` belong to the connection, `head` to `credit` to one stream. */
export const FRAME = {
  hello: 1,
  load: 2,
  ready: 3,
  head: 4,
  data: 5,
  end: 6,
  reset: 7,
  credit: 8,
  log: 9,
  ping: 10,
  pong: 11,
} as const;

/** The number of a frame type. */
export type FrameType = (typeof FRAME)[keyof typeof FRAME];

const MB = 1024 * 1024;

/** The largest payload by type, as one side accepts them; -1 refuses the type. Index 0 is no type. */
export type AcceptedFrames = readonly number[];

/** What a guest accepts: everything but `ready`, `log` and `pong`. */
export const GUEST_ACCEPTS: AcceptedFrames = [
  -1,
  64 * 1024,
  24 * MB,
  -1,
  256 * 1024,
  MB + 16,
  64 * 1024,
  64 * 1024,
  4,
  -1,
  8,
  -1,
];

/** What a host accepts: no `load`, so that it reserves a mebibyte at most; no `ping`, whose answers nobody might read. */
export const HOST_ACCEPTS: AcceptedFrames = [
  -1,
  64 * 1024,
  -1,
  64 * 1024,
  256 * 1024,
  MB + 16,
  64 * 1024,
  64 * 1024,
  4,
  256 * 1024,
  -1,
  8,
];

/** The largest `data` payload that both sides accept, in bytes. */
export const DATA_BYTES_MAX = MB;

/** The peer sent what no correct peer sends. The connection is over. */
export class WireError extends Error {
  override name = "WireError";
}

/** What a decoder calls for each frame; `payload` is a view that is valid for good but may pin its chunk. */
export type FrameSink = (type: FrameType, stream: number, payload: Uint8Array) => void;

const NOTHING = new Uint8Array(0);

/** Cuts a byte stream, split anywhere, into frames. */
export class FrameDecoder {
  readonly #accepts: AcceptedFrames;
  readonly #sink: FrameSink;
  #header = new Uint8Array(HEADER_BYTES);
  #headerFill = 0;
  #payload: Uint8Array | undefined;
  #payloadFill = 0;
  #type: FrameType = FRAME.hello;
  #stream = 0;

  constructor(accepts: AcceptedFrames, sink: FrameSink) {
    this.#accepts = accepts;
    this.#sink = sink;
  }

  /** Whether the stream could end here without cutting a frame in two. */
  get atBoundary(): boolean {
    return this.#headerFill === 0 && this.#payload === undefined;
  }

  /**
   * Takes the next bytes and calls the sink for every frame that they complete.
   * @throws {WireError} when a header is invalid; the decoder must not be used again.
   */
  push(chunk: Uint8Array): void {
    let at = 0;
    const size = chunk.length;
    if (this.#payload !== undefined || this.#headerFill > 0) at = this.#resume(chunk);
    while (size - at >= HEADER_BYTES) {
      const length = this.#readHeader(chunk, at);
      at += HEADER_BYTES;
      if (size - at < length) {
        this.#payload = new Uint8Array(length);
        this.#payload.set(chunk.subarray(at));
        this.#payloadFill = size - at;
        return;
      }
      this.#sink(this.#type, this.#stream, length === 0 ? NOTHING : chunk.subarray(at, at + length));
      at += length;
    }
    if (at < size) {
      this.#header.set(chunk.subarray(at), 0);
      this.#headerFill = size - at;
    }
  }

  /** Completes the frame that an earlier chunk began; the number of bytes that it took. */
  #resume(chunk: Uint8Array): number {
    let at = 0;
    if (this.#payload === undefined) {
      const take = Math.min(HEADER_BYTES - this.#headerFill, chunk.length);
      this.#header.set(chunk.subarray(0, take), this.#headerFill);
      this.#headerFill += take;
      if (this.#headerFill < HEADER_BYTES) return take;
      this.#headerFill = 0;
      this.#payload = new Uint8Array(this.#readHeader(this.#header, 0));
      this.#payloadFill = 0;
      at = take;
    }
    const payload = this.#payload;
    const take = Math.min(payload.length - this.#payloadFill, chunk.length - at);
    payload.set(chunk.subarray(at, at + take), this.#payloadFill);
    this.#payloadFill += take;
    if (this.#payloadFill === payload.length) {
      this.#payload = undefined;
      this.#sink(this.#type, this.#stream, payload);
    }
    return at + take;
  }

  #readHeader(bytes: Uint8Array, at: number): number {
    const length = readU32(bytes, at);
    const type = bytes[at + 4] as FrameType;
    const limit = this.#accepts[type];
    if (limit === undefined || limit < 0)
      throw new WireError(`Cannot read frame: type ${type} is unknown or not accepted here`);
    if (length > limit) throw new WireError(`Cannot read frame of type ${type}: ${length} bytes is over ${limit}`);
    this.#type = type;
    this.#stream = readU32(bytes, at + 5);
    return length;
  }
}

/** The unsigned little-endian number at `at`. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}
