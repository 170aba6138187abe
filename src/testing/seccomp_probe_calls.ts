/**
 * The native calls of `seccomp_probe.ts`: what hostile code would try through libc, and what a call costs.
 *
 * Nothing here needs the seal: without it the same calls tell which refusals are the seal's own.
 */

import { dlopen, ptr, read } from "bun:ffi";
import { callNumber } from "../sandbox/seccomp.ts";

const libc = dlopen("libc.so.6", {
  syscall: { args: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], returns: "i64" },
  __errno_location: { args: [], returns: "ptr" },
}).symbols;

/** Makes one native call: its error number, 0 when it was carried out. */
export function call(number: number, args: readonly (number | bigint)[]): number {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = args;
  const result = libc.syscall(BigInt(number), BigInt(a), BigInt(b), BigInt(c), BigInt(d), BigInt(e), BigInt(f));
  const at = libc.__errno_location();
  return BigInt(result) === -1n && at !== null ? read.i32(at, 0) : 0;
}

const path = new TextEncoder().encode("/guest.js\0");
const page = new Uint8Array(16384);
const aligned = Math.ceil(ptr(page) / 4096) * 4096;
const pathAt = ptr(path);
const HIGH = 1n << 32n;

/**
 * Native calls by label, harmless where they are carried out (the page stays writable); a label is the call's name,
 * with what is special about the arguments behind a space.
 */
const ATTEMPTS: Readonly<Record<string, readonly (number | bigint)[]>> = {
  open: [pathAt, 0],
  openat: [-100, pathAt, 0],
  openat2: [-100, pathAt, pathAt, 24],
  creat: [pathAt, 0],
  newfstatat: [-100, pathAt, aligned, 0],
  readlink: [pathAt, aligned, 8],
  unlinkat: [-100, pathAt, 0],
  mkdirat: [-100, pathAt, 0o700],
  getdents64: [0, aligned, 64],
  execve: [0, 0, 0],
  execveat: [-100, 0, 0, 0, 0],
  fork: [],
  "clone process": [17],
  "clone newuser": [0x10000011],
  "clone high": [0x3d0f00n + HIGH],
  clone3: [0, 0],
  unshare: [0x10000000],
  setns: [0, 0],
  socket: [1, 1, 0],
  "socket netlink": [16, 3, 0],
  "socket vsock": [40, 1, 0],
  socketpair: [1, 1, 0, aligned],
  connect: [0, aligned, 16],
  bind: [0, aligned, 16],
  listen: [0, 1],
  accept4: [0, 0, 0, 0],
  sendmsg: [1, 0, 0],
  recvmsg: [0, 0, 0],
  "sendto address": [1, aligned, 0, 0, aligned, 16],
  "recvfrom oob": [0, aligned, 1, 1, 0, 0],
  "mmap exec": [0, 4096, 4, 0x22, -1, 0],
  "mmap rwx": [0, 4096, 7, 0x22, -1, 0],
  "mmap shared": [0, 4096, 3, 0x21, -1, 0],
  "mprotect exec": [aligned, 4096, 7],
  "mprotect exec high": [aligned, 4096, 7n + HIGH],
  pkey_mprotect: [aligned, 4096, 7, -1],
  mremap: [aligned, 4096, 4096, 0],
  memfd_create: [pathAt, 0],
  memfd_secret: [0],
  ptrace: [0, 0, 0, 0],
  process_vm_readv: [1, 0, 0, 0, 0, 0],
  process_vm_writev: [1, 0, 0, 0, 0, 0],
  kill: [1, 0],
  tkill: [1, 0],
  "tgkill other": [2, 2, 0],
  rt_sigqueueinfo: [1, 0, aligned],
  pidfd_open: [1, 0],
  pidfd_getfd: [0, 0, 0],
  prctl: [4, 1, 0, 0, 0],
  "prctl seccomp": [22, 2, 0, 0, 0],
  seccomp: [1, 0, 0],
  prlimit64: [0, 4, aligned, 0],
  setrlimit: [4, aligned],
  personality: [0x40000],
  arch_prctl: [0x1003, aligned],
  io_uring_setup: [1, aligned],
  bpf: [0, aligned, 16],
  perf_event_open: [aligned, 0, -1, -1, 0],
  keyctl: [0, -3, 0],
  add_key: [pathAt, pathAt, 0, 0, -3],
  userfaultfd: [0],
  mount: [0, 0, 0, 0, 0],
  fsopen: [pathAt, 0],
  chroot: [pathAt],
  open_by_handle_at: [-100, aligned, 0],
  shmget: [0, 4096, 0o600],
  timer_create: [0, 0, aligned],
  sched_setaffinity: [0, 8, aligned],
  sched_setscheduler: [0, 0, aligned],
  dup2: [1, 900],
  "fcntl setown": [0, 8, 1],
  "fcntl async": [0, 4, 0x2802],
  "ioctl tiocsti": [0, 0x5412, pathAt],
  "madvise mergeable": [aligned, 4096, 12],
  "futex pi": [aligned, 7 | 128, 0, 0, 0, 0],
  uname: [aligned],
  sysinfo: [aligned],
};

/** Makes every attempt, from the thread that asks: the error number of each by its label. */
export function attemptAll(): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [label, args] of Object.entries(ATTEMPTS)) {
    const number = callNumber(label.split(" ")[0] ?? "");
    if (number !== undefined) found[label] = call(number, args);
  }
  found["x32 getpid"] = call(0x40000000 + 39, []);
  found.unknown = call(4000, []);
  // The memory behind the addresses lives as long as somebody can still use the arrays.
  path.set(path);
  page.fill(0);
  return found;
}

/** What some calls cost, in nanoseconds each. */
export function costs(): Record<string, number> {
  const time = (name: string, args: number[]): number => {
    const number = callNumber(name) ?? -1;
    call(number, args);
    const before = Bun.nanoseconds();
    for (let i = 0; i < 50_000; i++) libc.syscall(number, args[0] ?? 0, args[1] ?? 0, 0, 0, 0, 0);
    return Math.round((Bun.nanoseconds() - before) / 50_000);
  };
  page.fill(0);
  return {
    getpid: time("getpid", []),
    futexWake: time("futex", [aligned, 129]),
    madvise: time("madvise", [aligned, 0]),
  };
}
