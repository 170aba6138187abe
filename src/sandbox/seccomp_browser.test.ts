/** The filter around a browser: what its own sandbox is made with, and nothing more. */
import { expect, test } from "bun:test";
import { decode, run } from "../testing/bpf_interpreter.ts";
import { type Arch, callNumber, outerFilter } from "./seccomp.ts";

const AUDIT: Readonly<Record<Arch, number>> = { x86_64: 0xc000003e, aarch64: 0xc00000b7 };
const NEW = {
  mount: 0x0002_0000,
  cgroup: 0x0200_0000,
  uts: 0x0400_0000,
  ipc: 0x0800_0000,
  user: 0x1000_0000,
  pid: 0x2000_0000,
  net: 0x4000_0000,
};
const SIGCHLD = 17;

for (const arch of ["x86_64", "aarch64"] as const) {
  const programs = {
    browser: decode(outerFilter({ sockets: true, exec: true, browser: true }, arch)),
    process: decode(outerFilter({ sockets: true, exec: true }, arch)),
  };
  const ask = (kind: keyof typeof programs, name: string, args: readonly number[] = []) => {
    const nr = callNumber(name, arch);
    return nr === undefined ? "absent" : run(programs[kind], AUDIT[arch], nr, args).answer;
  };

  test(`lets a browser make its own sandbox, which programs may not: ${arch}`, () => {
    for (const [name, args] of [
      ["clone", [NEW.user | NEW.pid | NEW.net | SIGCHLD]],
      ["clone", [NEW.pid | SIGCHLD]],
      ["unshare", [NEW.user]],
      ["chroot", []],
      ["capset", []],
      ["prctl", [22]],
      ["socketpair", [1, 5, 0]],
    ] as const) {
      expect([name, ask("browser", name, args)]).toEqual([name, "allow"]);
      expect([name, ask("process", name, args)]).not.toEqual([name, "allow"]);
    }
  });

  test(`keeps from a browser what no sandbox needs: ${arch}`, () => {
    for (const kind of ["mount", "cgroup", "uts", "ipc"] as const) {
      for (const call of ["clone", "unshare"]) {
        expect([kind, call, ask("browser", call, [NEW.user | NEW[kind] | SIGCHLD])]).toEqual([kind, call, "EPERM"]);
      }
    }
    const refused =
      "mount umount2 pivot_root setns ptrace process_vm_readv bpf perf_event_open keyctl userfaultfd init_module kexec_load reboot";
    for (const name of refused.split(" ")) expect([name, ask("browser", name)]).toEqual([name, "EPERM"]);
    for (const name of ["io_uring_setup", "clone3"]) expect([name, ask("browser", name)]).toEqual([name, "ENOSYS"]);
    // Netlink, raw packets, virtual sockets.
    for (const family of [16, 17, 40]) expect(ask("browser", "socket", [family, 3, 0])).toBe("EAFNOSUPPORT");
  });
}
