/**
 * Takes records on the way of requests and writes them off it, in batches.
 *
 * Taking one is a push: it becomes text when its batch is written, at most a tenth of a second later. What waits is
 * bounded, for all and for the lines of one function, so that one that floods the log costs the others nothing. What is
 * refused is counted by function, and written as a gap where it would have stood.
 */
import type { Clock } from "../core/clock.ts";
import type { LogLine } from "../core/invocation.ts";
import type { LogOrigin } from "../core/log_store.ts";
import type { FinishedRequest, LogSource } from "../core/observer.ts";
import { LogBatch } from "./log_batch.ts";
import {
  failureRecord,
  gapRecord,
  invocationRecord,
  lineRecord,
  originOf,
  PendingGap,
  PendingLine,
  TEXT_LENGTH_MAX,
} from "./log_encoding.ts";
import type { LogFiles } from "./log_files.ts";

/** What a writer is made of. */
export interface LogWriterOptions {
  readonly files: LogFiles;
  readonly clock: Clock;
  /** About how many bytes may wait; 16 MiB when left out. */
  readonly pendingBytesMax?: number | undefined;
  /** Hears that something was written, by this server or by another one. */
  written(): void;
  /** Hears of the first of writes that fail: their records become a gap, or wait for the next one. */
  failed(error: unknown): void;
}

const DELAY_MS = 100;
/** A batch that is this large, about, does not wait for its time. */
const HASTE_BYTES = 1024 * 1024;
const PENDING_BYTES_MAX = 16 * 1024 * 1024;
/** What a record costs beside its text, about. */
const RECORD_BYTES = 512;
/** Functions whose refused records are counted each by itself, in one batch. */
const GAPS_MAX = 1000;
/** Who owns refused records of which nobody knows whose they were. */
const NOBODY = "";

/** The writer. */
export class LogWriter {
  readonly #options: LogWriterOptions;
  readonly #pendingBytesMax: number;
  readonly #batch: LogBatch;
  #entries: (PendingLine | PendingGap | FinishedRequest)[] = [];
  /** Of `#entries` and of what is being written. */
  #pendingBytes = 0;
  /** Bytes of lines in `#entries`, by function. */
  readonly #lineBytes = new Map<string, number>();
  /** The gaps in `#entries`, by function. */
  readonly #gaps = new Map<string, PendingGap>();
  #cancelTimer: (() => void) | undefined;
  #hurried = false;
  #failing = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#batch = new LogBatch(options.files);
    this.#pendingBytesMax = options.pendingBytesMax ?? PENDING_BYTES_MAX;
  }

  /** Takes a line of a program. */
  line(source: LogSource, line: LogLine): void {
    const bytes = Math.min(line.text.length, TEXT_LENGTH_MAX) + RECORD_BYTES;
    const owner = ownerOf(source);
    const own = (this.#lineBytes.get(owner) ?? 0) + bytes;
    // Half for one function, three quarters for the lines of all; the rest is for what became of invocations.
    const most = this.#pendingBytesMax;
    if (own > most / 2 || this.#pendingBytes + bytes > (most * 3) / 4)
      return this.#refuse(ownerOf(source), originOf(source), 1);
    this.#lineBytes.set(owner, own);
    this.#entries.push(new PendingLine(source, this.#options.clock.wallNow(), line));
    this.#took(bytes);
  }

  /** Takes what became of a request. */
  finished(request: FinishedRequest): void {
    if (this.#pendingBytes > this.#pendingBytesMax) return this.#refuse(ownerOf(request), originOf(request), 1);
    this.#entries.push(request);
    this.#took(RECORD_BYTES);
  }

  /** Writes what has been taken until now. Never rejects. */
  flush(): Promise<void> {
    this.#stopTimer();
    return this.betweenWrites(() => this.#writeTaken());
  }

  /**
   * Catches up with the other servers on the folder, then does `work` while nobody writes, or not at all when that
   * cannot be. `work` does not throw. Never rejects.
   */
  betweenWrites(work: () => void | Promise<void>): Promise<void> {
    this.#writing = this.#writing.then(() => this.#exclusively(work));
    return this.#writing;
  }

  async #exclusively(work: () => void | Promise<void>): Promise<void> {
    const { files, written } = this.#options;
    const known = files.nextId;
    try {
      await files.exclusively(() => {
        if (files.nextId !== known) written();
        return work();
      });
    } catch (error) {
      this.#fails(error);
      if (this.#entries.length > 0) this.#startTimer();
    }
  }

  #took(bytes: number): void {
    this.#pendingBytes += bytes;
    if (this.#pendingBytes > HASTE_BYTES && !this.#hurried) {
      this.#hurried = true;
      this.flush();
    } else this.#startTimer();
  }

  #refuse(owner: string, origin: LogOrigin, count: number): void {
    const known = this.#gaps.has(owner) || this.#gaps.size < GAPS_MAX;
    const key = known ? owner : NOBODY;
    let gap = this.#gaps.get(key);
    if (gap === undefined) {
      gap = new PendingGap(key === NOBODY ? {} : origin, this.#options.clock.wallNow());
      this.#gaps.set(key, gap);
      this.#entries.push(gap);
    }
    gap.count += count;
    this.#startTimer();
  }

  async #writeTaken(): Promise<void> {
    const entries = this.#entries;
    this.#entries = [];
    this.#lineBytes.clear();
    this.#gaps.clear();
    this.#hurried = false;
    const batch = this.#batch;
    batch.begin();
    for (const entry of entries) {
      if (batch.full) await this.#write(batch);
      if (entry instanceof PendingGap) batch.add(gapRecord(batch.nextId, entry));
      else if (entry instanceof PendingLine) {
        this.#pendingBytes -= RECORD_BYTES + entry.text.length;
        batch.add(lineRecord(batch.nextId, entry));
      } else {
        this.#pendingBytes -= RECORD_BYTES;
        const { error } = entry;
        if (error !== undefined) batch.add(failureRecord(batch.nextId, entry, error));
        batch.add(invocationRecord(batch.nextId, entry));
      }
    }
    await this.#write(batch);
  }

  async #write(batch: LogBatch): Promise<void> {
    if (batch.empty) return;
    try {
      await batch.write();
      this.#failing = false;
      this.#options.written();
    } catch (error) {
      this.#refuse(NOBODY, {}, batch.dropAll());
      this.#fails(error);
    }
  }

  #fails(error: unknown): void {
    if (!this.#failing) this.#options.failed(error);
    this.#failing = true;
  }

  #startTimer(): void {
    this.#cancelTimer ??= this.#options.clock.after(DELAY_MS, () => this.flush());
  }

  #stopTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}

function ownerOf({ project, target }: LogSource): string {
  return project === undefined ? target : `${project} ${target}`;
}
