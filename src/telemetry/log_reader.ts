/**
 * Reads the files of the log store in pieces of whole lines: towards newer records from an id on, or towards older ones.
 *
 * Files leave while they are read. Towards newer ones, what has left is told as a count; towards older ones, everything
 * that is left to read leaves first, so it is the end.
 */
import { idOfLine } from "./log_encoding.ts";
import type { LogFiles } from "./log_files.ts";
import type { Segment } from "./log_segments.ts";

/** Bytes that are read and searched in one turn; more than a line has. */
const CHUNK_BYTES = 512 * 1024;
const LINE_FEED = 10;
const GONE = "gone";

/** Lines, which stand until the next piece is asked for; or how many records are missing before the next ones. */
export type Piece =
  | { readonly lines: Buffer }
  | { readonly missing: number; readonly lastId: number; readonly reason: "retention" | "damage" };

/** Whether a file holds nothing that is asked for. */
export type Skip = (segment: Segment) => boolean;

/** Reads towards newer records, up to the newest, and later on when there are more. */
export class ForwardReader {
  readonly #files: LogFiles;
  readonly #skip: Skip;
  readonly #buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  /** The id of the next record. */
  #nextId: number;
  #base = Number.NaN;
  #offset = 0;

  constructor(files: LogFiles, nextId: number, skip: Skip = () => false) {
    this.#files = files;
    this.#nextId = nextId;
    this.#skip = skip;
  }

  get nextId(): number {
    return this.#nextId;
  }

  /** The next piece; undefined when there is none now. */
  async next(): Promise<Piece | undefined> {
    for (;;) {
      const { segments } = this.#files;
      const index = Math.max(
        0,
        segments.findLastIndex(({ base }) => base <= this.#nextId),
      );
      const segment = segments[index];
      if (segment === undefined) return undefined;
      if (segment.base > this.#nextId) return this.#jump(segment.base, "retention");
      if (segment.base !== this.#base) {
        this.#base = segment.base;
        this.#offset = 0;
      }
      const after = segments[index + 1];
      if (after !== undefined && this.#skip(segment)) this.#nextId = after.base;
      else if (this.#offset >= segment.bytes) {
        if (after === undefined) return undefined;
        // Every id of the file should have been there.
        return this.#jump(after.base, "damage");
      } else {
        const lines = await this.#read(segment);
        if (lines === GONE && this.#files.segments.includes(segment)) {
          // No server removed it; somebody did.
          this.#offset = segment.bytes;
          return this.#jump(after?.base ?? this.#files.nextId, "damage");
        }
        if (lines instanceof Buffer) return { lines };
      }
    }
  }

  #jump(to: number, reason: "retention" | "damage"): Piece {
    const missing = to - this.#nextId;
    this.#nextId = to;
    return { missing, lastId: to - 1, reason };
  }

  async #read(segment: Segment): Promise<Buffer | typeof GONE | undefined> {
    const end = Math.min(segment.bytes, this.#offset + CHUNK_BYTES);
    const read = await this.#files.read(segment, this.#offset, end, this.#buffer);
    if (read === undefined) return GONE;
    const length = read.lastIndexOf(LINE_FEED) + 1;
    // Without a line end it is no line of ours.
    if (length === 0) {
      this.#offset = end;
      return undefined;
    }
    const lines = read.subarray(0, length);
    this.#offset += length;
    const lastId = idOfLine(lines, lines.lastIndexOf(LINE_FEED, length - 2) + 1);
    if (!Number.isNaN(lastId)) this.#nextId = Math.max(this.#nextId, lastId + 1);
    return lines;
  }
}

/**
 * The lines before record `beforeId`, the newest piece first; the order within a piece is that of the file. Undefined,
 * at the end, when what is left has left meanwhile.
 */
export async function* readBackward(files: LogFiles, beforeId: number, skip: Skip): AsyncGenerator<Buffer | undefined> {
  const segments = files.segments.map((segment) => ({ ...segment }));
  const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  for (const segment of segments.reverse()) {
    if (segment.base >= beforeId || skip(segment)) continue;
    for (let end = segment.bytes; end > 0; ) {
      const start = Math.max(0, end - CHUNK_BYTES);
      const read = await files.read(segment, start, end, buffer);
      if (read === undefined) return yield;
      const cut = start === 0 ? 0 : read.indexOf(LINE_FEED) + 1;
      yield read.subarray(cut);
      // A piece without a line end but its last is no line of ours.
      end = cut < read.length ? start + cut : start;
    }
  }
}
