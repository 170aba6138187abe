/**
 * What a forked instance does before it is a guest like any other: it has its zygote's memory, and must share nothing
 * else with it. What cannot be done ends it.
 */
import { ptr } from "bun:ffi";
import { call, type Descriptor, exit, writeAll } from "../../guest/libc.ts";
import { CALL, CHILD_ENDED, EPOLL_DATA_AT } from "./zygote_numbers.ts";

const O_CLOEXEC = 0x80000;
const O_NONBLOCK = 0x800;
/** -100 and -1, as the 32 bits that the kernel reads. */
const AT_FDCWD = 0xffffff9c;
const NONE = 0xffffffff;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function must(done: boolean, what: string): void {
  if (done) return;
  writeAll(2, encoder.encode(`guest: cannot ${what}\n`));
  exit(1);
}

/** One for all files: giving larger ones back starts a thread of the allocator's. */
const buffer = new Uint8Array(8192);

function readText(path: string): string {
  const name = encoder.encode(`${path}\0`);
  const descriptor = call(CALL.openat, AT_FDCWD, ptr(name), O_CLOEXEC);
  if (descriptor < 0) return "";
  let text = "";
  for (let size = 1; size > 0; ) {
    size = call(CALL.read, descriptor, ptr(buffer), buffer.length);
    text += decoder.decode(buffer.subarray(0, Math.max(0, size)));
  }
  call(CALL.close, descriptor);
  return text;
}

/** What a child needs to be told of the event loop that it does not have yet. */
export interface EventLoop {
  readonly poll: Descriptor;
  readonly wake: Descriptor;
  /** The kernel's record of the one thing that is polled. */
  readonly event: Uint8Array;
}

const MADV_DOFORK = 11;

/**
 * In the zygote: lets children have the memory of the just-in-time compiler, which Bun asks the kernel to leave out.
 * @returns how its event loop is set up
 */
export function makeForkable(): EventLoop {
  const pool = /^([0-9a-f]+)-([0-9a-f]+) rwxp/m.exec(readText("/proc/self/maps"));
  const start = Number.parseInt(pool?.[1] ?? "", 16);
  const bytes = Number.parseInt(pool?.[2] ?? "", 16) - start;
  must(call(CALL.madvise, start, bytes, MADV_DOFORK) === 0, "keep the compiler's memory");
  return findEventLoop();
}

const DESCRIPTORS_MAX = 8;

/** The event loop's two descriptors: one that polls exactly the other, which wakes it. */
function findEventLoop(): EventLoop {
  for (let poll = 3; poll < DESCRIPTORS_MAX; poll += 1) {
    const text = readText(`/proc/self/fdinfo/${poll}`);
    const [, wake, events = "", data = ""] = POLLED.exec(text) ?? [];
    if (wake === undefined || text.indexOf("tfd:") !== text.lastIndexOf("tfd:")) continue;
    const event = new DataView(new ArrayBuffer(EPOLL_DATA_AT + 8));
    event.setUint32(0, Number.parseInt(events, 16), true);
    event.setBigUint64(EPOLL_DATA_AT, BigInt(`0x${data}`), true);
    return { poll, wake: Number(wake), event: new Uint8Array(event.buffer) };
  }
  writeAll(2, encoder.encode("guest: cannot find the event loop\n"));
  return exit(1);
}

const POLLED = /^tfd:\s+(\d+) events:\s+([0-9a-f]+) data:\s+([0-9a-f]+)/m;

const SIG_BLOCK = 0;
const SIG_UNBLOCK = 1;

/** In the zygote: a descriptor that can be read when a child has ended. */
export function watchChildren(): Descriptor {
  must(call(CALL.sigprocmask, SIG_BLOCK, ptr(CHILD_ENDED), 0, CHILD_ENDED.byteLength) === 0, "block a signal");
  const descriptor = call(CALL.signalfd4, NONE, ptr(CHILD_ENDED), CHILD_ENDED.byteLength, O_CLOEXEC | O_NONBLOCK);
  must(descriptor >= 0, "watch children");
  return descriptor;
}

/** Puts the channel in the place of standard input and output, and closes what was the zygote's. */
export function takeDescriptors(channel: Descriptor, errors: Descriptor, ends: Descriptor): void {
  const taken = [channel, channel, errors].every((from, to) => call(CALL.dup3, from, to) === to);
  must(taken, "take the channel");
  for (const descriptor of [channel, errors, ends]) call(CALL.close, descriptor);
  must(call(CALL.sigprocmask, SIG_UNBLOCK, ptr(CHILD_ENDED), 0, CHILD_ENDED.byteLength) === 0, "unblock a signal");
}

const EPOLL_CTL_ADD = 1;

/** Gives this child an event loop of its own: it has inherited its zygote's, and so have all its siblings. */
export function renewEventLoop({ poll, wake, event }: EventLoop): void {
  replace(wake, call(CALL.eventfd, 0, O_CLOEXEC | O_NONBLOCK));
  replace(poll, call(CALL.epollCreate, O_CLOEXEC));
  must(call(CALL.epollCtl, poll, EPOLL_CTL_ADD, wake, ptr(event)) === 0, "set the event loop up");
}

function replace(descriptor: Descriptor, by: Descriptor): void {
  must(by >= 0 && call(CALL.dup3, by, descriptor, O_CLOEXEC) === descriptor, "replace a descriptor");
  call(CALL.close, by);
}

const O_WRONLY = 1;
/** Out of 1000: where memory is short, the kernel ends an instance before its zygote, and before the server. */
const EXPENDABLE = encoder.encode("500");

/** Lets the kernel end this process first when the machine is out of memory. */
export function beExpendable(): void {
  const descriptor = call(CALL.openat, AT_FDCWD, ptr(encoder.encode("/proc/self/oom_score_adj\0")), O_WRONLY);
  const written = call(CALL.write, descriptor, ptr(EXPENDABLE), EXPENDABLE.length);
  must(written === EXPENDABLE.length, "become expendable");
  call(CALL.close, descriptor);
}

/** Makes an empty folder, which nobody can write, the root. */
export function leaveFiles(): void {
  const [empty, root] = [encoder.encode("/tmp\0"), encoder.encode("/\0")];
  must(call(CALL.chroot, ptr(empty)) === 0 && call(CALL.chdir, ptr(root)) === 0, "leave the files");
}

const PR_SET_DUMPABLE = 4;
const PR_CAPBSET_DROP = 24;
const CAPABILITY_VERSION_3 = 0x20080522;
const CAPABILITIES_MAX = 64;

/** Gives every capability up that a new user namespace comes with, and forbids others of this user to look in. */
export function dropRights(): void {
  for (let capability = 0; capability < CAPABILITIES_MAX; capability += 1) {
    if (call(CALL.prctl, PR_CAPBSET_DROP, capability) !== 0) break;
  }
  const header = new Uint32Array([CAPABILITY_VERSION_3, 0]);
  must(call(CALL.capset, ptr(header), ptr(new Uint32Array(6))) === 0, "drop capabilities");
  must(call(CALL.prctl, PR_SET_DUMPABLE, 0) === 0, "become private");
}
