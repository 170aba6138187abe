/**
 * One running process in its sandbox: what it is told, what it uses, and how it ends.
 *
 * It ends when nothing of it is left, not when bubblewrap is gone; only then are its uid and its slot given back. It
 * does not know how the process was started, nor what it says.
 */
import type { GuestProcess, GuestReader, ProcessEnd, Usage } from "../core/engine.ts";
import type { CgroupSlot } from "./cgroup_slot.ts";
import { GuestPipe } from "./guest_pipe.ts";
import { endTree, signal } from "./tree.ts";
import { treeUsage } from "./tree_usage.ts";
import { KnownUsage, onlyChild } from "./usage.ts";

/**
 * Once bubblewrap is gone, what it started is as a rule gone within 8 ms. What is not after this long is killed by its
 * cgroup; after as long again, the sandbox counts as ended, and its uid and slot are not used again.
 */
const SURVIVOR_MS = 250;

/** How much of a guest's standard error is kept for the log, in bytes. */
const STDERR_BYTES_MAX = 4096;

/** What a process leaves to its sandbox. */
export interface Remains {
  /** Ends what has outlived bubblewrap. */
  killSurvivors(): void;
  /** Gives uid and cgroup back; nothing uses them any more. */
  release(): void;
}

type Child = Bun.Subprocess<number, number, "pipe">;

/** A process that a sandbox has started. */
export class SandboxedProcess implements GuestProcess {
  readonly pid: number;
  readonly layers: readonly string[];
  readonly hello: GuestProcess["hello"];
  readonly exited: Promise<ProcessEnd>;
  stray: ((text: string) => void) | undefined;
  readonly #child: Child;
  readonly #pipe: GuestPipe;
  readonly #slot: CgroupSlot | undefined;
  readonly #usage: KnownUsage;
  readonly #isTree: boolean;
  #treeUsage: Usage | undefined;
  #guest: number | undefined;
  #killed = false;
  #over = false;

  /**
   * @param pipe the host's end of the child's standard input and output, which becomes the object's
   * @param isTree whether it starts processes of its own, which are counted with it
   */
  constructor(
    child: Child,
    pipe: number,
    hello: GuestProcess["hello"],
    layers: readonly string[],
    slot: CgroupSlot | undefined,
    remains: Remains,
    isTree = false,
  ) {
    this.#isTree = isTree;
    this.#child = child;
    this.pid = child.pid;
    this.hello = hello;
    this.layers = layers;
    this.#usage = new KnownUsage(() => this.#guestPid());
    this.#pipe = new GuestPipe(pipe, () => this.kill());
    this.#slot = slot;
    this.exited = this.#watch(remains);
  }

  write(bytes: Uint8Array): void {
    this.#pipe.write(bytes);
  }

  read(reader: GuestReader): void {
    this.#pipe.read(reader);
  }

  pause(): void {
    this.#pipe.pause();
  }

  resume(): void {
    this.#pipe.resume();
  }

  usage(): Usage | undefined {
    if (!this.#isTree) return this.#usage.read();
    if (!this.#over) this.#treeUsage = laterUsage(this.#treeUsage, treeUsage(this.#guest ?? this.#guestPid()));
    return this.#treeUsage;
  }

  limitMemory(bytes: number): void {
    this.#slot?.limitMemory(bytes);
  }

  kill(): void {
    if (this.#over || this.#killed) return;
    this.#killed = true;
    // The guest and not bubblewrap: bubblewrap then collects it and ends. An orphan would have to be collected by the
    // first process of this machine or container, which may well be this server.
    if (this.#guest === undefined) endTree(this.pid);
    else signal(this.#guest, "SIGKILL");
    const late = setTimeout(() => this.#child.kill("SIGKILL"), SURVIVOR_MS);
    this.#child.exited.then(() => clearTimeout(late));
  }

  finish(ms: number): void {
    if (this.#over || this.#killed) return;
    this.#pipe.finish();
    const late = setTimeout(() => this.kill(), ms);
    this.#child.exited.then(() => clearTimeout(late));
  }

  /** bubblewrap stays as the parent of the guest; without it the child is the guest. */
  #guestPid(): number {
    this.#guest = onlyChild(this.pid) ?? this.pid;
    this.#slot?.add(this.#guest);
    return this.#guest;
  }

  async #watch(remains: Remains): Promise<ProcessEnd> {
    const stderr = readTail(this.#child.stderr, (text) => this.stray?.(text));
    const code = await this.#child.exited;
    this.#over = true;
    this.#usage.close();
    this.#pipe.close();
    // Everything in the sandbox holds its standard error: when that is over, they are.
    let text = await within(SURVIVOR_MS, stderr);
    if (text === undefined) {
      remains.killSurvivors();
      text = await within(SURVIVOR_MS, stderr);
    }
    const outOfMemory = this.#slot?.outOfMemory() ?? false;
    if (text !== undefined) remains.release();
    return { code, outOfMemory, stderr: text ?? "" };
  }
}

/** Figures that never go back: between two looks a process may end before anybody has waited for it. */
function laterUsage(before: Usage | undefined, now: Usage | undefined): Usage | undefined {
  if (before === undefined || now === undefined) return now ?? before;
  return { cpuMs: Math.max(before.cpuMs, now.cpuMs), memoryBytes: now.memoryBytes };
}

/** What `promise` gives within `ms` milliseconds, else undefined. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: Timer | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Reads to the end, tells what it reads, and keeps the last of it. */
async function readTail(stream: ReadableStream<Uint8Array>, tell: (text: string) => void): Promise<string> {
  const decoder = new TextDecoder();
  let tail: Uint8Array = new Uint8Array(0);
  try {
    for await (const chunk of stream) {
      tell(decoder.decode(chunk, { stream: true }));
      const all = Buffer.concat([tail, chunk]);
      tail = all.subarray(Math.max(0, all.length - STDERR_BYTES_MAX));
    }
  } catch {
    // The process is gone; what was read is all there is.
  }
  return new TextDecoder().decode(tail);
}
