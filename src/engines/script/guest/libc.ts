/**
 * The few native calls that a guest needs before and after the seal, by `bun:ffi`.
 *
 * Opened once at boot: afterwards nothing can be opened. Hostile code can make the same calls; what bounds them is
 * the seal, never this file.
 */
import { dlopen, ptr } from "bun:ffi";

const lib = dlopen("libc.so.6", {
  write: { args: ["i32", "ptr", "u64"], returns: "i64" },
  dup: { args: ["i32"], returns: "i32" },
  dup2: { args: ["i32", "i32"], returns: "i32" },
  getrlimit: { args: ["i32", "ptr"], returns: "i32" },
  setrlimit: { args: ["i32", "ptr"], returns: "i32" },
  prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
  syscall: { args: ["i64", "u64", "u64", "u64", "u64", "u64", "u64"], returns: "i64" },
  _exit: { args: ["i32"], returns: "void" },
}).symbols;

/** Writes all of `bytes`, waiting while the pipe is full. A pipe whose reader is gone ends the guest. */
export function writeAll(descriptor: number, bytes: Uint8Array): void {
  let at = 0;
  while (at < bytes.length) {
    const written = Number(lib.write(descriptor, ptr(bytes, at), bytes.length - at));
    if (written <= 0) exit(1);
    at += written;
  }
}

/** A copy of `descriptor` that only this guest's channel knows; what programs write to 1 then goes where 2 goes. */
export function takeOverStdout(): number {
  const own = lib.dup(1);
  lib.dup2(2, 1);
  return own;
}

/** Sets the soft and the hard value of a resource limit. */
export function setResourceLimit(resource: number, value: number): void {
  const pair = new BigUint64Array([BigInt(value), BigInt(value)]);
  if (lib.setrlimit(resource, ptr(pair)) !== 0) throw new Error(`Cannot set resource limit ${resource} to ${value}`);
}

/** The soft value of a resource limit. */
export function softLimit(resource: number): number {
  const pair = new BigUint64Array(2);
  lib.getrlimit(resource, ptr(pair));
  return Number(pair[0]);
}

const PR_SET_NO_NEW_PRIVS = 38;
const SYS_SECCOMP = process.arch === "arm64" ? 277 : 317;
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_TSYNC = 1;

/** Installs a seccomp filter on every thread of this process, for good. */
export function installFilter(filter: Uint8Array): void {
  const program = new Uint8Array(16);
  const view = new DataView(program.buffer);
  view.setUint16(0, filter.length / 8, true);
  view.setBigUint64(8, BigInt(ptr(filter)), true);
  if (lib.prctl(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n) !== 0) throw new Error("Cannot set no_new_privs");
  const flags = BigInt(SECCOMP_FILTER_FLAG_TSYNC);
  const mode = BigInt(SECCOMP_SET_MODE_FILTER);
  const failed = lib.syscall(BigInt(SYS_SECCOMP), mode, flags, BigInt(ptr(program)), 0n, 0n, 0n);
  if (Number(failed) !== 0) throw new Error(`Cannot install the seal: seccomp answered ${failed}`);
}

/** Ends the guest at once. */
export function exit(code: number): never {
  lib._exit(code);
  throw new Error("unreachable");
}
