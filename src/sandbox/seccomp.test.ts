/**
 * The filters without a kernel: an interpreter runs their bytes against calls and arguments, with the tricks that
 * filters fall for: other architectures, x32 numbers, high halves, flags beside the expected ones.
 */

import { describe, expect, test } from "bun:test";
import { decode, type Instruction, run } from "../testing/bpf_interpreter.ts";
import { type Arch, callNumber, outerFilter, sealFilter } from "./seccomp.ts";
import { BPF, INSTRUCTIONS_MAX } from "./seccomp_bpf.ts";
import { CALLS, LAST_CALL } from "./seccomp_calls.ts";

const ARCHES: readonly Arch[] = ["x86_64", "aarch64"];
const AUDIT: Readonly<Record<Arch, number>> = { x86_64: 0xc000003e, aarch64: 0xc00000b7 };
const HIGH = 1n << 32n;

/** Every filter that can be made, with a name. */
const FILTERS = ARCHES.flatMap((arch) => [
  { arch, kind: "seal", program: decode(sealFilter({}, arch)) },
  ...[false, true].flatMap((sockets) =>
    [false, true].map((exec) => ({
      arch,
      kind: `outer${sockets ? " sockets" : ""}${exec ? " exec" : ""}`,
      program: decode(outerFilter({ sockets, exec }, arch)),
    })),
  ),
]);

function filter(kind: string, arch: Arch): readonly Instruction[] {
  const found = FILTERS.find((each) => each.kind === kind && each.arch === arch);
  if (!found) throw new Error(`No filter ${kind} for ${arch}`);
  return found.program;
}

function ask(kind: string, arch: Arch, name: string, args: readonly (number | bigint)[] = []): string | undefined {
  const nr = callNumber(name, arch);
  return nr === undefined ? undefined : run(filter(kind, arch), AUDIT[arch], nr, args).answer;
}

/** Registers that attackers would choose, in all six places: small numbers, flags, and high halves. */
const REGISTERS: readonly (readonly bigint[])[] = [
  0n,
  1n,
  2n,
  5n,
  7n,
  0x11n,
  0x22n,
  0x3d0f00n,
  0x3d0f00n | 0x10000000n,
  0x3d0f00n | HIGH,
  0x10000000n,
  0x7fffffffn,
  0xffffffffn,
  HIGH,
  HIGH | 1n,
  (1n << 64n) - 1n,
].map((value) => Array<bigint>(6).fill(value));

describe("a filter", () => {
  test.each(FILTERS.map((each) => [`${each.kind} ${each.arch}`, each.program] as const))(
    "is a valid program: %s",
    (_name, program) => {
      expect(program.length).toBeLessThanOrEqual(INSTRUCTIONS_MAX);
      const known: readonly number[] = Object.values(BPF);
      program.forEach(({ code, jt, jf, k }, index) => {
        expect(known).toContain(code);
        const conditional = code === BPF.equal || code === BPF.atLeast;
        if (!conditional) expect([jt, jf]).toEqual([0, 0]);
        if (code === BPF.load) expect(k % 4 === 0 && k < 64).toBe(true);
        const jump = code === BPF.jump ? k : Math.max(jt, jf);
        // All jumps are forward, so when no instruction but an answer can be last, every path ends in an answer.
        if (code !== BPF.answer) expect(index + 1 + jump).toBeLessThan(program.length);
      });
      expect(program.at(-1)?.code).toBe(BPF.answer);
    },
  );

  test("has no instruction that no call reaches, and answers within 40 steps", () => {
    for (const { arch, program } of FILTERS) {
      const targets = new Set<number>([0]);
      program.forEach(({ code, jt, jf, k }, index) => {
        if (code === BPF.jump) targets.add(index + 1 + k);
        else if (code === BPF.equal || code === BPF.atLeast) targets.add(index + 1 + jt).add(index + 1 + jf);
        else if (code !== BPF.answer) targets.add(index + 1);
      });
      expect(targets.size).toBe(program.length);
      for (let nr = 0; nr <= LAST_CALL + 1; nr++) {
        for (const registers of REGISTERS)
          expect(run(program, AUDIT[arch], nr, registers).steps).toBeLessThanOrEqual(40);
      }
    }
  });

  test("ends a process that enters by another architecture, whatever the call", () => {
    const others = [0x40000003, 0x40000028, 0xc00000f3, 0x8000003e, 0];
    for (const { arch, program } of FILTERS) {
      for (const audit of [...others, ...ARCHES.filter((other) => other !== arch).map((other) => AUDIT[other])]) {
        for (const nr of [0, 1, 39, 59, 231, 0x40000000]) expect(run(program, audit, nr).answer).toBe("kill");
      }
    }
  });

  test("knows no x32 call, no negative one and none from the future", () => {
    for (const { arch, program } of FILTERS) {
      for (const nr of [
        0x40000000,
        0x40000001,
        0x40000027,
        0x400000e7,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        LAST_CALL + 1,
        512,
        520,
        547,
        4000,
      ]) {
        expect(run(program, AUDIT[arch], nr).answer).toBe("ENOSYS");
      }
    }
  });
});

