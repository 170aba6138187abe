/**
 * The seal: what a guest may still do once foreign code is in it, and the code knows every trick with native calls.
 *
 * Computing, its own memory and threads, the clock, random bytes, and reading and writing the descriptors it holds.
 * No call takes a path, makes a process, a socket or a descriptor of anything new (except eventfd and epoll, which
 * event loops of Web Workers need), passes descriptors, or makes memory executable: the JIT's pool is mapped before.
 * Mappings are private and anonymous, so RLIMIT_DATA counts all of them. `getppid`, `uname` and `sysinfo` are out:
 * nothing needs them after start-up, and they tell about the machine.
 */

import * as argument from "./seccomp_arguments.ts";
import { each, int, masked, type Policy, when, wide, wideWithin, within } from "./seccomp_policy.ts";

const PROT_READ_WRITE = 0x3;
const MAP_PRIVATE_ANONYMOUS = 0x22;
/** MAP_FIXED, MAP_NORESERVE, MAP_POPULATE, MAP_STACK, MAP_FIXED_NOREPLACE and the two above: no huge, locked or growing mappings. */
const MAP_FLAGS = MAP_PRIVATE_ANONYMOUS | 0x10 | 0x4000 | 0x8000 | 0x20000 | 0x100000;

const F_DUPFD_CLOEXEC = 1030;
const F_GETFD_SETFD_GETFL: readonly number[] = [1, 2, 3];
const F_SETFL = 4;
/** Access mode, O_APPEND, O_NONBLOCK, and O_LARGEFILE of both architectures: no O_ASYNC, which raises signals, no O_DIRECT. */
const STATUS_FLAGS = 0x3 | 0x400 | 0x800 | 0x8000 | 0x20000;

/** MSG_PEEK, MSG_DONTWAIT, MSG_WAITALL, MSG_NOSIGNAL. */
const MESSAGE_FLAGS = 0x2 | 0x40 | 0x100 | 0x4000;

/** The policy of a sealed guest whose process id, in its own namespace, is `pid`. */
export function sealPolicy(pid: number): Policy {
  return {
    ...each(
      "allow",
      `read write readv writev close fstat
       poll ppoll epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd2
       munmap brk
       rt_sigaction rt_sigprocmask rt_sigreturn rt_sigsuspend sigaltstack
       set_robust_list rseq sched_yield sched_getaffinity restart_syscall exit exit_group
       getpid gettid getuid geteuid getgid getegid getrusage getcpu
       clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time getrandom`,
    ),
    mmap: when(
      "EPERM",
      wideWithin(2, PROT_READ_WRITE),
      masked(3, 0x2f, MAP_PRIVATE_ANONYMOUS),
      wideWithin(3, MAP_FLAGS),
    ),
    mprotect: when("EPERM", wideWithin(2, PROT_READ_WRITE)),
    madvise: argument.plainAdvice,
    futex: argument.plainFutex,
    membarrier: argument.privateBarriers,
    clone: argument.threadsOnly,
    // ENOSYS, and glibc makes its threads by `clone`, whose flags can be seen.
    clone3: "ENOSYS",
    // JSC stops its threads by a signal for the collector.
    tgkill: when("EPERM", int(0, pid)),
    sendto: when("EPERM", within(3, MESSAGE_FLAGS), wide(4, 0)),
    recvfrom: when("EPERM", within(3, MESSAGE_FLAGS)),
    ioctl: when("ENOTTY", int(1, ...argument.IOCTL_QUERIES)),
    fcntl: {
      anyOf: [[int(1, ...F_GETFD_SETFD_GETFL, F_DUPFD_CLOEXEC)], [int(1, F_SETFL), within(2, STATUS_FLAGS)]],
      otherwise: "EPERM",
    },
    prctl: when("EPERM", int(0, ...argument.PRCTL_NAMES)),
    // Reading one's own limits: a pointer to new ones must be null.
    prlimit64: when("EPERM", int(0, 0), wide(2, 0)),
    // What reaches for files gets the answer of a file that may not be read, which programs expect.
    ...each(
      "EACCES",
      "open openat openat2 creat stat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat",
    ),
  };
}
