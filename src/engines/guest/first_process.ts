/**
 * The duties of a guest that is process 1 of its sandbox and starts programs: it collects what has lost its parent, and
 * looks at how many files there are, which no limit of the kernel bounds where there is no cgroup.
 */
import { ptr } from "bun:ffi";
import { CALL, call } from "./libc.ts";

const P_ALL = 0;
const WEXITED_NOHANG_NOWAIT = 4 | 1 | 0x0100_0000;
const WNOHANG = 1;
/** Where `siginfo_t` has the process's number. */
const SI_PID = 16;
/** Collected at a time; more wait for the next look. */
const COLLECTED_MAX = 1024;

/** Collects processes that have ended and are not `ours`, which others wait for. */
export function collectOrphans(ours: (pid: number) => boolean): void {
  const info = new Uint8Array(128);
  const view = new DataView(info.buffer);
  for (let count = 0; count < COLLECTED_MAX; count += 1) {
    view.setInt32(SI_PID, 0, true);
    if (call(CALL.waitid, P_ALL, 0, ptr(info), WEXITED_NOHANG_NOWAIT) !== 0) return;
    const pid = view.getInt32(SI_PID, true);
    if (pid === 0 || ours(pid)) return;
    call(CALL.wait4, pid, 0, WNOHANG);
  }
}

/** Files and folders in the file system at `path`. */
export function filesAt(path: string): number {
  const name = new TextEncoder().encode(`${path}\0`);
  const answer = new BigUint64Array(16);
  if (call(CALL.statfs, ptr(name), ptr(answer)) !== 0) return 0;
  // struct statfs: type, bsize, blocks, bfree, bavail, files, ffree, each of eight bytes.
  return Number((answer[5] ?? 0n) - (answer[6] ?? 0n));
}
