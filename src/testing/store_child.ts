/** Starts `store_process.ts`, or another program beside it, and reads what it tells, line by line. */
import { join } from "node:path";

/** A process that uses a store; `using` kills it. */
export class StoreChild implements AsyncDisposable {
  #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  #pieces: AsyncIterator<Uint8Array>;
  #text = "";
  #decoder = new TextDecoder();

  /** @param prefix goes before the command, such as `unshare` */
  constructor(
    task: string,
    directory: string,
    seed = 0,
    prefix: readonly string[] = [],
    program = join(import.meta.dir, "store_process.ts"),
  ) {
    this.#child = Bun.spawn([...prefix, process.execPath, program, task, directory, String(seed)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#pieces = this.#child.stdout[Symbol.asyncIterator]();
  }

  /** The next line; undefined at the end, where a line that was cut off is left out. */
  async line(): Promise<unknown> {
    for (;;) {
      const end = this.#text.indexOf("\n");
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        return JSON.parse(line);
      }
      const { done, value } = await this.#pieces.next();
      if (done) return undefined;
      this.#text += this.#decoder.decode(value, { stream: true });
    }
  }

  /** Every line from here on. */
  async rest(): Promise<unknown[]> {
    const lines: unknown[] = [];
    for (let line = await this.line(); line !== undefined; line = await this.line()) lines.push(line);
    return lines;
  }

  /** Ends the process at once, wherever it is. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  /** Its exit code, once it has ended. */
  get exited(): Promise<number> {
    return this.#child.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#pieces.return?.();
  }
}
