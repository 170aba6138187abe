/**
 * What a process uses, read from /proc.
 *
 * The files stay open from the first reading on: reading again is one system call each, and an open file of a process
 * that is gone gives an error instead of the figures of whoever has its number now.
 */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import type { Usage } from "../core/engine.ts";

/** Clock ticks a second in /proc/PID/stat; fixed by Linux's ABI for user space. */
const TICKS_PER_SECOND = 100;

const buffer = Buffer.alloc(4096);

/** Reads what one process uses, as often as asked. */
export class UsageReader {
  readonly #stat: number;
  readonly #status: number;
  #closed = false;

  /** @throws {Error} when there is no such process */
  constructor(pid: number) {
    this.#stat = openSync(`/proc/${pid}/stat`, "r");
    try {
      this.#status = openSync(`/proc/${pid}/status`, "r");
    } catch (error) {
      closeSync(this.#stat);
      throw error;
    }
  }

  /** The figures now; undefined when the process is gone. */
  read(): Usage | undefined {
    if (this.#closed) return undefined;
    try {
      return { cpuMs: parseCpuMs(readText(this.#stat)), memoryBytes: parseMemoryBytes(readText(this.#status)) };
    } catch {
      return undefined;
    }
  }

  /** Closes the files. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#stat);
    closeSync(this.#status);
  }
}

/** What one process uses, for as long as it is there, and what it had used last from then on. */
export class KnownUsage {
  readonly #find: () => number;
  #reader: UsageReader | undefined;
  #last: Usage | undefined;
  #over = false;

  /** @param find gives the process's number when it is first asked for; may throw when it is gone */
  constructor(find: () => number) {
    this.#find = find;
  }

  /** The figures now. */
  read(): Usage | undefined {
    // Its number may be somebody else's by now.
    if (this.#over) return this.#last;
    try {
      this.#reader ??= new UsageReader(this.#find());
      this.#last = this.#reader.read() ?? this.#last;
    } catch {
      // Gone: what was read last stands.
    }
    return this.#last;
  }

  /** The process is gone. */
  close(): void {
    this.#over = true;
    this.#reader?.close();
    this.#reader = undefined;
  }
}

function readText(descriptor: number): string {
  return buffer.toString("latin1", 0, readSync(descriptor, buffer, 0, buffer.length, 0));
}

/** User and system time of all threads, from the text of /proc/PID/stat, in milliseconds. */
export function parseCpuMs(stat: string): number {
  // The second field is the program's name in parentheses, and may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return (ticks * 1000) / TICKS_PER_SECOND;
}

/** The same, with that of children that have ended and were waited for. */
export function parseFamilyCpuMs(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
  return (ticks * 1000) / TICKS_PER_SECOND;
}

/** Anonymous and shared memory, from the text of /proc/PID/status, in bytes. */
export function parseMemoryBytes(status: string): number {
  return (kilobytes(status, "RssAnon:") + kilobytes(status, "RssShmem:")) * 1024;
}

function kilobytes(status: string, name: string): number {
  const at = status.indexOf(name);
  return at < 0 ? 0 : Number.parseInt(status.slice(at + name.length, at + name.length + 24), 10);
}

/** The one child of process `pid`; undefined when it has none, or more than one. */
export function onlyChild(pid: number): number | undefined {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim();
    return /^\d+$/.test(children) ? Number(children) : undefined;
  } catch {
    return undefined;
  }
}
