/** The end of one request's log: its last lines, within a bound. */
import type { LogLine } from "../core/invocation.ts";
import type { LogTail } from "../core/observer.ts";

/** What a line takes beside its text. */
export const LINE_LENGTH = 64;

/** Such an end. */
export class BoundedTail implements LogTail {
  readonly #lengthMax: number;
  #lines: LogLine[] = [];
  /** Lines before this index have left; they are cut off now and then, not one by one. */
  #first = 0;
  #length = 0;
  #cut = false;
  #missing = 0;

  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  get lines(): readonly LogLine[] {
    return this.#lines.slice(this.#first);
  }

  get length(): number {
    return this.#length;
  }

  get missing(): number {
    return this.#missing;
  }

  get cut(): boolean {
    return this.#cut;
  }

  add(line: LogLine): void {
    const most = Math.max(0, this.#lengthMax - LINE_LENGTH);
    // The copy does not keep the message alive that a short text was cut from.
    const kept =
      line.text.length <= most ? line : { level: line.level, text: Buffer.from(line.text.slice(0, most)).toString() };
    if (kept !== line) this.#cut = true;
    this.#lines.push(kept);
    this.#length += kept.text.length + LINE_LENGTH;
    while (this.#length > this.#lengthMax && this.#first < this.#lines.length - 1) {
      this.#length -= (this.#lines[this.#first]?.text.length ?? 0) + LINE_LENGTH;
      this.#first += 1;
      this.#missing += 1;
    }
    if (this.#first < 64 || this.#first * 2 < this.#lines.length) return;
    this.#lines = this.#lines.slice(this.#first);
    this.#first = 0;
  }
}
