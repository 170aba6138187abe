/** Records on their way to the files of the log store, gathered into one write. */
import type { LogItem } from "../core/log_store.ts";
import { encodeItem, LINE_BYTES_MAX } from "./log_encoding.ts";
import type { LogFiles } from "./log_files.ts";

const LINE_FEED = 10;
/** Bytes of one write, which are made in one turn of the event loop. */
const WRITE_BYTES = 128 * 1024;

/** Lines that are written together; written, it is empty and may be filled again. */
export class LogBatch {
  readonly #buffer = Buffer.allocUnsafeSlow(WRITE_BYTES + LINE_BYTES_MAX);
  readonly #files: LogFiles;
  #bytes = 0;
  #timeMs = 0;
  /** The id of the next record. */
  nextId: number;

  constructor(files: LogFiles) {
    this.#files = files;
    this.nextId = files.nextId;
  }

  /** Begins anew after what the files hold. */
  begin(): void {
    this.nextId = this.#files.nextId;
  }

  get empty(): boolean {
    return this.#bytes === 0;
  }

  get full(): boolean {
    return this.#bytes >= WRITE_BYTES;
  }

  /** Adds an item; a gap has the id of the last one that it stands for, so that counts by id are right. */
  add(item: LogItem): void {
    this.#bytes += this.#buffer.write(encodeItem(item), this.#bytes);
    this.#buffer[this.#bytes++] = LINE_FEED;
    this.#timeMs = item.time_ms ?? this.#timeMs;
    this.nextId = item.id + 1;
  }

  async write(): Promise<void> {
    await this.#files.append(this.#buffer.subarray(0, this.#bytes), this.nextId - 1, this.#timeMs);
    this.#bytes = 0;
  }

  /** Forgets what could not be written, and says how many records that were. */
  dropAll(): number {
    const count = this.nextId - this.#files.nextId;
    this.#bytes = 0;
    this.nextId = this.#files.nextId;
    return count;
  }
}
