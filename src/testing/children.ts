/** The processes below this one, for tests that must see a sandbox come and go. */
import { readdirSync, readFileSync } from "node:fs";

/** Process ids of all descendants of this process, ended ones that nobody has reaped included. */
export function descendants(): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = statOf(Number(name));
    if (stat !== undefined) parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
  }
  const isBelow = (pid: number): boolean => {
    for (let at = parents.get(pid); at !== undefined && at > 0; at = parents.get(at))
      if (at === process.pid) return true;
    return false;
  };
  return [...parents.keys()].filter(isBelow);
}

/** Those of them that run instances and builds, bubblewrap included: all but zygotes and the bubblewraps of those. */
export function instances(): number[] {
  return descendants().filter((pid) => {
    if (isForking(pid)) return isProgram(parentOf(pid));
    return isProgram(pid) || commandLine(pid)[0]?.endsWith("bwrap");
  });
}

/** The zygotes below this process. */
export function zygotes(): number[] {
  return descendants().filter((pid) => isForking(pid) && isProgram(pid) && !isProgram(parentOf(pid)));
}

/** A zygote's bubblewrap, a zygote, or what one has forked, which has its command line. */
function isForking(pid: number): boolean {
  return commandLine(pid).includes("--zygote");
}

/** What bubblewrap starts, and what that forks. */
function isProgram(pid: number): boolean {
  return commandLine(pid)[0] === "/program";
}

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
  } catch {
    return [];
  }
}

/** The parent of a process; 0 when it is gone. */
export function parentOf(pid: number): number {
  const stat = statOf(pid);
  return stat === undefined ? 0 : Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

/** Whether the process runs still; one that is a zombie does not. */
export function runs(pid: number): boolean {
  const stat = statOf(pid);
  return stat !== undefined && stat[stat.lastIndexOf(")") + 2] !== "Z";
}

/** Milliseconds until none of `pids` runs. @throws {Error} when one does after `deadlineMs` */
export async function goneAfter(pids: readonly number[], deadlineMs: number): Promise<number> {
  const startedAt = performance.now();
  for (;;) {
    const left = pids.filter(runs);
    const elapsedMs = performance.now() - startedAt;
    if (left.length === 0) return elapsedMs;
    if (elapsedMs > deadlineMs) throw new Error(`Processes run after ${deadlineMs} ms: ${left.join(", ")}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function statOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
}
