/** Where frames are encoded into, so that those of one turn leave in one write. */
import { type FrameType, HEADER_BYTES } from "./frame.ts";

/** A buffer that frames are encoded into, so that the frames of one turn leave in one write. */
export class FrameBuffer {
  #bytes: Uint8Array;
  #fill = 0;

  constructor(capacityBytes = 64 * 1024) {
    this.#bytes = new Uint8Array(capacityBytes);
  }

  /** Bytes that wait to be taken. */
  get length(): number {
    return this.#fill;
  }

  /** Appends a frame. */
  frame(type: FrameType, stream: number, payload: Uint8Array): void {
    this.#reserve(HEADER_BYTES + payload.length);
    this.#header(type, stream, payload.length);
    this.#bytes.set(payload, this.#fill);
    this.#fill += payload.length;
  }

  /** Appends a frame whose payload is `text` in UTF-8, encoded in place; returns the payload's bytes. */
  text(type: FrameType, stream: number, text: string): number {
    this.#reserve(HEADER_BYTES + text.length * 3);
    const start = this.#fill;
    const { written } = encoder.encodeInto(text, this.#bytes.subarray(start + HEADER_BYTES));
    this.#header(type, stream, written);
    this.#fill = start + HEADER_BYTES + written;
    return written;
  }

  /** Appends a frame whose payload is one u32. */
  u32(type: FrameType, stream: number, value: number): void {
    this.#reserve(HEADER_BYTES + 4);
    this.#header(type, stream, 4);
    writeU32(this.#bytes, this.#fill, value);
    this.#fill += 4;
  }

  /** The bytes so far, as a view that the next append overwrites; the buffer is empty afterwards. */
  take(): Uint8Array {
    const bytes = this.#bytes.subarray(0, this.#fill);
    this.#fill = 0;
    if (this.#bytes.length > KEEP_BYTES_MAX) this.#bytes = new Uint8Array(64 * 1024);
    return bytes;
  }

  #header(type: FrameType, stream: number, length: number): void {
    const bytes = this.#bytes;
    const at = this.#fill;
    writeU32(bytes, at, length);
    bytes[at + 4] = type;
    writeU32(bytes, at + 5, stream);
    this.#fill = at + HEADER_BYTES;
  }

  #reserve(more: number): void {
    const needed = this.#fill + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#fill));
    this.#bytes = grown;
  }
}

/** A buffer that one large frame has grown is given back after it. */
const KEEP_BYTES_MAX = 1024 * 1024;

const encoder = new TextEncoder();

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
