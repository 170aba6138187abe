/**
 * Reads what a guest's process writes, and stops reading while too much of it waits for its reader.
 *
 * Streams with credit need no such stop: their guest waits by itself. A program's output has none; the pipe is its
 * back-pressure, and an unread pipe holds everything else up that the guest has to say.
 */

/** Unread output of a program at which its pipe is no longer read. */
const BACKLOG_BYTES_MAX = 1024 * 1024;

/** Who takes what is read. */
export interface OutputOwner {
  /** Whether there is any use in reading on. */
  alive(): boolean;
  /** Bytes that one invocation has been sent without credit and that wait for their reader, the most of any. */
  uncreditedBytes(): number;
  /** Takes the next chunk. @throws {Error} when no correct guest sends it */
  receive(chunk: Uint8Array): void;
}

/** The reading of one process's output. */
export class OutputReader {
  readonly #owner: OutputOwner;
  #relief: (() => void) | undefined;

  constructor(owner: OutputOwner) {
    this.#owner = owner;
  }

  /** Something has been read by who waits for it: goes on when that is enough. */
  relieved(): void {
    if (this.#relief !== undefined && !this.#backlogged()) this.#relief();
  }

  /** Goes on regardless. */
  release(): void {
    this.#relief?.();
  }

  /** Reads until the output or its owner is at its end. @throws {Error} what the owner throws */
  async read(output: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of output) {
      if (!this.#owner.alive()) return;
      this.#owner.receive(chunk);
      if (!this.#backlogged()) continue;
      await new Promise<void>((resolve) => {
        this.#relief = resolve;
      });
      this.#relief = undefined;
    }
  }

  #backlogged(): boolean {
    return this.#owner.uncreditedBytes() > BACKLOG_BYTES_MAX;
  }
}
