/** Files that may be wanted no more, removed a few at a time: an object may have been made of thousands. */

import type { Life } from "../life.ts";
import type { ContentFiles } from "./content.ts";
import type { Rows } from "./rows.ts";

/** Removals under way at a time. */
const REMOVALS_MAX = 8;

/** What removals are made on. */
export interface RemovalsOptions {
  readonly files: ContentFiles;
  readonly rows: Rows;
  readonly life: Life;
  /** Hears of files that cannot be removed. */
  complain(message: string, error: unknown): void;
}

/** The removals of one project. */
export class Removals {
  readonly #options: RemovalsOptions;
  readonly #waiting = new Set<string>();
  #working = 0;
  #failed = false;

  constructor(options: RemovalsOptions) {
    this.#options = options;
  }

  /** Whether a file is left that nobody wants. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Removes those of the files that no row names and nobody holds; the project stays open until they are gone. */
  add(contents: readonly string[]): void {
    for (const content of contents) this.#waiting.add(content);
    while (this.#working < Math.min(REMOVALS_MAX, this.#waiting.size)) {
      this.#working += 1;
      this.#options.life.during(() => this.#work()).catch(() => {});
    }
  }

  async #work(): Promise<void> {
    const { files, rows, complain } = this.#options;
    try {
      for (const content of this.#waiting) {
        this.#waiting.delete(content);
        try {
          if (!files.isHeld(content) && !rows.names(content)) await files.remove(content);
        } catch (error) {
          this.#failed = true;
          complain("A blob's file cannot be removed", error);
        }
      }
    } finally {
      this.#working -= 1;
    }
  }
}
