/**
 * Why a program could not be started, in words that say what to mend. The system gives a number alone, and says "no such
 * file" of a file that is there when it is the interpreter of its first line that is not.
 *
 * Looks at no more than the first bytes of the file. They are whatever somebody wrote: what is shown of them is cut.
 */
import { ptr } from "bun:ffi";
import { CALL, call } from "../../guest/libc.ts";

/** So much of a file is looked at: the first line as far as Linux reads it, and where a program names its loader. */
const HEAD_BYTES = 4096;
/** So much of the first line is read by Linux, in bytes. */
const FIRST_LINE_BYTES = 256;
/** So much of a name is shown. */
const SHOWN_LENGTH = 120;

const AT_FDCWD = -100;
const O_NONBLOCK_CLOEXEC = 0o2004000;
const ACCESS = { exists: 0, executable: 1 } as const;

const ELF = "\x7fELF";
const BYTE_ORDER_MARK = "\xef\xbb\xbf";
/** Names a loader within the head of a program, as NUL-terminated text. */
const LOADER = /\0(\/[\w./-]{1,200}\/ld[\w.-]{1,100})\0/;

/** What is known of a program that could not be started. */
export interface FailedStart {
  /** The first word of its command line. */
  readonly word: string;
  readonly cwd: string;
  /** What was thrown. */
  readonly error: unknown;
}

/** Why it could not be started: what a message says after "Cannot start the program: ". */
export function startFailure({ word, cwd, error }: FailedStart): string {
  const path = absolute(word, cwd);
  if (!word.includes("/")) {
    const nearby = word !== "" && can(path, ACCESS.exists) ? `: ./${word} would be that of ${cwd}` : "";
    return `${quote(word)} is in no folder of PATH${nearby}`;
  }
  const raw = error instanceof Error ? error.message : String(error);
  return diagnosis(path, cwd) ?? `${path} cannot be executed: ${raw}`;
}

function diagnosis(path: string, cwd: string): string | undefined {
  if (!can(path, ACCESS.exists)) return `there is no ${path}`;
  if (!can(path, ACCESS.executable)) return `${path} is not executable: chmod +x makes it so`;
  const head = headOf(path);
  if (head === undefined) return undefined;
  if (head.startsWith("#!")) return firstLineFault(head, path, cwd);
  if (head.startsWith(`${BYTE_ORDER_MARK}#!`)) {
    return `${path} begins with a byte order mark before its #! line: save the file as UTF-8 without one`;
  }
  if (!head.startsWith(ELF)) return `${path} has no #! line and is no program that Linux can execute`;
  const loader = LOADER.exec(head)?.[1];
  if (loader !== undefined && !can(loader, ACCESS.exists)) {
    return `${path} needs the loader ${quote(loader)}, which is not there: build it for this system, or statically`;
  }
  return `${path} is no program for this kind of machine (${process.arch})`;
}

function firstLineFault(head: string, path: string, cwd: string): string | undefined {
  const [line = ""] = head.slice(2, FIRST_LINE_BYTES).split(/[\n\0]/, 1);
  const [interpreter = ""] = line.replace(/^[ \t]+/, "").split(/[ \t]/, 1);
  const of = `the first line of ${path}`;
  if (interpreter === "" || interpreter === "\r") return `${of} names no interpreter after its #!`;
  const file = absolute(interpreter, cwd);
  if (!can(file, ACCESS.exists)) {
    const mend = interpreter.endsWith("\r") ? ": save the file with LF line ends" : "";
    return `${of} names ${quote(interpreter)}, which is not there${mend}`;
  }
  return can(file, ACCESS.executable) ? undefined : `${of} names ${quote(interpreter)}, which is not executable`;
}

function absolute(word: string, cwd: string): string {
  return word.startsWith("/") ? word : `${cwd}/${word.replace(/^\.\//, "")}`;
}

function can(path: string, mode: number): boolean {
  return call(CALL.faccessat, AT_FDCWD, ptr(nameOf(path)), mode) === 0;
}

/** The first bytes, a character each; undefined where they cannot be read. A pipe or a device holds nobody up. */
function headOf(path: string): string | undefined {
  const opened = call(CALL.openat, AT_FDCWD, ptr(nameOf(path)), O_NONBLOCK_CLOEXEC, 0);
  if (opened < 0) return undefined;
  const bytes = new Uint8Array(HEAD_BYTES);
  const read = call(CALL.read, opened, ptr(bytes), bytes.length);
  call(CALL.close, opened);
  return read < 0 ? undefined : Buffer.from(bytes.subarray(0, read)).toString("latin1");
}

function nameOf(path: string): Uint8Array {
  return new TextEncoder().encode(`${path}\0`);
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, SHOWN_LENGTH));
}
