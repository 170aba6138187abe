/** Standard output and standard error of a component: lines of the log. */
import type { Sink } from "./byte_sink.ts";

/** A line that is longer is cut into several. */
const LINE_BYTES_MAX = 32 * 1024;

/** A stream whose lines go to the log. */
export class LogSink implements Sink {
  readonly #log: (line: string) => void;
  readonly #decoder = new TextDecoder();
  #rest = "";
  readonly room = 64 * 1024;
  readonly isClosed = false;
  readonly isReady = true;

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  change(): Promise<void> {
    return Promise.resolve();
  }

  write(bytes: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#log(line);
    if (this.#rest.length > LINE_BYTES_MAX) this.end();
  }

  /** Writes what is no whole line yet. */
  end(): void {
    if (this.#rest !== "") this.#log(this.#rest);
    this.#rest = "";
  }
}
