/** The life of a project's open files: what is under way holds them open, and ends when they are to be closed. */
import { nameFailure } from "../../core/storage_failure.ts";
import { ended } from "./refused.ts";

/** The life. */
export class Life {
  readonly #path: string;
  readonly #ender = new AbortController();
  #holders = 0;
  #onQuiet: (() => void) | undefined;

  /** @param path of the data, for messages */
  constructor(path: string) {
    this.#path = path;
  }

  /** Fires when everything is to end. */
  get signal(): AbortSignal {
    return this.#ender.signal;
  }

  /** Whether anything is under way. */
  get busy(): boolean {
    return this.#holders > 0;
  }

  hold(): void {
    this.#holders += 1;
  }

  release(): void {
    this.#holders -= 1;
    if (this.#holders === 0) this.#onQuiet?.();
  }

  /** Runs `step`, during which nothing is closed. @throws {IsopodError} */
  async during<T>(step: () => Promise<T>): Promise<T> {
    this.hold();
    try {
      return await step();
    } catch (error) {
      throw this.signal.aborted ? ended() : nameFailure(error, this.#path);
    } finally {
      this.release();
    }
  }

  /** Runs `step` at once. @throws {IsopodError} */
  now<T>(step: () => T): T {
    if (this.signal.aborted) throw ended();
    try {
      return step();
    } catch (error) {
      throw nameFailure(error, this.#path);
    }
  }

  /** Ends what is under way, and settles when nothing is. */
  async end(): Promise<void> {
    this.#ender.abort();
    if (this.#holders === 0) return;
    await new Promise<void>((resolve) => {
      this.#onQuiet = resolve;
    });
  }
}
