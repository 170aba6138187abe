/**
 * Ends processes that bubblewrap leaves behind when it is killed itself, before or while it starts its program.
 *
 * A child that bubblewrap has just made waits for a word from it, without a tie to its life: killed in that
 * millisecond, bubblewrap leaves a process that sleeps for good and holds the sandbox's descriptors. It goes by parent
 * and child alone, never by uid: another server on the same machine may use the same ones.
 */
import { readFileSync } from "node:fs";

/** A stopped process is stopped within microseconds; after so many looks we go on regardless. */
const LOOKS_MAX = 1000;

/**
 * Kills the children of process `pid`, and `pid` itself when it has none: one that loses its child ends by itself, and
 * collects it before. None can be made in between, since `pid` is stopped first.
 */
export function endTree(pid: number): void {
  if (!signal(pid, "SIGSTOP")) return;
  for (let look = 0; look < LOOKS_MAX && !isStopped(pid); look += 1);
  const children = childrenOf(pid);
  for (const child of children) signal(child, "SIGKILL");
  signal(pid, children.length === 0 ? "SIGKILL" : "SIGCONT");
}

/** Stopped, or over: the state after the program's name, which may hold anything. */
function isStopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return "TtZX".includes(stat.charAt(stat.lastIndexOf(")") + 2));
  } catch {
    return true;
  }
}

function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim();
    return text === "" ? [] : text.split(" ").map(Number);
  } catch {
    return [];
  }
}

/** Sends a signal; false when there is no such process. */
export function signal(pid: number, name: "SIGSTOP" | "SIGCONT" | "SIGKILL"): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
