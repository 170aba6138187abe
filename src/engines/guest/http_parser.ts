/**
 * Reads HTTP/1.1 requests from the program's connections: heads, bodies by length or in chunks, trailers.
 *
 * Bun's own server would do but for the trailers, in which a runtime says that a streamed answer has failed. What is
 * read is the program's own, so the worst that garbage can do is to end its connection; everything has a bound.
 */

import { FieldReader, HttpError, readFields } from "./http_fields.ts";

/** A request's head. */
export interface RequestStart {
  readonly method: string;
  /** Path and query, as sent; an absolute form is cut down to it. */
  readonly target: string;
  /** The same as it was sent. */
  readonly sent: string;
  /** By lower-case names; of those that are repeated, the last. */
  readonly headers: ReadonlyMap<string, string>;
}

/** Who takes what is read. */
export interface RequestReader {
  start(head: RequestStart): void;
  data(bytes: Uint8Array): void;
  /** The request is complete. */
  end(trailers: ReadonlyMap<string, string>): void;
}

/** The largest head, and the largest block of trailers, in bytes: an error in a trailer is base64 of a JSON object. */
export const HEAD_BYTES_MAX = 64 * 1024;
/** The longest line that says how long a chunk is, in bytes. */
const CHUNK_LINE_BYTES_MAX = 256;

const NOTHING = Buffer.alloc(0);
const NO_HEADERS: ReadonlyMap<string, string> = new Map();
const LINE = /^([A-Z]{1,20}) (\S+) HTTP\/1\.[01]$/;

type Stage = "head" | "length" | "chunk-line" | "chunk" | "chunk-end" | "trailers";

/** Reads one connection's requests, one after the other. */
export class HttpParser {
  readonly #reader: RequestReader;
  #stage: Stage = "head";
  #held: Buffer = NOTHING;
  #left = 0;
  readonly #fields = new FieldReader();

  constructor(reader: RequestReader) {
    this.#reader = reader;
  }

  /** Whether a request has begun and is not complete. */
  get isMidway(): boolean {
    return this.#stage !== "head" || this.#held.length > 0;
  }

  /** What was sent ahead of its turn, which is no request after all. */
  takeRest(): Uint8Array {
    const rest = this.#held;
    this.#held = NOTHING;
    return rest;
  }

  /**
   * Takes bytes; `isStopped` is asked before each further request, and what follows is kept.
   * @throws {HttpError} when they are no request
   */
  push(bytes: Uint8Array, isStopped: () => boolean): void {
    this.#held = this.#held.length === 0 ? asBuffer(bytes) : Buffer.concat([this.#held, bytes]);
    while (this.#held.length > 0) {
      if (this.#stage === "head" && isStopped()) {
        // Sent ahead of its turn; a client that goes on without its answer is no client.
        if (this.#held.length > HEAD_BYTES_MAX) throw new HttpError(400, "too much was sent ahead");
        return;
      }
      if (!this.#step()) return;
    }
  }

  /** One step; false when it needs more bytes. */
  #step(): boolean {
    switch (this.#stage) {
      case "head":
        return this.#readHead();
      case "length":
      case "chunk":
        return this.#readBytes();
      case "chunk-line":
        return this.#readChunkLine();
      case "chunk-end":
        return this.#readChunkEnd();
      case "trailers":
        return this.#readTrailers();
    }
  }

  #readHead(): boolean {
    const end = this.#held.indexOf("\r\n\r\n");
    if (end < 0 || end > HEAD_BYTES_MAX) {
      if (end > HEAD_BYTES_MAX || this.#held.length > HEAD_BYTES_MAX) throw new HttpError(431, "the head is too long");
      return false;
    }
    const head = this.#held.toString("latin1", 0, end);
    this.#held = this.#held.subarray(end + 4);
    const lineEnd = head.indexOf("\r\n");
    const line = lineEnd < 0 ? head : head.slice(0, lineEnd);
    const [, method, sent] = LINE.exec(line) ?? [];
    if (method === undefined || sent === undefined) throw new HttpError(400, "the request line is none");
    const headers = lineEnd < 0 ? NO_HEADERS : this.#fields.read(head.slice(lineEnd + 2));
    const target = sent.startsWith("/") ? sent : sent.replace(/^https?:\/\/[^/]*/i, "") || "/";
    this.#stage = this.#bodyStage(headers);
    // Who answers at once finds the request midway when its body has still to come.
    const isBodiless = this.#stage === "head";
    this.#reader.start({ method, target, sent, headers });
    if (isBodiless) this.#finish(NO_HEADERS);
    return true;
  }

  /** What follows a head: its body, or the next one. */
  #bodyStage(headers: ReadonlyMap<string, string>): Stage {
    const coding = headers.get("transfer-encoding");
    const length = headers.get("content-length");
    if (coding !== undefined) {
      if (coding.toLowerCase() === "chunked" && length === undefined) return "chunk-line";
      throw new HttpError(400, "the framing is unclear");
    }
    if (length !== undefined && !/^\d{1,15}$/.test(length)) throw new HttpError(400, "the length is no number");
    this.#left = Number(length ?? 0);
    return this.#left === 0 ? "head" : "length";
  }

  #readBytes(): boolean {
    const bytes = this.#held.subarray(0, this.#left);
    this.#held = this.#held.subarray(bytes.length);
    this.#left -= bytes.length;
    this.#reader.data(bytes);
    if (this.#left > 0) return false;
    if (this.#stage === "length") this.#finish(NO_HEADERS);
    else this.#stage = "chunk-end";
    return true;
  }

  #readChunkLine(): boolean {
    const end = this.#held.indexOf("\r\n");
    if (end < 0 || end > CHUNK_LINE_BYTES_MAX) {
      if (this.#held.length > CHUNK_LINE_BYTES_MAX) throw new HttpError(400, "a chunk's length is too long");
      return false;
    }
    const size = /^([0-9a-f]{1,8})\s*(;.*)?$/i.exec(this.#held.toString("latin1", 0, end))?.[1];
    if (size === undefined) throw new HttpError(400, "a chunk's length is no number");
    this.#held = this.#held.subarray(end + 2);
    this.#left = Number.parseInt(size, 16);
    this.#stage = this.#left === 0 ? "trailers" : "chunk";
    return true;
  }

  #readChunkEnd(): boolean {
    if (this.#held.length < 2) return false;
    if (this.#held[0] !== 13 || this.#held[1] !== 10) throw new HttpError(400, "a chunk is longer than it says");
    this.#held = this.#held.subarray(2);
    this.#stage = "chunk-line";
    return true;
  }

  #readTrailers(): boolean {
    const bare = this.#held.subarray(0, 2).equals(LINE_END);
    const end = bare ? 0 : this.#held.indexOf("\r\n\r\n");
    if (end < 0 || end > HEAD_BYTES_MAX) {
      if (this.#held.length > HEAD_BYTES_MAX) throw new HttpError(431, "the trailers are too long");
      return false;
    }
    const fields = bare ? [] : this.#held.toString("latin1", 0, end).split("\r\n");
    this.#held = this.#held.subarray(bare ? 2 : end + 4);
    this.#finish(readFields(fields));
    return true;
  }

  #finish(trailers: ReadonlyMap<string, string>): void {
    this.#stage = "head";
    this.#reader.end(trailers);
  }
}

const LINE_END = Buffer.from("\r\n");

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
