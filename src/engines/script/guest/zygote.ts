/**
 * The zygote: a guest that has booted, has gone the way of a program once, and forks an instance for each program.
 *
 * A fork costs half a millisecond where a boot costs ten. The zygote never sees foreign code: the host tells it to
 * fork, hands it the new instance's channel, and gives the program to the instance alone. Each instance is born into
 * user, pid, ipc and uts namespaces of its own, sees no files (an empty folder is its root), holds no capability, and
 * cannot be looked into; the seal follows when it says hello, as in every guest.
 *
 * Bun must have one thread when it forks, or the child would wait for threads that it does not have. It starts threads
 * of its compiler once a function has been used often, so this one makes its system calls without any function around
 * them, and the host has nothing more forked by a zygote once it has been at it for a while, or has a second thread.
 */
import { ptr } from "bun:ffi";
import { syscall } from "../../guest/libc.ts";
import { reseed } from "./reseed.ts";
import * as child from "./zygote_child.ts";
import { CALL, NEW_NAMESPACES } from "./zygote_numbers.ts";

const POLLIN = 1;
const POLLED_BYTES = 8;
const WNOHANG = 1;
/** -1, as the 32 bits that the kernel reads: any child. */
const ANY = 0xffffffff;
const MSG_CMSG_CLOEXEC = 0x40000000;
const CONTROL_BYTES = 64n;

/** What it says, in records of three numbers of 32 bits: one of these, a process, its status or an error. */
const SAID = { ready: 1, forked: 2, ended: 3 } as const;

/** Serves forks for ever, and returns in each child that it has made. */
export function serveForks(): void {
  const eventLoop = child.makeForkable();
  const ends = child.watchChildren();
  const polled = new Int32Array([0, POLLIN, ends, POLLIN]);
  const byte = new Uint8Array(1);
  const vector = new BigUint64Array([BigInt(ptr(byte)), 1n]);
  const control = new Int32Array(Number(CONTROL_BYTES) / 4);
  const message = new BigUint64Array([0n, 0n, BigInt(ptr(vector)), 1n, BigInt(ptr(control)), CONTROL_BYTES, 0n]);
  const news = new Uint8Array(128);
  const status = new Int32Array(1);
  const said = new Int32Array([SAID.ready, 0, 0]);
  const at = { polled: ptr(polled), message: ptr(message), news: ptr(news), status: ptr(status), said: ptr(said) };
  syscall(CALL.write, 1, at.said, said.byteLength, 0, 0, 0);
  for (;;) {
    syscall(CALL.ppoll, at.polled, polled.byteLength / POLLED_BYTES, 0, 0, 0, 0);
    if ((polled[3] as number) >>> 16 !== 0) {
      syscall(CALL.read, ends, at.news, news.length, 0, 0, 0);
      said[0] = SAID.ended;
      for (;;) {
        said[1] = Number(syscall(CALL.wait4, ANY, at.status, WNOHANG, 0, 0, 0));
        if (said[1] <= 0) break;
        said[2] = status[0] as number;
        syscall(CALL.write, 1, at.said, said.byteLength, 0, 0, 0);
      }
    }
    if ((polled[1] as number) >>> 16 === 0) continue;
    message[5] = CONTROL_BYTES;
    if (Number(syscall(CALL.recvmsg, 0, at.message, MSG_CMSG_CLOEXEC, 0, 0, 0)) <= 0) break;
    const channel = control[4] as number;
    const errors = control[5] as number;
    said[0] = SAID.forked;
    // As process 1 of its own namespace, like the zygote of its: what the C library remembers of its thread stays true.
    said[1] = Number(syscall(CALL.clone, NEW_NAMESPACES, 0, 0, 0, 0, 0));
    if (said[1] === 0) {
      child.takeDescriptors(channel, errors, ends);
      child.renewEventLoop(eventLoop);
      child.beExpendable();
      child.leaveFiles();
      child.dropRights();
      return reseed();
    }
    syscall(CALL.close, channel, 0, 0, 0, 0, 0);
    syscall(CALL.close, errors, 0, 0, 0, 0, 0);
    syscall(CALL.write, 1, at.said, said.byteLength, 0, 0, 0);
  }
  // The host is gone.
  syscall(CALL.exitGroup, 0, 0, 0, 0, 0, 0);
}
