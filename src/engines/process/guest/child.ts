/**
 * A program that the guest starts: its own session, its output as lines of the log, its end with all that came of it.
 *
 * The guest is process 1 of the sandbox, so that nothing which the program starts outlives the guest.
 */

import { startFailure } from "./start_failure.ts";

/** How it ended: an exit code, or 128 + the signal's number. */
export type ExitCode = number;

/** Where its lines go, those of its standard output and of its standard error alike. */
export type LogSink = (line: string) => void;

/** How it is started. */
export interface ChildOptions {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly log: LogSink;
  /** Its working directory; the function's folder when left out. */
  readonly cwd?: string | undefined;
  /** Whether its standard streams are its work's: nothing that it writes to the standard output is a line of the log. */
  readonly pipes: boolean;
}

/** A longer line is cut into several, in bytes. */
const LINE_BYTES_MAX = 32 * 1024;
/** After its end, what it has written is waited for this long, in milliseconds: what it has started may hold its output. */
const OUTPUT_MS = 200;

type Process = Bun.Subprocess<"pipe" | "ignore", "pipe", "pipe">;

/** A running program. */
export class Child {
  readonly pid: number;
  /** Resolves when it has ended and its output is read. */
  readonly ended: Promise<ExitCode>;
  readonly #process: Process;
  readonly #logs: Lines[] = [];

  /** @throws {Error} when it cannot be started, which says why */
  constructor({ command, env, log, pipes, cwd = "/var/task" }: ChildOptions) {
    try {
      this.#process = Bun.spawn([...command], {
        cwd,
        env: { ...env },
        stdio: [pipes ? "pipe" : "ignore", "pipe", "pipe"],
        detached: true,
      }) as Process;
    } catch (error) {
      throw new Error(startFailure({ word: command[0] ?? "", cwd, error }));
    }
    this.pid = this.#process.pid;
    const errors = this.#logOf(this.#process.stderr, log);
    const output = pipes ? Promise.resolve() : this.#logOf(this.#process.stdout, log);
    this.ended = this.#watch(Promise.all([errors, output]));
  }

  /** Resolves when it has ended; what it has written may still come. */
  get exited(): Promise<ExitCode> {
    return this.#process.exited;
  }

  /** Its standard input and output, when they are its work's. */
  get input(): Bun.FileSink {
    return this.#process.stdin as unknown as Bun.FileSink;
  }

  /** What it writes to its standard output. */
  get output(): ReadableStream<Uint8Array> {
    return this.#process.stdout;
  }

  /** What it has written without an end of line is a line: what follows is said for somebody else. */
  cut(): void {
    for (const lines of this.#logs) lines.cut();
  }

  /** Sends a signal to all of its process group. */
  signal(name: "SIGTERM" | "SIGKILL"): void {
    try {
      process.kill(-this.pid, name);
    } catch {
      // Nobody is left in it.
    }
  }

  #logOf(stream: ReadableStream<Uint8Array>, log: LogSink): Promise<void> {
    const lines = new Lines(log);
    this.#logs.push(lines);
    return lines.read(stream);
  }

  async #watch(read: Promise<unknown>): Promise<ExitCode> {
    const code = await this.#process.exited;
    await Promise.race([read, new Promise((resolve) => setTimeout(resolve, OUTPUT_MS))]);
    return code;
  }
}

/** Hands the lines of a stream on, without their ends. */
class Lines {
  readonly #take: LogSink;
  #rest = "";

  constructor(take: LogSink) {
    this.#take = take;
  }

  /** Reads until there is no more. */
  async read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) this.#push(decoder.decode(chunk, { stream: true }));
    this.cut();
  }

  cut(): void {
    const rest = this.#rest;
    this.#rest = "";
    if (rest !== "") this.#take(rest);
  }

  #push(text: string): void {
    const all = this.#rest + text;
    let from = 0;
    for (;;) {
      const at = all.indexOf("\n", from);
      const end = at < 0 ? all.length : at;
      for (; end - from > LINE_BYTES_MAX; from += LINE_BYTES_MAX) this.#take(all.slice(from, from + LINE_BYTES_MAX));
      if (at < 0) break;
      if (at > from) this.#take(all.slice(from, at));
      from = at + 1;
    }
    this.#rest = all.slice(from);
  }
}
