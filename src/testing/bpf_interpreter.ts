/**
 * A small interpreter of classic BPF: what a seccomp filter answers to a call, without a kernel.
 *
 * It knows the instructions that our filters use and throws at any other. It checks no program beforehand, as the
 * kernel does; that is a test's business.
 */
import { ANSWER, BPF, DATA, INSTRUCTION_BYTES } from "../sandbox/seccomp_bpf.ts";

/** One instruction, by its fields in `struct sock_filter`. */
export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** The instructions in the bytes of a filter. */
export function decode(bytes: Uint8Array): Instruction[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / INSTRUCTION_BYTES }, (_, index) => {
    const at = index * INSTRUCTION_BYTES;
    return {
      code: view.getUint16(at, true),
      jt: view.getUint8(at + 2),
      jf: view.getUint8(at + 3),
      k: view.getUint32(at + 4, true),
    };
  });
}

/** How a call fared. */
export interface Outcome {
  /** `allow`, `kill`, or the name of the error number. */
  readonly answer: string;
  /** Instructions that ran. */
  readonly steps: number;
  /** Whether the answer hung on an argument; the kernel skips a program that looks at none. */
  readonly readArguments: boolean;
}

const ERRNO_NAMES: Readonly<Record<number, string>> = {
  1: "EPERM",
  13: "EACCES",
  22: "EINVAL",
  25: "ENOTTY",
  38: "ENOSYS",
  95: "EOPNOTSUPP",
  97: "EAFNOSUPPORT",
};

function answerName(value: number): string {
  if (value === ANSWER.allow) return "allow";
  if (value === ANSWER.killProcess) return "kill";
  if ((value & 0xffff0000) >>> 0 === ANSWER.errno) return ERRNO_NAMES[value & 0xffff] ?? `errno ${value & 0xffff}`;
  return `unknown answer ${value}`;
}

/**
 * Runs `program` for call number `nr` of architecture `audit`.
 *
 * @throws {Error} at an instruction that no filter has, or when no answer is reached
 */
export function run(
  program: readonly Instruction[],
  audit: number,
  nr: number,
  args: readonly (number | bigint)[] = [],
): Outcome {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(DATA.nr, nr, true);
  data.setUint32(DATA.arch, audit, true);
  args.forEach((value, index) => {
    data.setBigUint64(DATA.args + 8 * index, BigInt.asUintN(64, BigInt(value)), true);
  });
  let word = 0;
  let readArguments = false;
  let at = 0;
  for (let steps = 1; steps <= program.length; steps++) {
    const { code, jt, jf, k } = program[at] ?? { code: -1, jt: 0, jf: 0, k: 0 };
    at++;
    if (code === BPF.load) {
      word = data.getUint32(k, true);
      readArguments ||= k >= DATA.args;
    } else if (code === BPF.and) word = (word & k) >>> 0;
    else if (code === BPF.jump) at += k;
    else if (code === BPF.equal) at += word === k ? jt : jf;
    else if (code === BPF.atLeast) at += word >= k ? jt : jf;
    else if (code === BPF.answer) return { answer: answerName(k), steps, readArguments };
    else throw new Error(`Cannot run instruction ${at - 1}: code ${code} of ${program.length} instructions`);
  }
  throw new Error("Cannot run program: it has no answer");
}
