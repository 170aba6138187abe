/**
 * The list of the log store's files as this server knows it, and how it catches up with the other servers on the folder.
 *
 * Whoever writes holds the folder's lock and has caught up before: so there is one series of files and of ids. Catching
 * up costs a listing, and the reading of what others have written at the end of the newest file.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { recoverFile } from "./log_recovery.ts";

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

/** A file as its writer knows it. */
export interface KnownSegment extends Segment {
  bytes: number;
  /** Bytes behind the last line of a server that was killed: never read, never touched. */
  brokenBytes: number;
  oldestMs: number;
  newestMs: number;
  /** Removed, but by no server: its records are damage, not what was too old. */
  isLost: boolean;
}

const NAME = /^(\d{16})\.jsonl$/;

/** The files, the oldest first. */
export class SegmentList {
  readonly directory: string;
  readonly all: KnownSegment[] = [];
  /** The id that the next record gets. */
  nextId = 1;

  /** Lists what is in `directory`. @throws {Error} of the file system */
  constructor(directory: string) {
    this.directory = directory;
    this.catchUp();
  }

  get newest(): KnownSegment | undefined {
    return this.all.at(-1);
  }

  /** Of all files. */
  get bytes(): number {
    return this.all.reduce((sum, segment) => sum + (segment.isLost ? 0 : segment.bytes + segment.brokenBytes), 0);
  }

  /** Adds a file whose first record will be the next one. */
  add(): KnownSegment {
    const segment = this.#emptySegment(this.nextId);
    // What already has this name holds no record.
    if (this.newest?.base === segment.base) this.all.pop();
    this.all.push(segment);
    return segment;
  }

  /** Takes over what other servers have done. @throws {Error} of the file system */
  catchUp(): void {
    const bases = this.#listed();
    this.#dropRetired(bases);
    const listed = new Set(bases);
    for (const segment of this.all) segment.isLost ||= !listed.has(segment.base);
    const { newest } = this;
    if (newest !== undefined && !newest.isLost) this.#read(newest);
    for (const base of bases) {
      if (newest !== undefined && base <= newest.base) continue;
      const segment = this.#emptySegment(base);
      if (this.#read(segment)) this.all.push(segment);
    }
    this.nextId = Math.max(this.nextId, this.newest?.base ?? 1);
  }

  /** Forgets the files that another server has removed because they were too many or too old. Needs no lock. */
  noticeRetired(): void {
    this.#dropRetired(this.#listed());
  }

  #dropRetired([oldest]: readonly number[]): void {
    if (oldest === undefined) return;
    // Servers remove the oldest first: what stood before all that is there was removed by them.
    while (this.all[0] !== undefined && this.all[0].base < oldest && !this.all[0].isLost) this.all.shift();
  }

  #listed(): number[] {
    return namesIn(this.directory)
      .flatMap((name) => NAME.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  }

  #emptySegment(base: number): KnownSegment {
    const path = join(this.directory, `${String(base).padStart(16, "0")}.jsonl`);
    const times = { oldestMs: Number.POSITIVE_INFINITY, newestMs: Number.NEGATIVE_INFINITY };
    return { base, path, bytes: 0, brokenBytes: 0, ...times, isLost: false };
  }

  /** Reads what is new at the end of a file; false when it has gone meanwhile. */
  #read(segment: KnownSegment): boolean {
    const size = statSync(segment.path, { throwIfNoEntry: false })?.size;
    if (size === undefined) return false;
    if (size === segment.bytes + segment.brokenBytes) return true;
    // What was seen while another server wrote it may have been taken back.
    const from = size < segment.bytes ? 0 : segment.bytes;
    const { bytes, brokenBytes, first, last } = recoverFile(segment.path, from);
    segment.bytes = bytes;
    segment.brokenBytes = brokenBytes;
    segment.oldestMs = Math.min(segment.oldestMs, first?.time_ms ?? Number.POSITIVE_INFINITY);
    segment.newestMs = Math.max(segment.newestMs, last?.time_ms ?? Number.NEGATIVE_INFINITY);
    this.nextId = Math.max(this.nextId, (last?.id ?? 0) + 1);
    return true;
  }
}

/** Nothing when the folder itself was removed. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
