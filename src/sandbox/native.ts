/**
 * The few native calls that Bun has no word for: pairs of sockets, descriptors handed over a socket, processes by
 * descriptor. Everything is checked; a call that fails throws with the name of what failed.
 */
import { dlopen, FFIType, ptr } from "bun:ffi";
import { closeSync } from "node:fs";

const { i32, i64_fast, ptr: pointer } = FFIType;
const { socketpair, sendmsg, syscall } = dlopen("libc.so.6", {
  socketpair: { args: [i32, i32, i32, pointer], returns: i32 },
  sendmsg: { args: [i32, pointer, i32], returns: i64_fast },
  syscall: { args: [i64_fast, i64_fast, i64_fast, i64_fast, i64_fast], returns: i64_fast },
}).symbols;

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 1 | 0x80000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000;

/** The numbers of calls, the same on every architecture. */
const CALL = { pidfdSendSignal: 424, pidfdOpen: 434 } as const;

/** A pair of connected sockets, closed in children that are not handed one of them. @throws {Error} when there is none */
export function socketPair(): readonly [ours: number, theirs: number] {
  const pair = new Int32Array(2);
  if (socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, ptr(pair)) !== 0) throw new Error("Cannot open a pair of sockets");
  return [pair[0] as number, pair[1] as number];
}

/** Sends one byte over `socket`, and copies of `descriptors` with it. @throws {Error} when the peer does not read */
export function sendDescriptors(socket: number, byte: number, descriptors: readonly number[]): void {
  const payload = new Uint8Array([byte]);
  const vector = new BigUint64Array([BigInt(ptr(payload)), 1n]);
  const control = new DataView(new ArrayBuffer(16 + Math.ceil(descriptors.length / 2) * 8));
  control.setBigUint64(0, BigInt(16 + descriptors.length * 4), true);
  control.setInt32(8, SOL_SOCKET, true);
  control.setInt32(12, SCM_RIGHTS, true);
  descriptors.forEach((descriptor, index) => {
    control.setInt32(16 + index * 4, descriptor, true);
  });
  const held = new Uint8Array(control.buffer);
  const message = new BigUint64Array([0n, 0n, BigInt(ptr(vector)), 1n, BigInt(ptr(held)), BigInt(held.length), 0n]);
  if (Number(sendmsg(socket, ptr(message), MSG_DONTWAIT_NOSIGNAL)) !== 1)
    throw new Error("Cannot hand descriptors over");
}

/** A descriptor of process `pid`, that stays the same process's when its number is another's; undefined when it is gone. */
export function openProcess(pid: number): number | undefined {
  const descriptor = Number(syscall(CALL.pidfdOpen, pid, 0, 0, 0));
  return descriptor < 0 ? undefined : descriptor;
}

/** Kills the process of a descriptor; one that is gone already is no error. */
export function killProcess(descriptor: number): void {
  const SIGKILL = 9;
  syscall(CALL.pidfdSendSignal, descriptor, SIGKILL, 0, 0);
}

/** Closes descriptors, whatever became of them. */
export function closeAll(descriptors: Iterable<number>): void {
  for (const descriptor of descriptors) {
    try {
      closeSync(descriptor);
    } catch {
      // Closed already.
    }
  }
}
