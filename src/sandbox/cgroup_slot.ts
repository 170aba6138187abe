/**
 * One slot: the directory, or the two of them, where the kernel bounds and counts one sandbox after another.
 *
 * It writes what the version of the kernel's files asks for, and takes no offence where one is missing. Where slots
 * come from, and whether there are any, is the business of `cgroup.ts`.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where one sandbox is put. */
export interface CgroupSlot {
  /** Puts a process, and every child that it has from now on, into the slot. */
  add(pid: number): void;
  /** Bounds memory, swap included. */
  limitMemory(bytes: number): void;
  /** Whether the kernel has ended a process of the slot for want of memory since the slot was taken. */
  outOfMemory(): boolean;
  /** Kills every process in the slot. */
  killAll(): void;
  /** Gives the slot back; nothing may be running in it. */
  release(): void;
}

/** The names of files that differ between the versions. */
export interface CgroupVersion {
  readonly layer: string;
  readonly memoryMax: string;
  readonly swapMax: string;
  /** The file that counts the kernel's kills, in lines of `name number`, and the name. */
  readonly events: string;
  readonly pidsMax: string;
}

/** Version 2: one hierarchy for all controllers. */
export const V2: CgroupVersion = {
  layer: "cgroup2",
  memoryMax: "memory.max",
  swapMax: "memory.swap.max",
  events: "memory.events",
  pidsMax: "pids.max",
};
/** Version 1: one hierarchy for each controller. */
export const V1: CgroupVersion = {
  layer: "cgroup1",
  memoryMax: "memory.limit_in_bytes",
  swapMax: "memory.memsw.limit_in_bytes",
  events: "memory.oom_control",
  pidsMax: "pids.max",
};

/** Threads and processes that one sandbox may have, unless it is said otherwise. */
const PIDS_MAX = 256;

/** A slot that is given back to be used again. */
export class ReusedSlot implements CgroupSlot {
  readonly #version: CgroupVersion;
  readonly #paths: readonly string[];
  readonly #giveBack: (slot: ReusedSlot) => void;
  #killsBefore = 0;
  #memoryBytes = 0;

  /** Makes the directories `paths`, one in version 2; one for memory and one for pids in version 1. */
  constructor(
    version: CgroupVersion,
    paths: readonly string[],
    giveBack: (slot: ReusedSlot) => void,
    pidsMax = PIDS_MAX,
  ) {
    this.#version = version;
    this.#paths = paths;
    this.#giveBack = giveBack;
    for (const path of paths) mkdirSync(path);
    write(paths.at(-1) as string, version.pidsMax, pidsMax);
  }

  /** Begins a use: from here on kills of the kernel are counted. */
  begin(): this {
    this.#killsBefore = this.#kills();
    return this;
  }

  add(pid: number): void {
    for (const path of this.#paths) write(path, "cgroup.procs", pid);
  }

  limitMemory(bytes: number): void {
    // A slot is used again and again, nearly always with the same bound; setting it costs 0.1 ms.
    if (bytes === this.#memoryBytes) return;
    this.#memoryBytes = bytes;
    const path = this.#paths[0] as string;
    // Version 1 wants memory and swap together never below memory alone: twice, so that either order is right.
    write(path, this.#version.memoryMax, bytes);
    write(path, this.#version.swapMax, this.#version === V2 ? 0 : bytes);
    write(path, this.#version.memoryMax, bytes);
  }

  outOfMemory(): boolean {
    return this.#kills() > this.#killsBefore;
  }

  killAll(): void {
    for (const pid of pidsIn(this.#paths[0] as string)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // Gone meanwhile.
      }
    }
  }

  release(): void {
    this.#giveBack(this);
  }

  #kills(): number {
    try {
      const events = readFileSync(join(this.#paths[0] as string, this.#version.events), "utf8");
      return Number(/^oom_kill (\d+)$/m.exec(events)?.[1] ?? 0);
    } catch {
      return 0;
    }
  }
}

function pidsIn(path: string): number[] {
  try {
    const text = readFileSync(join(path, "cgroup.procs"), "utf8").trim();
    return text === "" ? [] : text.split("\n").map(Number);
  } catch {
    return [];
  }
}

/** Writes a value; a file that is missing or refuses is a bound that this machine does not offer. */
function write(path: string, file: string, value: number): void {
  try {
    writeFileSync(join(path, file), String(value));
  } catch {
    // The supervisor's polling bounds what the kernel does not.
  }
}
