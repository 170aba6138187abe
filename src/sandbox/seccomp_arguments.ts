/**
 * Rules on arguments that both policies share, and the kernel constants that they are made of.
 *
 * Each rule names what it keeps out. Constants are those of x86_64 and aarch64; where the two differ, the rule is
 * written so that it holds for both.
 */

import { int, masked, type When, when, wide, wideMasked, within } from "./seccomp_policy.ts";

const CLONE_THREAD_OF_GLIBC = 0x003d0f00;
const CLONE_ANY_NEW_NAMESPACE = 0x7e020000;

/** A child process in user, pid, ipc and uts namespaces of its own, that tells of its end by SIGCHLD. */
export const CLONE_INSTANCE = 0x10000000 | 0x20000000 | 0x08000000 | 0x04000000 | 17;

/** The bit for a namespace of users. */
export const CLONE_NEWUSER = 0x10000000;
const CLONE_NEWPID = 0x20000000;
const CLONE_NEWNET = 0x40000000;

/** Clone as glibc makes a thread of the same process, to the bit: no child process, no namespace, no tracing. */
export const threadsOnly: When = when("EPERM", wide(0, CLONE_THREAD_OF_GLIBC));

/** Clone of processes and threads, without new namespaces. CLONE_NEWTIME cannot be said here: its bit is part of the signal. */
export const withoutNamespaces: When = when("EPERM", wideMasked(0, CLONE_ANY_NEW_NAMESPACE, 0));

/** Clone with the namespaces of a browser's own sandbox: users, processes, networks; none of mounts, IPC, names or cgroups. */
export const browserNamespaces: When = when(
  "EPERM",
  wideMasked(0, CLONE_ANY_NEW_NAMESPACE & ~(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET), 0),
);

/** MSG_PEEK, MSG_DONTROUTE, MSG_TRUNC, MSG_DONTWAIT, MSG_WAITALL, MSG_NOSIGNAL, MSG_MORE, MSG_WAITFORONE, MSG_CMSG_CLOEXEC. */
const MESSAGE_FLAGS = 0x2 | 0x4 | 0x20 | 0x40 | 0x100 | 0x4000 | 0x8000 | 0x10000 | 0x40000000;

/** No MSG_OOB (a source of kernel bugs that sandboxes were left by), no MSG_ERRQUEUE, no MSG_FASTOPEN, no MSG_ZEROCOPY. */
export function plainMessages(flagsArgument: number): When {
  return when("EOPNOTSUPP", within(flagsArgument, MESSAGE_FLAGS));
}

const FUTEX_PRIVATE_AND_REALTIME = 0x180;

/**
 * Waiting and waking. The priority-inheriting operations (6, 7, 8, 11, 12, 13) are refused as by a kernel built
 * without them: nothing here uses them and much of futex's history of bugs is theirs.
 */
export const plainFutex: When = when("ENOSYS", masked(1, ~FUTEX_PRIVATE_AND_REALTIME >>> 0, 0, 1, 3, 4, 5, 9, 10));

/** The ioctls that ask what a descriptor is, or how much it holds: TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO. */
export const IOCTL_QUERIES: readonly number[] = [0x5401, 0x5413, 0x541b, 0x5421];

/** FIONCLEX, FIOCLEX, TIOCGPGRP, and SIOCGIFNAME, -CONF, -FLAGS, -ADDR, -NETMASK, -INDEX: what programs ask at their start. */
export const IOCTL_PROGRAMS: readonly number[] = [
  0x5450, 0x5451, 0x540f, 0x8910, 0x8912, 0x8913, 0x8915, 0x891b, 0x8933,
];

/** prctl options: PR_SET_NAME, PR_GET_NAME, PR_SET_VMA. */
export const PRCTL_NAMES: readonly number[] = [15, 16, 0x53564d41];

/** Advice about one's own memory: NORMAL to DONTNEED, FREE, DONTFORK, DOFORK, (NO)HUGEPAGE, DONTDUMP, DODUMP, WIPEONFORK, KEEPONFORK, COLD, POPULATE_*. */
const ADVICE: readonly number[] = [0, 1, 2, 3, 4, 8, 10, 11, 14, 15, 16, 17, 18, 19, 20, 22, 23];

/** No MADV_MERGEABLE (pages merged across sandboxes tell one what another holds), no poisoning. EINVAL as for unknown advice, which libraries probe with. */
export const plainAdvice: When = when("EINVAL", int(2, ...ADVICE));

/** membarrier's QUERY and the private expedited commands: none that interrupts the processors of others. */
export const privateBarriers: When = when("EINVAL", int(0, 0, 8, 16, 32, 64));
