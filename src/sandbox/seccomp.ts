/**
 * Seccomp filters, made without a compiler: the bytes that bubblewrap and the kernel take.
 *
 * Two filters for one sandbox. The outer one is handed to `bwrap --seccomp FD` and is in force before the guest's
 * first instruction. The seal is a second one, sent to a guest and installed by it on all its threads, before
 * foreign code arrives; both are in force from then on and the stricter answer wins. What they allow, and why, stands
 * in `seccomp_outer.ts` and `seccomp_seal.ts`; this file does not install anything.
 */

import { type Arch, CALLS } from "./seccomp_calls.ts";
import { type OuterOptions, outerPolicy } from "./seccomp_outer.ts";
import { compile } from "./seccomp_policy.ts";
import { sealPolicy } from "./seccomp_seal.ts";

export type { Arch, OuterOptions };

/**
 * The architecture of this machine, as filters name it.
 * @throws when filters cannot be made for it.
 */
export function filterArch(architecture: string = process.arch): Arch {
  if (architecture === "x64") return "x86_64";
  if (architecture === "arm64") return "aarch64";
  throw new Error(`Cannot make seccomp filters for architecture "${architecture}": x64 and arm64 are supported`);
}

/** The filter for `bwrap --seccomp FD`, as an array of `struct sock_filter`. */
export function outerFilter(
  options: OuterOptions = { sockets: false, exec: false },
  arch: Arch = filterArch(),
): Uint8Array<ArrayBuffer> {
  return compile(outerPolicy(options), arch);
}

/**
 * The filter that a guest puts on itself by `seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, …)`, as an
 * array of `struct sock_filter`.
 *
 * `pid` is the guest's process id in its own namespace, whose threads alone it may signal: 1 under `bwrap --as-pid-1`.
 */
export function sealFilter(
  { pid = 1 }: { readonly pid?: number } = {},
  arch: Arch = filterArch(),
): Uint8Array<ArrayBuffer> {
  return compile(sealPolicy(pid), arch);
}

/** The number of system call `name` on `arch`; undefined where it does not exist. */
export function callNumber(name: string, arch: Arch = filterArch()): number | undefined {
  return CALLS[arch].get(name);
}
