/**
 * Control groups, version 2 or 1, where this server may write one: the hard bound on memory and processes.
 *
 * This finds and opens what there is, and keeps the slots of `cgroup_slot.ts`: each sandbox gets one, which is used
 * again after it, so that a start costs a few writes and no directory. Where there is no writable cgroup,
 * `openCgroups` gives undefined, and polling is what bounds memory.
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
import { type CgroupSlot, type CgroupVersion, ReusedSlot, V1, V2 } from "./cgroup_slot.ts";

/** The slots of this server. */
export interface Cgroups {
  /** `cgroup2` or `cgroup1`. */
  readonly layer: string;
  take(): CgroupSlot;
  /** Removes the directories. */
  close(): void;
}

/** Servers of this process that have opened theirs; tests and those who embed start several. */
let opened = 0;

/** Finds and opens a writable cgroup below this server's own; undefined when there is none. */
export function openCgroups(
  pidsMax?: number,
  mount = "/sys/fs/cgroup",
  own = readFileSync("/proc/self/cgroup", "utf8"),
): Cgroups | undefined {
  const lines = own
    .trim()
    .split("\n")
    .map((line) => line.split(":"));
  const pathOf = (controller: string) => lines.find((line) => line[1]?.split(",").includes(controller))?.[2];
  const unified = lines.find((line) => line[0] === "0")?.[2];
  const name = opened === 0 ? `isopod-${process.pid}` : `isopod-${process.pid}-${opened}`;
  try {
    if (unified !== undefined && existsSync(join(mount, "cgroup.controllers"))) {
      return new CgroupTree(V2, [openUnified(join(mount, unified), name)], pidsMax);
    }
    const memory = pathOf("memory");
    if (memory === undefined) return undefined;
    const pids = pathOf("pids");
    const parents = [join(mount, "memory", memory), ...(pids === undefined ? [] : [join(mount, "pids", pids)])];
    return new CgroupTree(
      V1,
      parents.map((parent) => openLegacy(parent, name)),
      pidsMax,
    );
  } catch {
    return undefined;
  }
}

/** A cgroup of version 2 allows children with controllers only where it holds no process itself: this one moves down. */
function openUnified(parent: string, name: string): string {
  if (!readFileSync(join(parent, "cgroup.controllers"), "utf8").split(/\s+/).includes("memory"))
    throw new Error("no memory");
  const server = join(parent, "isopod-server");
  mkdirSync(server, { recursive: true });
  writeFileSync(join(server, "cgroup.procs"), String(process.pid));
  writeFileSync(join(parent, "cgroup.subtree_control"), "+memory +pids");
  return openLegacy(parent, name);
}

function openLegacy(parent: string, name: string): string {
  accessSync(parent, constants.W_OK);
  removeStale(parent);
  const base = join(parent, name);
  mkdirSync(base);
  return base;
}

/** Removes what servers have left behind that were killed: the kernel refuses where anything still runs. */
function removeStale(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = Number(/^isopod-(\d+)(?:-\d+)?$/.exec(name)?.[1] ?? Number.NaN);
    // What has our own pid was another process's, unless there is a server in this one already.
    const isInUse = pid === process.pid ? opened > 0 : existsSync(`/proc/${pid}`);
    if (Number.isNaN(pid) || isInUse) continue;
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
  readonly #version: CgroupVersion;
  /** One directory for all controllers in version 2; one for memory and one for pids in version 1. */
  readonly #bases: readonly string[];
  readonly #pidsMax: number | undefined;
  readonly #free: ReusedSlot[] = [];
  #made = 0;

  constructor(version: CgroupVersion, bases: readonly string[], pidsMax?: number) {
    this.#pidsMax = pidsMax;
    opened += 1;
    this.#version = version;
    this.#bases = bases;
    this.layer = version.layer;
  }

  take(): CgroupSlot {
    const free = this.#free.pop();
    if (free !== undefined) return free.begin();
    const name = `slot-${this.#made++}`;
    const paths = this.#bases.map((base) => join(base, name));
    return new ReusedSlot(this.#version, paths, (slot) => this.#free.push(slot), this.#pidsMax).begin();
  }

  close(): void {
    for (const base of this.#bases) removeTree(base);
  }
}

function remove(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Something in it is still ending; the kernel's directory goes with the machine's next boot.
  }
}
