/**
 * The outer filter: what bubblewrap installs before it executes the program of a sandbox.
 *
 * For a guest that seals itself (`exec` and `sockets` off) it is what Bun needs to boot, and what the seal needs to
 * be installed. For engines with programs of users (`exec` on) it is the calls of ordinary programs. Neither has what
 * administers a machine, looks into other processes, or is known for its holes in the kernel and not for its use:
 * those are absent below and so refused. Files need no rules: the mounts of the sandbox are the rule.
 */

import * as argument from "./seccomp_arguments.ts";
import { each, int, intNot, masked, type Policy, type When, when, wide, within } from "./seccomp_policy.ts";

/** What the programs in a sandbox may do beyond what booting Bun needs. */
export interface OuterOptions {
  /** Sockets of AF_UNIX, AF_INET and AF_INET6, and connecting, binding, listening with them. */
  readonly sockets: boolean;
  /** Child processes. The one `execve` of bubblewrap itself is always allowed, and so any that a single process makes. */
  readonly exec: boolean;
  /** A guest that forks instances, each into namespaces of its own, and gives up what those come with. */
  readonly zygote?: boolean;
  /** A browser, whose own sandbox puts what it starts into namespaces of users, processes and networks, without files. */
  readonly browser?: boolean;
}

const FILES = `
  read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close close_range dup dup2 dup3 fcntl flock
  open openat openat2 creat stat lstat fstat newfstatat statx statfs fstatfs access faccessat faccessat2 readlink readlinkat
  getdents getdents64 getcwd chdir fchdir umask mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat
  symlink symlinkat chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat truncate ftruncate fallocate fadvise64
  utime utimes futimesat utimensat sync fsync fdatasync syncfs sync_file_range readahead sendfile copy_file_range
  getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
  poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2
  eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_settime timerfd_gettime pipe pipe2
  inotify_init inotify_init1 inotify_add_watch inotify_rm_watch`;

const PROCESS = `
  mmap mprotect munmap mremap msync brk
  rt_sigaction rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_tgsigqueueinfo
  sigaltstack pause kill tkill tgkill alarm getitimer setitimer
  timer_create timer_settime timer_gettime timer_getoverrun timer_delete
  set_tid_address set_robust_list get_robust_list rseq restart_syscall execve exit exit_group wait4 waitid
  sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_getscheduler sched_getattr
  sched_get_priority_max sched_get_priority_min sched_rr_get_interval getpriority setpriority
  getpid getppid gettid getpgid getpgrp getsid getuid geteuid getgid getegid getresuid getresgid getgroups capget
  getrlimit setrlimit prlimit64 getrusage times getcpu sysinfo uname
  clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time getrandom`;

const CHILDREN =
  "fork vfork execveat setpgid setsid pidfd_open pidfd_send_signal mlock mlock2 munlock pkey_alloc pkey_free pkey_mprotect";

const CONNECTING = "connect bind listen accept accept4 shutdown getsockname getpeername getsockopt";

/** PR_{S,G}ET_PDEATHSIG, PR_{G,S}ET_DUMPABLE, PR_GET_SECCOMP, PR_CAPBSET_READ, timer slack, NO_NEW_PRIVS, THP_DISABLE, PR_GET_SPECULATION_CTRL. */
const PRCTL: readonly number[] = [1, 2, 3, 4, 21, 23, 29, 30, 38, 39, 41, 42, 52];

const PR_CAPBSET_DROP = 24;
const PR_SET_SECCOMP = 22;

const SOCK_TYPE = 0xf;
/** A type, SOCK_CLOEXEC, SOCK_NONBLOCK. */
const SOCK_BITS = SOCK_TYPE | 0x80000 | 0x800;
const STREAM_AND_DATAGRAM: readonly number[] = [1, 2];

/** The default protocol, TCP, UDP; with a type that is stream or datagram. No ping sockets, MPTCP, SCTP, SMC. */
function sockets(...families: number[]): When {
  return when(
    "EAFNOSUPPORT",
    int(0, ...families),
    masked(1, SOCK_TYPE, ...STREAM_AND_DATAGRAM),
    within(1, SOCK_BITS),
    int(2, 0, 6, 17),
  );
}

/** SOL_SOCKET without programs (SO_ATTACH_*, -_REUSEPORT_*), TCP without TCP_REPAIR and TCP_ULP, IP and IPv6 without packet filters. */
const socketOptions: When = {
  anyOf: [
    [int(1, 1), intNot(2, 26, 27, 44, 50, 51, 52)],
    [int(1, 6), intNot(2, 19, 31)],
    [int(1, 0, 41), within(2, 0x3f)],
  ],
  otherwise: "EPERM",
};

