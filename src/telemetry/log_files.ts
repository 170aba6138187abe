/**
 * The files of the log store: lines of JSON, appended to the newest file; the oldest files leave as wholes.
 *
 * A file is named by the id that the next record had when it began, so that the files' names say what has left. Several
 * servers may share the folder: who changes anything holds its lock, and has caught up with the others before. Reading
 * needs no lock: a reader sees whole lines only, up to `bytes`. Opening changes nothing; where a killed server ended in
 * half a line, a new file begins. Writes go to the kernel and are not waited for on the disk: they survive the process,
 * not a power cut.
 */
import { accessSync, closeSync, constants, ftruncateSync, mkdirSync, openSync, rmSync, write } from "node:fs";
import { open } from "node:fs/promises";
import { tryLock, unlock } from "../stdx/file_lock.ts";
import { type KnownSegment, type Segment, SegmentList } from "./log_segments.ts";

/** How much is kept. */
export interface RetentionBounds {
  /** Bytes of all files. */
  readonly bytesMax: number;
  /** A file whose newest record is older leaves, and none is written to for longer than an eighth of it. */
  readonly ageMs: number;
}

const SEGMENT_BYTES_MAX = 8 * 1024 * 1024;
const SEGMENTS_OF_BOUND = 32;
const LOCK_RETRY_MS = 2;
/** Another server holds the lock for milliseconds, unless somebody has stopped it. */
const LOCK_WAIT_MS_MAX = 2000;

/** The files, the oldest first. */
export class LogFiles {
  readonly #bounds: RetentionBounds;
  readonly #segmentBytes: number;
  readonly #list: SegmentList;
  /** Open on the folder, for its lock. */
  readonly #folder: number;
  /** The file that is appended to, once there is one. */
  #target: { readonly segment: KnownSegment; readonly fd: number } | undefined;
  #isClosed = false;

  /** Opens the files in `directory`, which is made when it is missing. @throws {Error} of the file system */
  constructor(directory: string, bounds: RetentionBounds) {
    this.#bounds = bounds;
    this.#segmentBytes = Math.min(SEGMENT_BYTES_MAX, Math.ceil(bounds.bytesMax / SEGMENTS_OF_BOUND));
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    accessSync(directory, constants.W_OK);
    this.#list = new SegmentList(directory);
    this.#folder = openSync(directory, "r");
  }

  get segments(): readonly Segment[] {
    return this.#list.all;
  }

  /** The id that the next record gets, as far as this server knows. */
  get nextId(): number {
    return this.#list.nextId;
  }

  /**
   * Catches up with the other servers on the folder and does `work` while they wait; nothing once this is closed.
   * @throws {Error} of the file system, or when another one holds the folder for too long; what `work` throws
   */
  async exclusively(work: () => void | Promise<void>): Promise<void> {
    if (this.#isClosed) return;
    await this.#lock();
    try {
      this.#list.catchUp();
      await work();
    } finally {
      if (!this.#isClosed) unlock(this.#folder);
    }
  }

  /** Appends whole lines whose last id is `lastId`, in `exclusively`. @throws {Error} of the file system; nothing is appended then */
  async append(lines: Uint8Array, lastId: number, timeMs: number): Promise<void> {
    const list = this.#list;
    while (list.bytes + lines.length > this.#bounds.bytesMax && this.#retireOldest());
    const { segment, fd } = this.#targetFor(lines.length);
    try {
      for (let at = 0; at < lines.length; ) at += await writeSome(fd, lines.subarray(at));
    } catch (error) {
      ftruncateSync(fd, segment.bytes);
      throw error;
    }
    segment.bytes += lines.length;
    segment.oldestMs = Math.min(segment.oldestMs, timeMs);
    segment.newestMs = Math.max(segment.newestMs, timeMs);
    list.nextId = lastId + 1;
  }

  /** Removes what is too old, in `exclusively`. */
  retire(nowMs: number): void {
    const { ageMs } = this.#bounds;
    const { all, newest } = this.#list;
    if (newest === undefined) return;
    if (newest.bytes > 0 && newest.oldestMs < nowMs - ageMs / 8) this.#begin();
    while (all.length > 1 && (all[0]?.newestMs ?? nowMs) < nowMs - ageMs) this.#retireOldest();
  }

  /** Bytes of `segment` from `start` to `end`, read into `buffer`; undefined when it has left meanwhile. */
  async read({ path }: Segment, start: number, end: number, buffer: Buffer): Promise<Buffer | undefined> {
    try {
      await using file = await open(path, "r");
      const { bytesRead } = await file.read(buffer, 0, end - start, start);
      return buffer.subarray(0, bytesRead);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
      this.#list.noticeRetired();
      return undefined;
    }
  }

  close(): void {
    this.#isClosed = true;
    closeSync(this.#folder);
    this.#closeTarget();
  }

  async #lock(): Promise<void> {
    const end = performance.now() + LOCK_WAIT_MS_MAX;
    while (tryLock(this.#folder) === "held") {
      if (performance.now() > end) {
        throw new Error(`Cannot lock ${this.#list.directory}: another process has held it for ${LOCK_WAIT_MS_MAX} ms`);
      }
      // The machine's time, whatever this server's clock is: another process is waited for.
      await Bun.sleep(LOCK_RETRY_MS);
    }
  }

  /** Where `length` bytes are to be appended. */
  #targetFor(length: number): { readonly segment: KnownSegment; readonly fd: number } {
    const { newest } = this.#list;
    if (newest === undefined || newest.isLost || newest.brokenBytes > 0) return this.#begin();
    if (newest.bytes > 0 && newest.bytes + length > this.#segmentBytes) return this.#begin();
    return this.#target?.segment === newest ? this.#target : this.#openTarget(newest);
  }

  #openTarget(segment: KnownSegment): { readonly segment: KnownSegment; readonly fd: number } {
    this.#closeTarget();
    this.#target = { segment, fd: openSync(segment.path, "a", 0o600) };
    return this.#target;
  }

  #closeTarget(): void {
    if (this.#target !== undefined) closeSync(this.#target.fd);
    this.#target = undefined;
  }

  /** Begins a file. */
  #begin(): { readonly segment: KnownSegment; readonly fd: number } {
    const target = this.#openTarget(this.#list.add());
    ftruncateSync(target.fd);
    return target;
  }

  /** Removes the oldest file; false when there was nothing to remove. */
  #retireOldest(): boolean {
    const { all, bytes } = this.#list;
    if (bytes === 0) return false;
    // The name of an empty one keeps the next id.
    if (all.length === 1) this.#begin();
    const oldest = all.shift();
    if (oldest === undefined) return false;
    rmSync(oldest.path, { force: true });
    return true;
  }
}

function writeSome(fd: number, bytes: Uint8Array): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  write(fd, bytes, 0, bytes.length, null, (error, written) => (error ? reject(error) : resolve(written)));
  return promise;
}
