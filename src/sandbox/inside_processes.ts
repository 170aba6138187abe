/**
 * The processes of a sandbox as the host has them: found by walking from parent to child, told by the number that they
 * have inside.
 */
import { readFileSync } from "node:fs";

/** Processes that are looked at; a sandbox has fewer. */
const PROCESSES_MAX = 4096;

/** A process of a sandbox. */
export interface InsideProcess {
  readonly hostPid: number;
  /** Its number in the sandbox. */
  readonly pid: number;
}

/** Those below the sandbox's first process, which has the number `first` on the host, and that one; none when it is gone. */
export function insideProcesses(first: number): InsideProcess[] {
  const depth = numbersOf(first)?.length;
  if (depth === undefined) return [];
  const found: InsideProcess[] = [];
  const open = [first];
  for (let seen = 0; seen < PROCESSES_MAX; seen += 1) {
    const hostPid = open.pop();
    if (hostPid === undefined) break;
    const pid = numbersOf(hostPid)?.[depth - 1];
    if (pid === undefined) continue;
    found.push({ hostPid, pid });
    open.push(...childrenOf(hostPid));
  }
  return found;
}

/** The numbers of a process in all namespaces that it is in, the host's first; undefined when it is gone. */
function numbersOf(hostPid: number): number[] | undefined {
  try {
    const numbers = /^NSpid:\s+(.*)$/m.exec(readFileSync(`/proc/${hostPid}/status`, "latin1"))?.[1];
    return numbers?.split("\t").map(Number);
  } catch {
    return undefined;
  }
}

/** The children of all threads: a browser starts processes from more than one. */
function childrenOf(hostPid: number): number[] {
  try {
    const threads = new Bun.Glob("*").scanSync({ cwd: `/proc/${hostPid}/task`, onlyFiles: false });
    return [...threads].flatMap((thread) => {
      const text = readFileSync(`/proc/${hostPid}/task/${thread}/children`, "latin1").trim();
      return text === "" ? [] : text.split(" ").map(Number);
    });
  } catch {
    return [];
  }
}

/** What a process was started as: the words of its command line. */
export function commandOf(hostPid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${hostPid}/cmdline`, "latin1").split(/[\0 ]/);
  } catch {
    return [];
  }
}
