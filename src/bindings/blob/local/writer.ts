/** Bytes on their way to become an object or a part: a few at a time are written, checked, and then named by a row. */
import type { Incoming } from "../backend.ts";
import { BLOB_LIMITS } from "../limits.ts";
import { CHECKSUM_NAMES, type PutFacts } from "../object.ts";
import { ended, mismatch } from "../refused.ts";
import type { Content, ContentFiles } from "./content.ts";
import type { Life } from "./life.ts";
import type { Rows } from "./rows.ts";

/** What a writer works on. */
export interface WriterOptions {
  readonly files: ContentFiles;
  readonly rows: Rows;
  readonly life: Life;
  /** Hears of files that cannot be removed. */
  complain(message: string, error: unknown): void;
}

/** The writer of one project. */
export class Writer {
  readonly #options: WriterOptions;
  readonly #waiting: (() => void)[] = [];
  #writing = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /**
   * Writes a body, holds it against the checksums, and makes by `make` what it is for.
   * @throws {IsopodError} `integrity_mismatch`, and what `make` throws; nothing is left then
   */
  write<T>(incoming: Incoming, facts: PutFacts | undefined, make: (content: Content) => T): Promise<T> {
    const { life } = this.#options;
    return life.during(async () => {
      while (this.#writing >= BLOB_LIMITS.writersMax) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      this.#writing += 1;
      try {
        return await this.#write(incoming, facts, make);
      } finally {
        this.#writing -= 1;
        this.#waiting.shift()?.();
      }
    });
  }

  /** Removes files that no row names and nobody is writing. */
  removeFreed(contents: readonly string[]): void {
    const { files, rows, life, complain } = this.#options;
    for (const content of new Set(contents)) {
      if (rows.names(content)) continue;
      life.during(() => files.remove(content)).catch((error) => complain("A blob's file cannot be removed", error));
    }
  }

  async #write<T>({ body, signal }: Incoming, facts: PutFacts | undefined, make: (content: Content) => T): Promise<T> {
    const { files, life } = this.#options;
    const names = CHECKSUM_NAMES.filter((name) => facts?.checksums[name] !== undefined);
    const content = await files.write({ body, signal: AbortSignal.any([signal, life.signal]) }, names);
    try {
      if (life.signal.aborted) throw ended();
      for (const name of names) if (content.digests[name] !== facts?.checksums[name]) throw mismatch(name);
      return make(content);
    } finally {
      files.release(content.content);
      this.removeFreed([content.content]);
    }
  }
}
