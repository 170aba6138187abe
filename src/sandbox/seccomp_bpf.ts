/**
 * Classic BPF for seccomp: instructions as data, the few shapes that filters need, and the kernel's byte format.
 *
 * A program here is a tree of pieces that are laid out one after the other, so every jump is forward and its distance
 * is the length of a piece: there are no labels to resolve and no way to write a loop. It knows nothing of system
 * calls or policies. Only loads of `nr` and `arch`, JEQ, JGE, JA, AND and RET are used on the way to a plain answer,
 * because for such paths the kernel (5.11 and later) precomputes "always allowed" and skips the program.
 */

import { assert } from "../stdx/assert.ts";

/** One `struct sock_filter`. */
export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** A piece of a program; control enters at its first instruction. */
export type Piece = readonly Instruction[];

/** The kernel's limit on the length of a program (BPF_MAXINSNS), in instructions. */
export const INSTRUCTIONS_MAX = 4096;

/** The size of one instruction, in bytes. */
export const INSTRUCTION_BYTES = 8;

/** The instruction codes in use. */
export const BPF = { load: 0x20, and: 0x54, jump: 0x05, equal: 0x15, atLeast: 0x35, answer: 0x06 } as const;

/** Offsets in `struct seccomp_data`, in bytes. */
export const DATA = { nr: 0, arch: 4, args: 16 } as const;

/** The answers of a seccomp program. */
export const ANSWER = { killProcess: 0x80000000, errno: 0x00050000, allow: 0x7fff0000 } as const;

/** The offset of one half of argument `index`, on a little-endian machine. */
export function argumentOffset(index: number, half: "low" | "high"): number {
  assert(index >= 0 && index < 6, `argument ${index} of a system call`);
  return DATA.args + 8 * index + (half === "high" ? 4 : 0);
}

/** Loads the 32-bit word at `offset` of `struct seccomp_data`. */
export function load(offset: number): Piece {
  return [{ code: BPF.load, jt: 0, jf: 0, k: offset }];
}

/** Keeps the bits of `mask` of the loaded word. */
export function and(mask: number): Piece {
  return [{ code: BPF.and, jt: 0, jf: 0, k: mask >>> 0 }];
}

/** Ends the program with `answer`. */
export function answer(value: number): Piece {
  return [{ code: BPF.answer, jt: 0, jf: 0, k: value >>> 0 }];
}

/** `below` when the loaded word is less than `k`, else `rest`; both must end with answers. */
export function split(k: number, below: Piece, rest: Piece): Piece {
  if (below.length <= 255) return [{ code: BPF.atLeast, jt: below.length, jf: 0, k }, ...below, ...rest];
  return [{ code: BPF.atLeast, jt: 0, jf: 1, k }, { code: BPF.jump, jt: 0, jf: 0, k: below.length }, ...below, ...rest];
}

/** Falls through when the loaded word is one of `values`, else jumps over the `skip` instructions that follow. */
export function requireOneOf(values: readonly number[], skip: number): Piece {
  assert(
    values.length > 0 && values.length + skip <= 255,
    `a test of ${values.length} values before ${skip} instructions`,
  );
  return values.map((value, index) => {
    const left = values.length - 1 - index;
    return { code: BPF.equal, jt: left, jf: left === 0 ? skip : 0, k: value >>> 0 };
  });
}

/** Jumps over the `skip` instructions that follow when the loaded word is one of `values`, else falls through. */
export function requireNoneOf(values: readonly number[], skip: number): Piece {
  assert(
    values.length > 0 && values.length + skip <= 255,
    `a test of ${values.length} values before ${skip} instructions`,
  );
  return values.map((value, index) => ({
    code: BPF.equal,
    jt: values.length - 1 - index + skip,
    jf: 0,
    k: value >>> 0,
  }));
}

/** The program as an array of `struct sock_filter`, little-endian: what seccomp(2) and `bwrap --seccomp` take. */
export function encode(program: Piece): Uint8Array<ArrayBuffer> {
  assert(program.length > 0 && program.length <= INSTRUCTIONS_MAX, `a BPF program of ${program.length} instructions`);
  const bytes = new Uint8Array(program.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, jt, jf, k }, index) => {
    const at = index * INSTRUCTION_BYTES;
    view.setUint16(at, code, true);
    view.setUint8(at + 2, jt);
    view.setUint8(at + 3, jf);
    view.setUint32(at + 4, k, true);
  });
  return bytes;
}