/** SECCOMP_SET_MODE_FILTER without a listener or SPEC_ALLOW, and SECCOMP_GET_ACTION_AVAIL: filters only ever take away. */
const ownFilters: When = { anyOf: [[int(0, 1), within(1, 0x13)], [int(0, 2)]], otherwise: "EPERM" };

function always({ exec }: OuterOptions): Policy {
  return {
    ...each("allow", FILES),
    ...each("allow", PROCESS),
    // What a program runs all the time is looked at once: by the seal where there is one, else here.
    futex: exec ? argument.plainFutex : "allow",
    madvise: exec ? argument.plainAdvice : "allow",
    membarrier: argument.privateBarriers,
    // A type of S_IFREG (also written 0), S_IFIFO or S_IFSOCK: no devices.
    mknod: when("EPERM", masked(1, 0xf000, 0, 0x8000, 0x1000, 0xc000)),
    mknodat: when("EPERM", masked(2, 0xf000, 0, 0x8000, 0x1000, 0xc000)),
    clone: exec ? argument.withoutNamespaces : argument.threadsOnly,
    clone3: "ENOSYS",
    ioctl: when("ENOTTY", int(1, ...argument.IOCTL_QUERIES, ...argument.IOCTL_PROGRAMS)),
    prctl: when("EPERM", int(0, ...argument.PRCTL_NAMES, ...PRCTL)),
    // ARCH_SET_GS, ARCH_SET_FS, ARCH_GET_FS, ARCH_GET_GS; EINVAL as for codes that a processor lacks.
    arch_prctl: when("EINVAL", int(0, 0x1001, 0x1002, 0x1003, 0x1004)),
    personality: when("EPERM", int(0, 0, 0xffffffff)),
    seccomp: ownFilters,
    get_mempolicy: "allow",
    sendto: argument.plainMessages(3),
    recvfrom: argument.plainMessages(3),
    // ENOSYS, and copying falls back to reading and writing.
    ...each("ENOSYS", "splice tee vmsplice io_uring_setup io_uring_enter io_uring_register"),
  };
}

/** The policy of the outer filter. */
export function outerPolicy(options: OuterOptions): Policy {
  return {
    ...always(options),
    ...(options.zygote === true ? FORKING : {}),
    ...(options.exec ? each("allow", CHILDREN) : {}),
    // MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_NOEXEC_SEAL, MFD_EXEC; no huge pages.
    ...(options.exec ? { memfd_create: when("EPERM", within(1, 0x1b)) } : {}),
    ...(options.sockets || options.exec ? passing() : {}),
    ...(options.browser === true ? BROWSING : {}),
    socket: options.sockets ? sockets(1, 2, 10) : "EAFNOSUPPORT",
    ...(options.sockets ? { ...each("allow", CONNECTING), setsockopt: socketOptions } : {}),
  };
}

/** One kind of child, to the bit; the instances' channels; and what an instance does before it is sealed: no files, no rights. */
const FORKING: Policy = {
  clone: { anyOf: [...argument.threadsOnly.anyOf, [wide(0, argument.CLONE_INSTANCE)]], otherwise: "EPERM" },
  recvmsg: argument.plainMessages(2),
  ...each("allow", "chroot capset"),
  prctl: when("EPERM", int(0, ...argument.PRCTL_NAMES, ...PRCTL, PR_CAPBSET_DROP)),
};

/**
 * What Chromium's sandbox is made with: namespaces of users, processes and networks (never of mounts), an empty root, and
 * filters of its own (PR_SET_SECCOMP), and what it asks of the machine while it starts.
 */
const BROWSING: Policy = {
  clone: argument.browserNamespaces,
  unshare: when("EPERM", within(0, argument.CLONE_NEWUSER)),
  prctl: when("EPERM", int(0, ...argument.PRCTL_NAMES, ...PRCTL, PR_SET_SECCOMP)),
  // Its processes talk over pairs whose messages keep their bounds (SOCK_SEQPACKET).
  socketpair: when("EAFNOSUPPORT", int(0, 1), masked(1, SOCK_TYPE, 1, 2, 5), within(1, SOCK_BITS), int(2, 0)),
  ...each("allow", "chroot capset"),
};

/** Pairs of connected sockets, and messages over them. */
function passing(): Policy {
  return {
    socketpair: sockets(1),
    sendmsg: argument.plainMessages(2),
    recvmsg: argument.plainMessages(2),
    sendmmsg: argument.plainMessages(3),
    recvmmsg: argument.plainMessages(3),
  };
}
