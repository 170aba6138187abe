/** Finds on the host what a zygote has forked, by the numbers that it knows it by. */
import { readFileSync } from "node:fs";
import { closeAll, openProcess } from "./native.ts";

/** A forked process as the host has it. */
export interface Found {
  readonly hostPid: number;
  /** The process as a descriptor, which stays the same process's. */
  readonly handle: number;
}

/**
 * The child of `zygote` that is `pid` to it; undefined when it has ended. Whoever has its number on the host by then
 * is no child of the zygote.
 */
export function findForked(zygote: number, pid: number): Found | undefined {
  const children = readFileSync(`/proc/${zygote}/task/${zygote}/children`, "latin1").trim().split(" ");
  for (let at = children.length - 1; at >= 0; at -= 1) {
    const hostPid = Number(children[at]);
    if (numberAbove(hostPid) !== pid) continue;
    const handle = openProcess(hostPid);
    if (handle === undefined) return undefined;
    if (numberAbove(hostPid) === pid) return { hostPid, handle };
    closeAll([handle]);
  }
  return undefined;
}

/** The number that a process has in the namespace above its own; undefined when it is gone. */
function numberAbove(hostPid: number): number | undefined {
  try {
    const numbers = /^NSpid:\s+(.*)$/m.exec(readFileSync(`/proc/${hostPid}/status`, "latin1"))?.[1]?.split("\t");
    return numbers === undefined ? undefined : Number(numbers.at(-2));
  } catch {
    return undefined;
  }
}

/** Threads of a process, from /proc/PID/stat; 0 when it is gone. */
export function threadCount(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[17]);
  } catch {
    return 0;
  }
}
