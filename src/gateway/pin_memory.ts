/** The code of pinned programs in memory, bounded in bytes; the least recently used leaves first. */
import type { Language } from "../core/function.ts";
import { type Linked, RecencyList } from "./recency_list.ts";

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

/** The memory. */
export class PinMemory {
  readonly #bytesMax: number;
  readonly #held = new Map<string, Held>();
  readonly #recency = new RecencyList<Held>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The program, which becomes the most recently used. */
  get(hash: string): PinnedProgram | undefined {
    const held = this.#held.get(hash);
    if (held === undefined) return undefined;
    this.#recency.delete(held);
    this.#recency.push(held);
    return held.program;
  }

  /** Holds a program whose source has `bytes`, unless it is larger than all that may be held. */
  set(program: PinnedProgram, bytes: number): void {
    if (this.#held.has(program.hash) || bytes > this.#bytesMax) return;
    const held: Held = { program, bytes, older: undefined, newer: undefined };
    this.#held.set(program.hash, held);
    this.#recency.push(held);
    this.#bytes += bytes;
    while (this.#bytes > this.#bytesMax && this.#recency.oldest !== undefined) {
      this.delete(this.#recency.oldest.program.hash);
    }
  }

  delete(hash: string): void {
    const held = this.#held.get(hash);
    if (held === undefined) return;
    this.#held.delete(hash);
    this.#recency.delete(held);
    this.#bytes -= held.bytes;
  }
}