const NEVER = `ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd process_madvise process_mrelease
  mount umount2 pivot_root chroot fsopen fsconfig fsmount fspick move_mount open_tree open_tree_attr mount_setattr statmount listmount
  bpf perf_event_open io_uring_setup io_uring_enter io_uring_register io_setup io_submit keyctl add_key request_key userfaultfd
  kexec_load kexec_file_load init_module finit_module delete_module create_module setns unshare clone3
  open_by_handle_at name_to_handle_at quotactl quotactl_fd swapon swapoff reboot acct sethostname setdomainname syslog iopl ioperm
  modify_ldt settimeofday clock_settime adjtimex clock_adjtime memfd_secret landlock_create_ruleset landlock_restrict_self vhangup
  fanotify_init lookup_dcookie migrate_pages move_pages mbind set_mempolicy remap_file_pages splice tee vmsplice nfsservctl uselib
  shmget shmat msgget semget mq_open setuid setgid setgroups capset ioprio_set mincore futex_wait futex_wake futex_requeue futex_waitv
  setxattr fsetxattr removexattr map_shadow_stack mseal`.split(/\s+/);

const NEVER_SEALED =
  `execve execveat fork vfork kill tkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal
  open openat openat2 creat stat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat getdents getdents64
  mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat mknod mknodat chmod fchmod fchmodat
  fchmodat2 chown fchown lchown fchownat truncate ftruncate fallocate utimensat chdir fchdir umask statfs fstatfs
  socket socketpair connect bind listen accept accept4 sendmsg recvmsg sendmmsg recvmmsg shutdown setsockopt getsockopt
  getsockname getpeername pkey_mprotect mremap memfd_create seccomp personality arch_prctl setrlimit timer_create setitimer alarm
  sched_setaffinity sched_setscheduler sched_setattr setpriority dup dup2 dup3 pipe pipe2 sendfile copy_file_range inotify_init1
  signalfd4 timerfd_create mlock mlockall setsid setpgid wait4 waitid uname sysinfo getppid flock lseek pread64 pwrite64`.split(
    /\s+/,
  );

