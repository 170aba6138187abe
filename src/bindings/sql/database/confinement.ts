/**
 * What a database's process takes from itself before it opens anything: it ends with the server, whatever ends that,
 * and gains nothing by starting programs. Its limits on memory and files were set by who started it.
 */
import { dlopen, FFIType } from "bun:ffi";

const PR_SET_PDEATHSIG = 1;
const PR_SET_DUMPABLE = 4;
const PR_SET_NO_NEW_PRIVS = 38;
const SIGKILL = 9;

/** @throws {Error} when the kernel refuses, or the parent is gone already */
export function confine(parent: number): void {
  const { i32, u64 } = FFIType;
  const { prctl } = dlopen("libc.so.6", { prctl: { args: [i32, u64, u64, u64, u64], returns: i32 } }).symbols;
  const take = (option: number, value: number): void => {
    if (prctl(option, value, 0, 0, 0) !== 0) throw new Error(`Cannot confine the process: prctl(${option}) failed`);
  };
  take(PR_SET_PDEATHSIG, SIGKILL);
  take(PR_SET_NO_NEW_PRIVS, 1);
  take(PR_SET_DUMPABLE, 0);
  if (process.ppid !== parent) throw new Error("Cannot start: the server is gone");
}
