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
    const errors = readLines(this.#process.stderr, log);
    const output = pipes ? Promise.resolve() : readLines(this.#process.stdout, log);
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

  /** Sends a signal to all of its process group. */
  signal(name: "SIGTERM" | "SIGKILL"): void {
    try {
      process.kill(-this.pid, name);
    } catch {
      // Nobody is left in it.
    }
  }

  async #watch(read: Promise<unknown>): Promise<ExitCode> {
    const code = await this.#process.exited;
    await Promise.race([read, new Promise((resolve) => setTimeout(resolve, OUTPUT_MS))]);
    return code;
  }
}

/** Hands the lines of `stream` to `take`, without their ends. */
export async function readLines(stream: ReadableStream<Uint8Array>, take: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    rest += decoder.decode(chunk, { stream: true });
    let from = 0;
    for (;;) {
      const at = rest.indexOf("\n", from);
      const end = at < 0 ? rest.length : at;
      for (; end - from > LINE_BYTES_MAX; from += LINE_BYTES_MAX) take(rest.slice(from, from + LINE_BYTES_MAX));
      if (at < 0) break;
      if (at > from) take(rest.slice(from, at));
      from = at + 1;
    }
    rest = rest.slice(from);
  }
  if (rest !== "") take(rest);
}
