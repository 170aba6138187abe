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
  /** Stops the reading. */
  pause(): void;
  /** Goes on with it. */
  resume(): void;
}

/** The reading of one process's output. */
export class OutputReader {
  readonly #owner: OutputOwner;
  #paused = false;

  constructor(owner: OutputOwner) {
    this.#owner = owner;
  }

  /** Something has been read by who waits for it: goes on when that is enough. */
  relieved(): void {
    if (this.#paused && !this.#backlogged()) this.release();
  }

  /** Goes on regardless. */
  release(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#owner.resume();
  }

  /** Takes what was read, unless there is no use in it. @throws {Error} what the owner throws */
  data(chunk: Uint8Array): void {
    if (!this.#owner.alive()) return;
    this.#owner.receive(chunk);
    if (this.#paused || !this.#backlogged()) return;
    this.#paused = true;
    this.#owner.pause();
  }

  #backlogged(): boolean {
    return this.#owner.uncreditedBytes() > BACKLOG_BYTES_MAX;
  }
}
