/**
 * Writes lines to a file descriptor in batches, off the request's way.
 *
 * Lines are gathered and leave in one write, one write at a time. When the reader of the descriptor is slower than
 * the writers, lines are dropped beyond a bound, and how many is said in their place: a stuck terminal or a full pipe
 * never stops the server and never fills its memory.
 */
import { write, writeSync } from "node:fs";
import type { Clock } from "../core/clock.ts";

/** Where lines go. */
export interface LineSink {
  /** Takes one line, without its end. */
  write(line: string): void;
  /** Writes what is gathered before it returns; for the last lines of a process. */
  flushSync(): void;
}

/** How a sink gathers. */
export interface LineSinkOptions {
  readonly fd: number;
  readonly clock: Clock;
  /** Longest time that a line waits, in milliseconds. */
  readonly delayMs: number;
  /** The most that waits, in bytes. */
  readonly pendingMax?: number;
  /** The line that stands for `count` dropped ones. */
  droppedLine(count: number): string;
}

const PENDING_MAX = 4 * 1024 * 1024;
const BATCH = 64 * 1024;
/** A batch and the line that completes it. */
const BUFFER_BYTES = BATCH + 8 * 1024;
/** What a character can come to. */
const UTF8_BYTES_MAX = 3;
const NEW_LINE = 10;
const BUSY_RETRY_MS = 20;
const NOTHING = Buffer.alloc(0);

/** Creates a sink. */
export function createLineSink(options: LineSinkOptions): LineSink {
  return new BatchingSink(options);
}

class BatchingSink implements LineSink {
  readonly #options: LineSinkOptions;
  readonly #pendingMax: number;
  /** Where lines are encoded to at once, so that no text is made of them in between, and how far it is full. */
  #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #gathered = 0;
  /** The buffer before, when nobody has it any more. */
  #spare: Buffer<ArrayBuffer> | undefined;
  #dropped = 0;
  /** What a write has not taken. */
  #rest: Buffer = NOTHING;
  /** Bytes of the write that is under way. */
  #writing = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(options: LineSinkOptions) {
    this.#options = options;
    this.#pendingMax = options.pendingMax ?? PENDING_MAX;
  }

  write(line: string): void {
    if (this.#gathered + this.#rest.length + this.#writing + line.length > this.#pendingMax) {
      this.#dropped += 1;
      return;
    }
    this.#append(line);
    if (this.#writing > 0) return;
    if (this.#gathered >= BATCH && this.#rest.length === 0) this.#flush();
    else this.#cancelTimer ??= this.#options.clock.after(this.#options.delayMs, () => this.#flush());
  }

  flushSync(): void {
    this.#stopTimer();
    const batch = this.#takeBatch();
    try {
      for (let at = 0; at < batch.length; ) at += writeSync(this.#options.fd, batch, at);
    } catch {
      // There is nobody left to tell.
    }
  }

  #flush(): void {
    this.#stopTimer();
    if (this.#writing > 0) return;
    const batch = this.#takeBatch();
    if (batch.length === 0) return;
    this.#writing = batch.length;
    write(this.#options.fd, batch, 0, batch.length, null, (error, written) => {
      this.#writing = 0;
      const busy = error?.code === "EAGAIN";
      if (error === null) this.#rest = batch.subarray(written);
      else if (busy) this.#rest = batch;
      if (this.#rest.length === 0 && batch.buffer.byteLength === BUFFER_BYTES)
        this.#spare = Buffer.from(batch.buffer as ArrayBuffer);
      if (this.#rest.length === 0 && this.#gathered === 0 && this.#dropped === 0) return;
      if (busy) this.#cancelTimer ??= this.#options.clock.after(BUSY_RETRY_MS, () => this.#flush());
      else this.#flush();
    });
  }

  #takeBatch(): Buffer {
    if (this.#dropped > 0) this.#append(this.#options.droppedLine(this.#dropped));
    const fresh = this.#buffer.subarray(0, this.#gathered);
    const old = this.#rest;
    if (this.#gathered > 0) {
      this.#buffer = this.#spare ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
      this.#spare = undefined;
    }
    this.#gathered = 0;
    this.#dropped = 0;
    this.#rest = NOTHING;
    return old.length === 0 ? fresh : Buffer.concat([old, fresh]);
  }

  #append(line: string): void {
    const most = this.#gathered + line.length * UTF8_BYTES_MAX + 1;
    if (most > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(most, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, this.#gathered);
      this.#buffer = grown;
    }
    this.#gathered += this.#buffer.write(line, this.#gathered);
    this.#buffer[this.#gathered] = NEW_LINE;
    this.#gathered += 1;
  }

  #stopTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}
