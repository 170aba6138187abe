/** The numbers of the system calls that a zygote and its children make before the seal, and of what they pass. */

const ARM = process.arch === "arm64";

/** By name: aarch64, then x86_64. */
export const CALL = {
  read: ARM ? 63 : 0,
  write: ARM ? 64 : 1,
  close: ARM ? 57 : 3,
  openat: ARM ? 56 : 257,
  dup3: ARM ? 24 : 292,
  ppoll: ARM ? 73 : 271,
  madvise: ARM ? 233 : 28,
  recvmsg: ARM ? 212 : 47,
  clone: ARM ? 220 : 56,
  wait4: ARM ? 260 : 61,
  exitGroup: ARM ? 94 : 231,
  signalfd4: ARM ? 74 : 289,
  sigprocmask: ARM ? 135 : 14,
  epollCreate: ARM ? 20 : 291,
  epollCtl: ARM ? 21 : 233,
  eventfd: ARM ? 19 : 290,
  chroot: ARM ? 51 : 161,
  chdir: ARM ? 49 : 80,
  prctl: ARM ? 167 : 157,
  capset: ARM ? 91 : 126,
} as const;

/** Where `struct epoll_event` has its data: it is packed on x86_64 alone. */
export const EPOLL_DATA_AT = ARM ? 8 : 4;

const SIGCHLD = 17;

/** The set of signals that tell of a child's end. */
export const CHILD_ENDED = new BigUint64Array([1n << BigInt(SIGCHLD - 1)]);

/** CLONE_NEWUSER, -PID, -IPC, -UTS, and the signal that tells of the end. */
export const NEW_NAMESPACES = 0x10000000 | 0x20000000 | 0x08000000 | 0x04000000 | SIGCHLD;
