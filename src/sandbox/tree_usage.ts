/**
 * What a process and all that it has started use, read from /proc.
 *
 * In a sandbox everything is below its first process: what loses its parent becomes that one's child. Processor time of
 * what has ended is in the figures of who has waited for it. Memory that processes share since a fork counts for each.
 */
import { readFileSync } from "node:fs";
import type { Usage } from "../core/engine.ts";
import { parseFamilyCpuMs, parseMemoryBytes } from "./usage.ts";

/** Processes that are looked at; a sandbox has fewer. */
const PROCESSES_MAX = 1024;

/** What the tree below process `root` uses; undefined when it is gone. */
export function treeUsage(root: number): Usage | undefined {
  let cpuMs = 0;
  let memoryBytes = 0;
  const open = [root];
  for (let seen = 0; seen < PROCESSES_MAX; seen += 1) {
    const pid = open.pop();
    if (pid === undefined) break;
    try {
      cpuMs += parseFamilyCpuMs(readFileSync(`/proc/${pid}/stat`, "latin1"));
      memoryBytes += parseMemoryBytes(readFileSync(`/proc/${pid}/status`, "latin1"));
      open.push(...childrenOf(pid));
    } catch {
      if (pid === root) return undefined;
      // Ended meanwhile: whoever has waited for it has its time.
    }
  }
  return { cpuMs, memoryBytes };
}

/** The children of all threads of a process. */
function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim();
  return text === "" ? [] : text.split(" ").map(Number);
}
