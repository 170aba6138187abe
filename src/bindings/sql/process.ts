/**
 * One running process of a database, as its owner sees it: it is asked, it answers, it is killed.
 *
 * It is in a session of its own, so that a signal to the server's terminal does not reach it before the server has
 * ended it, and ends with the server (`database/confinement.ts`). Its limits are those of a shell, set before it starts:
 * memory, the size of any file that it writes, temporary ones included, open files, no core dumps.
 */
import { FrameReader, frame } from "./frames.ts";
import type { SqlLimits } from "./limits.ts";
import { ANSWER } from "./messages.ts";

/** What it takes to start one. */
export interface ProcessOptions {
  /** The Bun binary. */
  readonly bun: string;
  /** The file of the process's program. */
  readonly program: string;
  /** The database. */
  readonly path: string;
  /** Where SQLite keeps what does not fit into memory. */
  readonly temporary: string;
  readonly limits: SqlLimits;
}

/** What its owner hears. */
export interface ProcessEvents {
  answer(kind: number, text: Uint8Array): void;
  /** Nothing of it is left. */
  ended(words: string): void;
}

const MB = 1024 * 1024;
/** What Bun needs of RLIMIT_DATA before it has run anything. */
const BUN_DATA_BYTES = 512 * MB;
/** The log of a database and its index may be somewhat larger than the database. */
const LOG_BYTES_MAX = 64 * MB;
const OPEN_FILES_MAX = 64;
const WORDS_BYTES_MAX = 2048;

/** A file over its limit is an error of the write, and not the end of the process. */
const SHELL = `trap '' XFSZ; ulimit -c 0; ulimit -n ${OPEN_FILES_MAX}; ulimit -f "$1"; ulimit -d "$2"; shift 2; exec "$@"`;

/** A process of a database. */
export class DatabaseProcess {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  #ended = false;

  constructor(options: ProcessOptions, events: ProcessEvents) {
    const { bun, program, path, temporary, limits } = options;
    const fileBlocks = Math.ceil((limits.databaseBytesMax + LOG_BYTES_MAX) / 512);
    const dataKilobytes = Math.ceil((BUN_DATA_BYTES + limits.memoryBytesMax) / 1024);
    const start = JSON.stringify({ path, limits, parent: process.pid });
    const bounds = [String(fileBlocks), String(dataKilobytes)];
    const command = [bun, "--no-install", "--no-env-file", program, start];
    this.#child = Bun.spawn(["/bin/sh", "-c", SHELL, "sh", ...bounds, ...command], {
      cwd: temporary,
      env: {
        // The server may itself be an executable with a program inside: this makes it Bun again.
        BUN_BE_BUN: "1",
        BUN_JSC_jitMemoryReservationSize: String(64 * MB),
        SQLITE_TMPDIR: temporary,
        TZ: "UTC",
      },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    this.#watch(limits, events);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Sends one message; the one before must have been answered. Of one that has died, `ended` tells. */
  ask(parts: readonly Uint8Array[]): void {
    try {
      this.#child.stdin.write(frame(parts));
      this.#child.stdin.flush();
    } catch {
      this.kill();
    }
  }

  /** Lets it close its file and end. */
  end(): void {
    this.#child.stdin.end();
  }

  /** Ends it at once, in whatever it is doing. */
  kill(): void {
    if (!this.#ended) this.#child.kill("SIGKILL");
  }

  async #watch(limits: SqlLimits, events: ProcessEvents): Promise<void> {
    const words = readTail(this.#child.stderr);
    const reader = new FrameReader(limits.resultBytesMax + MB);
    try {
      for await (const chunk of this.#child.stdout) {
        for (const message of reader.push(chunk)) events.answer(message[0] ?? ANSWER.failed, message.subarray(1));
      }
    } catch {
      // What it says cannot be read: it is of no use any more.
      this.kill();
    }
    await this.#child.exited;
    this.#ended = true;
    events.ended(await words);
  }
}

async function readTail(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let tail = "";
  try {
    for await (const chunk of stream) {
      tail = (tail + decoder.decode(chunk, { stream: true })).slice(-WORDS_BYTES_MAX);
    }
  } catch {
    // The process is gone; what was read is all there is.
  }
  return tail;
}
