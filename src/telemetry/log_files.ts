/**
 * The files of the log store: lines of JSON, appended to the newest file; the oldest files leave as wholes.
 *
 * A file is named by the id that the next record had when it began, so that the files' names say what has left. Appending needs no index and no lock; a
 * reader sees whole lines only, up to `bytes`. Opening changes nothing, so that a second server that is started by
 * mistake spoils nothing: where a killed server ended in half a line, a new file begins. Writes go
 * to the kernel and are not waited for on the disk: they survive the process, not a power cut.
 */
import { closeSync, ftruncateSync, mkdirSync, openSync, readdirSync, rmSync, write } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { recoverFile } from "./log_recovery.ts";

/** How much is kept. */
export interface RetentionBounds {
  /** Bytes of all files. */
  readonly bytesMax: number;
  /** A file whose newest record is older leaves, and none is written to for longer than an eighth of it. */
  readonly ageMs: number;
}

/** A file. */
export interface Segment {
  /** The id of its first record, or the one that it will have. */
  readonly base: number;
  readonly path: string;
  /** How much of it may be read: whole lines. */
  readonly bytes: number;
  /** Times of its first and last record; infinite while it has none. */
  readonly oldestMs: number;
  readonly newestMs: number;
}

interface OpenSegment extends Segment {
  bytes: number;
  /** Bytes behind the last line of a server that was killed: never read, never touched. */
  readonly brokenBytes: number;
  oldestMs: number;
  newestMs: number;
}

const SEGMENT_BYTES_MAX = 8 * 1024 * 1024;
const SEGMENTS_OF_BOUND = 32;
const CLOSED = -1;
const NAME = /^(\d{16})\.jsonl$/;

/** The files, the oldest first; there is always one. */
export class LogFiles {
  readonly #directory: string;
  readonly #bounds: RetentionBounds;
  readonly #segmentBytes: number;
  readonly #segments: OpenSegment[];
  #fd: number;
  #bytes: number;
  #nextId: number;

  /** Opens the files in `directory`, which is made when it is missing. @throws {Error} of the file system */
  constructor(directory: string, bounds: RetentionBounds) {
    this.#directory = directory;
    this.#bounds = bounds;
    this.#segmentBytes = Math.min(SEGMENT_BYTES_MAX, Math.ceil(bounds.bytesMax / SEGMENTS_OF_BOUND));
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const names = readdirSync(directory)
      .filter((name) => NAME.test(name))
      .sort();
    const found = names.map((name) => segmentOf(join(directory, name), name));
    this.#segments = found;
    const newest = found.at(-1);
    this.#nextId = newest === undefined ? 1 : Math.max(newest.base, newest.lastId + 1);
    this.#bytes = found.reduce((sum, segment) => sum + sizeOf(segment), 0);
    // A file that ends in half a line is left as it is: it may be that of a server that runs.
    const goesOn = newest !== undefined && newest.brokenBytes === 0;
    this.#fd = goesOn ? openSync(newest.path, "a", 0o600) : this.#begin();
  }

  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** The id that the next record gets. */
  get nextId(): number {
    return this.#nextId;
  }

  /** Appends whole lines whose last id is `lastId`. @throws {Error} of the file system; nothing is appended then */
  async append(lines: Uint8Array, lastId: number, timeMs: number): Promise<void> {
    if (this.#newest.bytes > 0 && this.#newest.bytes + lines.length > this.#segmentBytes) this.#rotate();
    while (this.#bytes + lines.length > this.#bounds.bytesMax && this.#retireOldest());
    const segment = this.#newest;
    try {
      for (let at = 0; at < lines.length; ) at += await this.#write(lines.subarray(at));
    } catch (error) {
      ftruncateSync(this.#fd, segment.bytes);
      throw error;
    }
    segment.bytes += lines.length;
    this.#bytes += lines.length;
    segment.oldestMs = Math.min(segment.oldestMs, timeMs);
    segment.newestMs = Math.max(segment.newestMs, timeMs);
    this.#nextId = lastId + 1;
  }

  /** Removes what is too old. */
  retire(nowMs: number): void {
    const { ageMs } = this.#bounds;
    const newest = this.#newest;
    if (newest.bytes > 0 && newest.oldestMs < nowMs - ageMs / 8) this.#rotate();
    while (this.#segments.length > 1 && (this.#segments[0]?.newestMs ?? nowMs) < nowMs - ageMs) this.#retireOldest();
  }

  /** Bytes of `segment` from `start` to `end`, read into `buffer`; undefined when it has left meanwhile. */
  async read({ path }: Segment, start: number, end: number, buffer: Buffer): Promise<Buffer | undefined> {
    try {
      await using file = await open(path, "r");
      const { bytesRead } = await file.read(buffer, 0, end - start, start);
      return buffer.subarray(0, bytesRead);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  close(): void {
    closeSync(this.#fd);
    this.#fd = CLOSED;
  }

  get #newest(): OpenSegment {
    return this.#segments.at(-1) as OpenSegment;
  }

  #write(bytes: Uint8Array): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    write(this.#fd, bytes, 0, bytes.length, null, (error, written) => (error ? reject(error) : resolve(written)));
    return promise;
  }

  #rotate(): void {
    const before = this.#fd;
    this.#fd = this.#begin();
    closeSync(before);
  }

  /** Begins a file, and gives its descriptor. */
  #begin(): number {
    const base = this.#nextId;
    const path = join(this.#directory, `${String(base).padStart(16, "0")}.jsonl`);
    // What already has this name holds no record.
    if (this.#segments.at(-1)?.base === base) this.#bytes -= sizeOf(this.#segments.pop() as OpenSegment);
    const fd = openSync(path, "a", 0o600);
    ftruncateSync(fd);
    const times = { oldestMs: Number.POSITIVE_INFINITY, newestMs: Number.NEGATIVE_INFINITY };
    this.#segments.push({ base, path, bytes: 0, brokenBytes: 0, ...times });
    return fd;
  }

  /** Removes the oldest file; false when there was nothing to remove. */
  #retireOldest(): boolean {
    if (this.#bytes === 0) return false;
    if (this.#segments.length === 1) this.#rotate();
    const oldest = this.#segments.shift();
    if (oldest === undefined) return false;
    this.#bytes -= sizeOf(oldest);
    rmSync(oldest.path, { force: true });
    return true;
  }
}

/** A file of an earlier run; its times are unknown, and so in no range and too old, when it holds no record. */
function segmentOf(path: string, name: string): OpenSegment & { readonly lastId: number } {
  const base = Number(NAME.exec(name)?.[1]);
  const { bytes, brokenBytes, first, last } = recoverFile(path);
  return {
    ...{ base, path, bytes, brokenBytes },
    oldestMs: first?.time_ms ?? Number.POSITIVE_INFINITY,
    newestMs: last?.time_ms ?? Number.NEGATIVE_INFINITY,
    lastId: last?.id ?? 0,
  };
}

function sizeOf({ bytes, brokenBytes }: OpenSegment): number {
  return bytes + brokenBytes;
}
