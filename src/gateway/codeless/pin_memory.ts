/** The code of programs in memory, bounded in bytes and in number; the least recently used leaves first. */
import type { Language } from "../../core/function.ts";
import { type Linked, RecencyList } from "../../stdx/recency_list.ts";

/** A pinned program. */
export interface PinnedProgram {
  readonly hash: string;
  readonly code: string;
  readonly language: Language;
}

interface Held extends Linked<Held> {
  readonly program: PinnedProgram;
  readonly bytes: number;
}

/** What a program costs beside its code: its hash, its entry and its place, in bytes. Most are smaller themselves. */
const ENTRY_BYTES = 512;

/** The memory. */
export class PinMemory {
  readonly #bytesMax: number;
  readonly #countMax: number;
  readonly #held = new Map<string, Held>();
  readonly #recency = new RecencyList<Held>();
  #bytes = 0;

  constructor(bytesMax: number, countMax = Number.POSITIVE_INFINITY) {
    this.#bytesMax = bytesMax;
    this.#countMax = countMax;
  }

  /** The program, which becomes the most recently used. */
  get(hash: string): PinnedProgram | undefined {
    const held = this.#held.get(hash);
    if (held === undefined) return undefined;
    this.#recency.delete(held);
    this.#recency.push(held);
    return held.program;
  }

  /** Holds a program whose source has `codeBytes`, unless it is larger than all that may be held. */
  set(program: PinnedProgram, codeBytes: number): void {
    const bytes = codeBytes + ENTRY_BYTES;
    if (this.#held.has(program.hash) || bytes > this.#bytesMax) return;
    const held: Held = { program, bytes, older: undefined, newer: undefined };
    this.#held.set(program.hash, held);
    this.#recency.push(held);
    this.#bytes += bytes;
    for (let { oldest } = this.#recency; oldest !== undefined && this.#isOver(); oldest = this.#recency.oldest) {
      this.delete(oldest.program.hash);
    }
  }

  delete(hash: string): void {
    const held = this.#held.get(hash);
    if (held === undefined) return;
    this.#held.delete(hash);
    this.#recency.delete(held);
    this.#bytes -= held.bytes;
  }

  #isOver(): boolean {
    return this.#bytes > this.#bytesMax || this.#held.size > this.#countMax;
  }
}
