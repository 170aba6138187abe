/**
 * The few native calls that a guest needs before and after the seal, by `bun:ffi`.
 *
 * All go through `syscall`, the only symbol that is opened, since each costs at boot; afterwards nothing can be
 * opened. Hostile code can make the same calls; what bounds them is the seal, never this file.
 */
import { dlopen, FFIType, ptr } from "bun:ffi";

/** The number of an open file. */
export type Descriptor = number;

const { i64_fast, u64_fast } = FFIType;

/** The native function itself: number and six arguments, negative ones as the bits that the kernel reads. */
export const { syscall } = dlopen("libc.so.6", {
  syscall: { args: [i64_fast, u64_fast, u64_fast, u64_fast, u64_fast, u64_fast, u64_fast], returns: i64_fast },
}).symbols;

/** The numbers of the calls on this architecture. */
export const CALL =
  process.arch === "arm64"
    ? {
        read: 63,
        write: 64,
        fcntl: 25,
        dup3: 24,
        prlimit: 261,
        prctl: 167,
        exitGroup: 94,
        waitid: 95,
        wait4: 260,
        statfs: 43,
        mknodat: 33,
        openat: 56,
        close: 57,
        faccessat: 48,
        ppoll: 73,
        seccomp: 277,
      }
    : {
        read: 0,
        write: 1,
        fcntl: 72,
        dup3: 292,
        prlimit: 302,
        prctl: 157,
        exitGroup: 231,
        waitid: 247,
        wait4: 61,
        statfs: 137,
        mknodat: 259,
        openat: 257,
        close: 3,
        faccessat: 269,
        ppoll: 271,
        seccomp: 317,
      };

/** Makes system call `number`; what it answers, or -1. */
export function call(number: number, first = 0, second = 0, third = 0, fourth = 0): number {
  return Number(syscall(number, first, second, third, fourth, 0, 0));
}

/** A signal may end a call that has nothing to give; more than this in a row is something else. */
const READ_TRIES_MAX = 1000;

/** Writes all of `bytes`, waiting while the pipe is full. A pipe whose reader is gone ends the guest. */
export function writeAll(descriptor: number, bytes: Uint8Array): void {
  let at = 0;
  while (at < bytes.length) {
    const written = call(CALL.write, descriptor, ptr(bytes, at), bytes.length - at);
    if (written > 0) at += written;
    // Where reading is by callback, the same socket does not block by itself.
    else if (!awaitRoom(descriptor)) exit(1);
  }
}

const POLLOUT = 4;

/** Waits until more can be written; false when that will never be, or when waiting is not allowed. */
function awaitRoom(descriptor: number): boolean {
  const asked = new Int32Array([descriptor, POLLOUT]);
  for (let tries = 0; tries < READ_TRIES_MAX; tries += 1) {
    if (call(CALL.ppoll, ptr(asked), 1, 0, 0) === 1) return (asked[1] ?? 0) >>> 16 === POLLOUT;
  }
  return false;
}

/** Waits for bytes and fills `buffer` with them; their number. A pipe whose writer is gone ends the guest. */
export function readSome(descriptor: number, buffer: Uint8Array): number {
  for (let tries = 0; tries < READ_TRIES_MAX; tries += 1) {
    const read = call(CALL.read, descriptor, ptr(buffer), buffer.length);
    if (read === 0) exit(0);
    if (read > 0) return read;
  }
  return exit(1);
}

const F_DUPFD_CLOEXEC = 1030;

/** A copy of descriptor 1 that only this guest's channel knows; what programs write to 1 then goes where 2 goes. */
export function takeOverStdout(): number {
  const own = call(CALL.fcntl, 1, F_DUPFD_CLOEXEC, 3);
  call(CALL.dup3, 2, 1, 0);
  return own;
}

const AT_FDCWD = -100;
const FIFO = 0o010666;
const O_RDWR_CLOEXEC = 0o2000002;

/** Makes a named pipe and opens it for both ways, so that neither end waits for the other. @throws {Error} */
export function makePipe(path: string): Descriptor {
  const name = new TextEncoder().encode(`${path}\0`);
  if (call(CALL.mknodat, AT_FDCWD, ptr(name), FIFO, 0) !== 0) throw new Error(`Cannot make the pipe ${path}`);
  const opened = call(CALL.openat, AT_FDCWD, ptr(name), O_RDWR_CLOEXEC, 0);
  if (opened < 0) throw new Error(`Cannot open the pipe ${path}`);
  return opened;
}

/** Sets the soft and the hard value of a resource limit. */
export function setResourceLimit(resource: number, value: number): void {
  const pair = new BigUint64Array([BigInt(value), BigInt(value)]);
  if (call(CALL.prlimit, 0, resource, ptr(pair), 0) !== 0) {
    throw new Error(`Cannot set resource limit ${resource} to ${value}`);
  }
}

/** The soft value of a resource limit. */
export function softLimit(resource: number): number {
  const pair = new BigUint64Array(2);
  call(CALL.prlimit, 0, resource, 0, ptr(pair));
  return Number(pair[0]);
}

const PR_SET_DUMPABLE = 4;

/** Keeps other processes of the same user from tracing this one, and from reading its memory and descriptors. */
export function hideProcess(): void {
  if (call(CALL.prctl, PR_SET_DUMPABLE, 0) !== 0) throw new Error("Cannot hide the guest from its program");
}

const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_TSYNC = 1;

/** Installs a seccomp filter on every thread of this process, for good. */
export function installFilter(filter: Uint8Array): void {
  const program = new Uint8Array(16);
  const view = new DataView(program.buffer);
  view.setUint16(0, filter.length / 8, true);
  view.setBigUint64(8, BigInt(ptr(filter)), true);
  if (call(CALL.prctl, PR_SET_NO_NEW_PRIVS, 1) !== 0) throw new Error("Cannot set no_new_privs");
  const failed = call(CALL.seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, ptr(program));
  if (failed !== 0) throw new Error(`Cannot install the seal: seccomp answered ${failed}`);
}

/** Ends the guest at once. */
export function exit(code: number): never {
  call(CALL.exitGroup, code);
  throw new Error("unreachable");
}
