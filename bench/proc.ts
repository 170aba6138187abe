/** What /proc says of a process: its children, processor time, memory and file descriptors. Linux only. */
import { readdirSync, readFileSync } from "node:fs";

const TICKS_A_SECOND = 100;

/** Processor time of `pid` and of the children that it has collected, in milliseconds; 0 for a process that is gone. */
export function cpuMs(pid: number): { readonly own: number; readonly collected: number } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name of the program, in parentheses, may hold spaces. Then come state, ppid, ...; utime is the 14th field.
    const fields = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15);
    const toMs = 1000 / TICKS_A_SECOND;
    return { own: (user + system) * toMs, collected: (childUser + childSystem) * toMs };
  } catch {
    return { own: 0, collected: 0 };
  }
}

/** Every process below `pid`, children before grandchildren. */
export function descendants(pid: number): number[] {
  const found: number[] = [];
  for (const child of childrenOf(pid)) found.push(child, ...descendants(child));
  return found;
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

/** Those below `pid` that have no children themselves: below a server, the guests. */
export function leaves(pid: number): number[] {
  return descendants(pid).filter((child) => childrenOf(child).length === 0);
}

/** Memory of a process, in KiB. */
export interface MemoryFigures {
  /** Pages that no other process has: what is freed when it ends. */
  readonly privateKb: number;
  /** Anonymous pages that are resident, shared after a fork or not. */
  readonly anonymousKb: number;
  readonly residentKb: number;
}

/** Memory of `pid`. @throws {Error} when it is gone or may not be read */
export function memoryOf(pid: number): MemoryFigures {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kb = (text: string, name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
  return {
    privateKb: kb(rollup, "Private_Clean") + kb(rollup, "Private_Dirty"),
    ...residentOf(pid),
  };
}

/** Resident memory of `pid`, which costs less to read than all of it. @throws {Error} when it is gone */
export function residentOf(pid: number): { readonly residentKb: number; readonly anonymousKb: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kb = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
  return { residentKb: kb("VmRSS"), anonymousKb: kb("RssAnon") };
}

/** Open file descriptors of `pid`. @throws {Error} when it is gone */
export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