describe("the outer filter", () => {
  test("never allows what administers the machine or looks into others, whatever the arguments", () => {
    for (const { arch, kind, program } of FILTERS) {
      for (const name of NEVER) {
        const nr = callNumber(name, arch);
        if (nr === undefined) continue;
        for (const registers of REGISTERS)
          expect([kind, name, run(program, AUDIT[arch], nr, registers).answer]).not.toEqual([kind, name, "allow"]);
      }
    }
  });

  test("names only calls that exist", () => {
    const exist = new Set(ARCHES.flatMap((arch) => [...CALLS[arch].keys()]));
    expect([...NEVER, ...NEVER_SEALED].filter((name) => !exist.has(name))).toEqual([]);
  });

  const NEW = [0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000];
  const cases: readonly (readonly [string, string, readonly (number | bigint)[], string])[] = [
    ["outer", "execve", [1, 2, 3], "allow"],
    ["outer", "mmap", [0, 4096, 7, 0x22], "allow"],
    ["outer", "openat", [-100, 1, 0], "allow"],
    ["outer", "clone", [0x3d0f00], "allow"],
    ["outer", "clone", [17], "EPERM"],
    ["outer", "fork", [], "EPERM"],
    ["outer", "clone3", [], "ENOSYS"],
    ["outer", "memfd_create", [0, 1], "EPERM"],
    ["outer", "futex", [0, 129], "allow"],
    ["outer exec", "futex", [0, 129], "allow"],
    ["outer exec", "futex", [0, 128 | 6], "ENOSYS"],
    ["outer exec", "madvise", [0, 4096, 12], "EINVAL"],
    ["outer", "socket", [1, 1, 0], "EAFNOSUPPORT"],
    ["outer", "connect", [], "EPERM"],
    ["outer", "sendmsg", [1, 0, 0], "EPERM"],
    ["outer", "sendto", [1, 1, 1, 0x4040, 0, 0], "allow"],
    ["outer", "sendto", [1, 1, 1, 1, 0, 0], "EOPNOTSUPP"],
    ["outer", "recvfrom", [1, 1, 1, 0x41], "EOPNOTSUPP"],
    ["outer", "seccomp", [1, 0, 1], "allow"],
    ["outer", "seccomp", [1, 1, 1], "allow"],
    ["outer", "seccomp", [1, 8, 1], "EPERM"],
    ["outer", "seccomp", [1, 4, 1], "EPERM"],
    ["outer", "seccomp", [0, 0, 0], "EPERM"],
    ["outer", "prctl", [38, 1], "allow"],
    ["outer", "prctl", [0x53564d41, 0], "allow"],
    ["outer", "prctl", [53, 0, 2], "EPERM"],
    ["outer", "prctl", [0x59616d61, 1], "EPERM"],
    ["outer", "personality", [0xffffffff], "allow"],
    ["outer", "personality", [0], "allow"],
    ["outer", "personality", [0x0400000], "EPERM"],
    ["outer", "personality", [HIGH | 0x0400000n], "EPERM"],
    ["outer", "arch_prctl", [0x1002], "allow"],
    ["outer", "arch_prctl", [0x3003], "EINVAL"],
    ["outer", "ioctl", [0, 0x5401], "allow"],
    ["outer", "ioctl", [0, 0x5412], "ENOTTY"],
    ["outer", "ioctl", [0, HIGH | 0x5412n], "ENOTTY"],
    ["outer", "mknodat", [-100, 0, 0x1180], "allow"],
    ["outer", "mknodat", [-100, 0, 0x2180], "EPERM"],
    ["outer", "mknodat", [-100, 0, 0x6180], "EPERM"],
    ["outer exec", "clone", [17], "allow"],
    ["outer exec", "clone", [0x4111], "allow"],
    ["outer exec", "clone", [HIGH | 17n], "EPERM"],
    ...NEW.filter((flag) => flag !== 0x00020000).map((flag) => ["outer exec", "clone", [17 | flag], "EPERM"] as const),
    ...NEW.map((flag) => ["outer", "clone", [0x3d0f00 ^ flag], "EPERM"] as const),
    ["outer exec", "fork", [], "allow"],
    ["outer exec", "execveat", [], "allow"],
    ["outer exec", "memfd_create", [0, 3], "allow"],
    ["outer exec", "memfd_create", [0, 4], "EPERM"],
    ["outer exec", "socketpair", [1, 0x80801, 0], "allow"],
    ["outer exec", "socketpair", [2, 1, 0], "EAFNOSUPPORT"],
    ["outer exec", "socket", [2, 1, 0], "EAFNOSUPPORT"],
    ["outer sockets", "socket", [1, 1, 0], "allow"],
    ["outer sockets", "socket", [2, 0x80801, 6], "allow"],
    ["outer sockets", "socket", [10, 0x80802, 17], "allow"],
    ["outer sockets", "socket", [HIGH | 2n, 1, 0], "allow"],
    ["outer sockets", "socket", [2, 3, 0], "EAFNOSUPPORT"],
    ["outer sockets", "socket", [2, 2, 1], "EAFNOSUPPORT"],
    ["outer sockets", "socket", [2, 1, 262], "EAFNOSUPPORT"],
    ["outer sockets", "socket", [2, 1, 132], "EAFNOSUPPORT"],
    ["outer sockets", "socket", [2, 10, 0], "EAFNOSUPPORT"],
    ["outer sockets", "socket", [2, 0x100001, 0], "EAFNOSUPPORT"],
    ...[3, 4, 5, 9, 15, 16, 17, 21, 29, 30, 38, 40, 41, 42, 44, 45].map(
      (family) => ["outer sockets", "socket", [family, 1, 0], "EAFNOSUPPORT"] as const,
    ),
    ["outer sockets", "socket", [16, 3, 9], "EAFNOSUPPORT"],
    ["outer sockets", "socket", [HIGH | 40n, 1, 0], "EAFNOSUPPORT"],
    ["outer sockets", "connect", [], "allow"],
    ["outer sockets", "sendmsg", [1, 0, 1], "EOPNOTSUPP"],
    ["outer sockets", "setsockopt", [1, 1, 2], "allow"],
    ["outer sockets", "setsockopt", [1, 6, 1], "allow"],
    ["outer sockets", "setsockopt", [1, 41, 26], "allow"],
    ["outer sockets", "setsockopt", [1, 1, 26], "EPERM"],
    ["outer sockets", "setsockopt", [1, 6, 31], "EPERM"],
    ["outer sockets", "setsockopt", [1, 0, 64], "EPERM"],
    ["outer sockets", "setsockopt", [1, 270, 1], "EPERM"],
    ["outer sockets", "fork", [], "EPERM"],
  ];
  for (const arch of ARCHES) {
    test.each(cases.filter(([, name]) => callNumber(name, arch) !== undefined))(
      `${arch}: %s %s %p is %s`,
      (kind, name, args, expected) => {
        expect(ask(kind, arch, name, args)).toBe(expected);
      },
    );
  }
});

