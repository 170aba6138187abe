/**
 * Control groups, version 2 or 1, where this server may write one: the hard bound on memory and processes.
 *
 * Each sandbox gets a slot, a directory that is used again after it, so that a start costs a few writes and no
 * directory. Where there is no writable cgroup, `openCgroups` gives undefined, and polling is what bounds memory.
 */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
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

/** The slots of this server. */
export interface Cgroups {
  /** `cgroup2` or `cgroup1`. */
  readonly layer: string;
  take(): CgroupSlot;
  /** Removes the directories. */
  close(): void;
}

/** The names of files that differ between the versions. */
interface Version {
  readonly layer: string;
  readonly memoryMax: string;
  readonly swapMax: string;
  /** The file that counts the kernel's kills, in lines of `name number`, and the name. */
  readonly events: string;
  readonly pidsMax: string;
}

const V2: Version = {
  layer: "cgroup2",
  memoryMax: "memory.max",
  swapMax: "memory.swap.max",
  events: "memory.events",
  pidsMax: "pids.max",
};
const V1: Version = {
  layer: "cgroup1",
  memoryMax: "memory.limit_in_bytes",
  swapMax: "memory.memsw.limit_in_bytes",
  events: "memory.oom_control",
  pidsMax: "pids.max",
};

/** Threads and processes that one sandbox may have. */
const PIDS_MAX = 256;

/** Finds and opens a writable cgroup below this server's own; undefined when there is none. */
export function openCgroups(
  mount = "/sys/fs/cgroup",
  own = readFileSync("/proc/self/cgroup", "utf8"),
): Cgroups | undefined {
  const lines = own
    .trim()
    .split("\n")
    .map((line) => line.split(":"));
  const pathOf = (controller: string) => lines.find((line) => line[1]?.split(",").includes(controller))?.[2];
  const unified = lines.find((line) => line[0] === "0")?.[2];
  try {
    if (unified !== undefined && existsSync(join(mount, "cgroup.controllers"))) {
      return new CgroupTree(V2, [openUnified(join(mount, unified))]);
    }
    const memory = pathOf("memory");
    if (memory === undefined) return undefined;
    const pids = pathOf("pids");
    const parents = [join(mount, "memory", memory), ...(pids === undefined ? [] : [join(mount, "pids", pids)])];
    return new CgroupTree(V1, parents.map(openLegacy));
  } catch {
    return undefined;
  }
}

/** A cgroup of version 2 allows children with controllers only where it holds no process itself: this one moves down. */
function openUnified(parent: string): string {
  if (!readFileSync(join(parent, "cgroup.controllers"), "utf8").split(/\s+/).includes("memory"))
    throw new Error("no memory");
  const server = join(parent, "isopod-server");
  mkdirSync(server, { recursive: true });
  writeFileSync(join(server, "cgroup.procs"), String(process.pid));
  writeFileSync(join(parent, "cgroup.subtree_control"), "+memory +pids");
  return openLegacy(parent);
}

function openLegacy(parent: string): string {
  accessSync(parent, constants.W_OK);
  removeStale(parent);
  const base = join(parent, `isopod-${process.pid}`);
  mkdirSync(base);
  return base;
}

/** Removes what servers have left behind that were killed: the kernel refuses where anything still runs. */
function removeStale(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = Number(/^isopod-(\d+)$/.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(pid) || (pid !== process.pid && existsSync(`/proc/${pid}`))) continue;
    removeTree(join(parent, name));
  }
}

function removeTree(base: string): void {
  for (const entry of readdirSync(base, { withFileTypes: true })) {
    if (entry.isDirectory()) remove(join(base, entry.name));
  }
  remove(base);
}

class CgroupTree implements Cgroups {
  readonly layer: string;
  readonly #version: Version;
  /** One directory for all controllers in version 2; one for memory and one for pids in version 1. */
  readonly #bases: readonly string[];
  readonly #free: Slot[] = [];
  #made = 0;

  constructor(version: Version, bases: readonly string[]) {
    this.#version = version;
    this.#bases = bases;
    this.layer = version.layer;
  }

  take(): CgroupSlot {
    const free = this.#free.pop();
    if (free !== undefined) return free.begin();
    const name = `slot-${this.#made++}`;
    const paths = this.#bases.map((base) => join(base, name));
    for (const path of paths) mkdirSync(path);
    write(paths.at(-1) as string, this.#version.pidsMax, PIDS_MAX);
    return new Slot(this.#version, paths, (slot) => this.#free.push(slot)).begin();
  }

  close(): void {
    for (const base of this.#bases) removeTree(base);
  }
}

class Slot implements CgroupSlot {
  readonly #version: Version;
  readonly #paths: readonly string[];
  readonly #giveBack: (slot: Slot) => void;
  #killsBefore = 0;
  #memoryBytes = 0;

  constructor(version: Version, paths: readonly string[], giveBack: (slot: Slot) => void) {
    this.#version = version;
    this.#paths = paths;
    this.#giveBack = giveBack;
  }

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

function remove(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Something in it is still ending; the kernel's directory goes with the machine's next boot.
  }
}
