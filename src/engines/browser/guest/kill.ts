/** Ends a process of the browser's at once. */

/** Kills the process `pid`, as the sandbox numbers it; nothing when it has gone before. */
export function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone before.
  }
}