describe("the seal", () => {
  test("never allows a path, a process, a socket, a descriptor of something new or a foreign signal", () => {
    for (const arch of ARCHES) {
      for (const name of NEVER_SEALED) {
        for (const registers of REGISTERS)
          expect([name, ask("seal", arch, name, registers)]).not.toEqual([name, "allow"]);
      }
    }
  });

  const THREAD = 0x3d0f00;
  const cases: readonly (readonly [string, readonly (number | bigint)[], string])[] = [
    ...["read", "write", "readv", "writev", "poll", "epoll_pwait2", "munmap", "getrandom", "exit", "exit_group"].map(
      (name) => [name, [], "allow"] as const,
    ),
    ["mmap", [0, 4096, 3, 0x22, -1, 0], "allow"],
    ["mmap", [0, 4096, 0, 0x4022, -1, 0], "allow"],
    ["mmap", [0, 4096, 0, 0x20022, -1, 0], "allow"],
    ["mmap", [4096, 4096, 3, 0x100032, -1, 0], "allow"],
    ...[4, 5, 7, 0x1000004, HIGH | 3n, HIGH | 4n].map(
      (prot) => ["mmap", [0, 4096, prot, 0x22, -1, 0], "EPERM"] as const,
    ),
    ...[0x21, 0x01, 0x02, 0x03, 0x23, 0x2022, 0x40022, 0x122, HIGH | 0x22n].map(
      (flags) => ["mmap", [0, 4096, 3, flags, 0, 0], "EPERM"] as const,
    ),
    ...[0, 1, 2, 3].map((prot) => ["mprotect", [0, 4096, prot], "allow"] as const),
    ...[4, 5, 6, 7, 0x01000003, HIGH | 1n, HIGH | 5n].map((prot) => ["mprotect", [0, 4096, prot], "EPERM"] as const),
    ["clone", [THREAD], "allow"],
    ...[0, 17, THREAD | 17, THREAD ^ 0x10000, THREAD ^ 0x100, THREAD | 0x2000, THREAD | 0x4000].map(
      (flags) => ["clone", [flags], "EPERM"] as const,
    ),
    ...[0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000].map(
      (flag) => ["clone", [THREAD | flag], "EPERM"] as const,
    ),
    ["clone", [BigInt(THREAD) | HIGH], "EPERM"],
    ["clone3", [], "ENOSYS"],
    ["tgkill", [1, 5, 30], "allow"],
    ["tgkill", [2, 2, 9], "EPERM"],
    ["tgkill", [0xffffffff, 2, 9], "EPERM"],
    ["sendto", [1, 1, 1, 0x4040, 0, 0], "allow"],
    ["sendto", [1, 1, 1, 0, 4096, 16], "EPERM"],
    ["sendto", [1, 1, 1, 0, HIGH, 16], "EPERM"],
    ["sendto", [1, 1, 1, 0x4041, 0, 0], "EPERM"],
    ["sendto", [1, 1, 1, 0x20000000, 0, 0], "EPERM"],
    ["recvfrom", [0, 1, 1, 0x40, 0, 0], "allow"],
    ["recvfrom", [0, 1, 1, 1, 0, 0], "EPERM"],
    ["recvfrom", [0, 1, 1, 0x2000, 0, 0], "EPERM"],
    ...[0x5401, 0x5413, 0x541b, 0x5421].map((request) => ["ioctl", [0, request], "allow"] as const),
    ...[0x5412, 0x541c, 0x8901, 0x8902, 0x8946, 0x5452, 0].map((request) => ["ioctl", [0, request], "ENOTTY"] as const),
    ...[1, 2, 3, 1030].map((command) => ["fcntl", [0, command, 0], "allow"] as const),
    ...[0, 5, 6, 7, 8, 10, 15, 1024, 1031, 1033].map((command) => ["fcntl", [0, command, 0], "EPERM"] as const),
    ["fcntl", [0, 4, 0x802], "allow"],
    ["fcntl", [0, 4, 0x2802], "EPERM"],
    ["fcntl", [0, 4, 0x4000], "EPERM"],
    ["prctl", [15, 1], "allow"],
    ...[1, 4, 8, 22, 23, 24, 35, 36, 38, 44, 53, 59, 62].map((option) => ["prctl", [option, 1], "EPERM"] as const),
    ["prlimit64", [0, 3, 0, 4096], "allow"],
    ["prlimit64", [0, 3, 4096, 0], "EPERM"],
    ["prlimit64", [0, 3, HIGH, 0], "EPERM"],
    ["prlimit64", [1, 3, 0, 4096], "EPERM"],
    ...[0, 1, 9, 10, 128, 129, 128 | 256 | 9].map((operation) => ["futex", [0, operation], "allow"] as const),
    ...[6, 7, 8, 11, 12, 13, 128 | 6, 256 | 11, 2, 512].map(
      (operation) => ["futex", [0, operation], "ENOSYS"] as const,
    ),
    ...[3, 4, 14, 16].map((advice) => ["madvise", [0, 4096, advice], "allow"] as const),
    ...[9, 12, 13, 21, 25, 100, 101, 0xffffffff].map((advice) => ["madvise", [0, 4096, advice], "EINVAL"] as const),
    ["membarrier", [8], "allow"],
    ["membarrier", [1], "EINVAL"],
    ["openat", [-100, 0, 0], "EACCES"],
    ["execve", [], "EPERM"],
  ];
  for (const arch of ARCHES) {
    test.each(cases.filter(([name]) => callNumber(name, arch) !== undefined))(
      `${arch}: %s %p is %s`,
      (name, args, expected) => {
        expect(ask("seal", arch, name, args)).toBe(expected);
      },
    );
  }

  test("lets signals go to the process that it was made for alone", () => {
    const program = decode(sealFilter({ pid: 2 }, "x86_64"));
    const tgkill = CALLS.x86_64.get("tgkill") ?? -1;
    expect([1, 2, 3].map((pid) => run(program, AUDIT.x86_64, tgkill, [pid, pid, 9]).answer)).toEqual([
      "EPERM",
      "allow",
      "EPERM",
    ]);
  });

  test("allows the common calls without a look at arguments, which lets the kernel skip the program", () => {
    for (const arch of ARCHES) {
      for (const name of [
        "read",
        "write",
        "epoll_pwait2",
        "epoll_ctl",
        "close",
        "munmap",
        "rt_sigprocmask",
        "getpid",
      ]) {
        for (const kind of ["seal", "outer"]) {
          const outcome = run(filter(kind, arch), AUDIT[arch], callNumber(name, arch) ?? -1);
          expect([name, outcome.answer, outcome.readArguments]).toEqual([name, "allow", false]);
        }
      }
    }
  });
});
