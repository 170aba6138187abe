/**
 * A seccomp policy as data, and its translation to BPF.
 *
 * A policy is an allow-list. Every system call has one rule: allowed, refused with an error number, or allowed when
 * the arguments match. What it does not name is refused with EPERM when the call was known when this was written, and
 * with ENOSYS when it was not: a newer C library then falls back to an older call instead of failing.
 * Another architecture (the 32-bit entry points of the same kernel) ends the process; x32 numbers get ENOSYS, as on a
 * kernel without x32. Arguments that are pointers cannot be looked through: rules speak of the registers alone.
 */

import { assert, must } from "../stdx/assert.ts";
import * as bpf from "./seccomp_bpf.ts";
import type { Arch } from "./seccomp_calls.ts";
import { CALLS, LAST_CALL } from "./seccomp_calls.ts";

/** The error numbers that policies answer with; the same on both architectures. */
export const ERRNO = {
  EPERM: 1,
  EACCES: 13,
  EINVAL: 22,
  ENOTTY: 25,
  ENOSYS: 38,
  EOPNOTSUPP: 95,
  EAFNOSUPPORT: 97,
} as const;

/** The name of an error number that a policy answers with. */
export type ErrnoName = keyof typeof ERRNO;

/**
 * A condition on one argument. The low 32 bits, under `mask`, must be one of `values` (or none of them, for `not`).
 * With `wide` the high 32 bits must be zero too: for what the kernel reads as 64 bits. Arguments that it reads as
 * `int` are compared without the high half, as the kernel drops it.
 */
export interface Condition {
  readonly argument: number;
  readonly mask: number;
  readonly values: readonly number[];
  readonly wide: boolean;
  readonly not: boolean;
}

/** Allowed when all conditions of one of the alternatives hold, else refused. */
export interface When {
  readonly anyOf: readonly (readonly Condition[])[];
  readonly otherwise: ErrnoName;
}

/** What happens to one system call. */
export type Rule = "allow" | ErrnoName | When;

/** The rule of each system call by name; what is not named is refused. */
export type Policy = Readonly<Record<string, Rule>>;

/** The argument, read as `int`, is one of `values`. */
export function int(argument: number, ...values: number[]): Condition {
  return { argument, mask: 0xffffffff, values, wide: false, not: false };
}

/** The argument, read as `int`, is none of `values`. */
export function intNot(argument: number, ...values: number[]): Condition {
  return { argument, mask: 0xffffffff, values, wide: false, not: true };
}

/** The argument, read as `int`, under `mask` is one of `values`. */
export function masked(argument: number, mask: number, ...values: number[]): Condition {
  return { argument, mask, values, wide: false, not: false };
}

/** The argument, read as `int`, has no bits beyond `bits`. */
export function within(argument: number, bits: number): Condition {
  return { argument, mask: ~bits >>> 0, values: [0], wide: false, not: false };
}

/** The argument, of 64 bits, is one of `values`. */
export function wide(argument: number, ...values: number[]): Condition {
  return { argument, mask: 0xffffffff, values, wide: true, not: false };
}

/** The argument, of 64 bits, under `mask` (high half: zero) is one of `values`. */
export function wideMasked(argument: number, mask: number, ...values: number[]): Condition {
  return { argument, mask, values, wide: true, not: false };
}

/** The argument, of 64 bits, has no bits beyond `bits`. */
export function wideWithin(argument: number, bits: number): Condition {
  return { argument, mask: ~bits >>> 0, values: [0], wide: true, not: false };
}

/** Allowed when all conditions hold, else refused with `otherwise`. */
export function when(otherwise: ErrnoName, ...conditions: Condition[]): When {
  return { anyOf: [conditions], otherwise };
}

/** The same rule for each of the names, which stand in one text with spaces between them. */
export function each(rule: Rule, names: string): Policy {
  return Object.fromEntries(
    names
      .trim()
      .split(/\s+/)
      .map((name) => [name, rule]),
  );
}

/** The filter of `policy` on `arch`, as an array of `struct sock_filter`. */
export function compile(policy: Policy, arch: Arch): Uint8Array<ArrayBuffer> {
  const afterArch = [...bpf.load(bpf.DATA.nr), ...tree(segments(policy, arch))];
  const audit = { x86_64: 0xc000003e, aarch64: 0xc00000b7 }[arch];
  return bpf.encode([
    ...bpf.load(bpf.DATA.arch),
    ...bpf.requireNoneOf([audit], 1),
    ...bpf.answer(bpf.ANSWER.killProcess),
    ...afterArch,
  ]);
}

/** A run of call numbers, from `start` to the next segment's, that have the same rule. */
interface Segment {
  readonly start: number;
  readonly rule: Rule;
}

/** The whole range of numbers as runs of one rule. Gaps of the table and what lies above it (x32 too) are ENOSYS. */
function segments(policy: Policy, arch: Arch): readonly Segment[] {
  for (const name of Object.keys(policy)) {
    assert(
      Object.values(CALLS).some((calls) => calls.has(name)),
      `system call ${name} of a policy is in no table`,
    );
  }
  const rules = new Map<number, Rule>();
  for (const [name, number] of CALLS[arch])
    rules.set(number, Object.hasOwn(policy, name) ? must(policy[name], name) : "EPERM");
  const runs: Segment[] = [];
  for (let number = 0; number <= LAST_CALL + 1; number++) {
    const rule = rules.get(number) ?? "ENOSYS";
    if (runs.at(-1)?.rule !== rule) runs.push({ start: number, rule });
  }
  return runs;
}

/** A balanced binary search for the run that the loaded number is in. */
function tree(runs: readonly Segment[]): bpf.Piece {
  if (runs.length === 1) return leaf(must(runs[0], "segment").rule);
  const middle = Math.floor(runs.length / 2);
  return bpf.split(must(runs[middle], "segment").start, tree(runs.slice(0, middle)), tree(runs.slice(middle)));
}

function leaf(rule: Rule): bpf.Piece {
  if (typeof rule === "string") return bpf.answer(rule === "allow" ? bpf.ANSWER.allow : bpf.ANSWER.errno | ERRNO[rule]);
  return [...rule.anyOf.flatMap(alternative), ...leaf(rule.otherwise)];
}

/** Allows when all conditions hold; else control goes on behind the piece. */
function alternative(conditions: readonly Condition[]): bpf.Piece {
  const piece = [...bpf.answer(bpf.ANSWER.allow)];
  for (const condition of conditions.toReversed()) piece.unshift(...check(condition, piece.length));
  return piece;
}

/** Falls through when the condition holds, else jumps over the `skip` instructions that follow. */
function check({ argument, mask, values, wide: both, not }: Condition, skip: number): bpf.Piece {
  const low = [
    ...bpf.load(bpf.argumentOffset(argument, "low")),
    ...(mask === 0xffffffff ? [] : bpf.and(mask)),
    ...(not ? bpf.requireNoneOf(values, skip) : bpf.requireOneOf(values, skip)),
  ];
  if (!both) return low;
  return [...bpf.load(bpf.argumentOffset(argument, "high")), ...bpf.requireOneOf([0], low.length + skip), ...low];
}
