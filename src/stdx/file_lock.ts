/**
 * A lock of a file or a folder that processes keep from one another, by `flock`: it goes with its descriptor, so that a
 * process that is killed leaves none behind.
 *
 * Two descriptors of one process keep it from one another as well. Who opens the file otherwise is not hindered.
 */
import { dlopen, FFIType, read } from "bun:ffi";

const { i32, ptr: pointer } = FFIType;
const { flock, __errno_location } = dlopen("libc.so.6", {
  flock: { args: [i32, i32], returns: i32 },
  __errno_location: { args: [], returns: pointer },
}).symbols;

const EXCLUSIVE_AT_ONCE = 2 | 4;
const UNLOCK = 8;
const EWOULDBLOCK = 11;

/**
 * Takes the lock of what `descriptor` is open on. "unsupported" where the file system knows no locks, and nobody can be
 * kept out.
 */
export function tryLock(descriptor: number): "taken" | "held" | "unsupported" {
  if (flock(descriptor, EXCLUSIVE_AT_ONCE) === 0) return "taken";
  return read.i32(__errno_location() as NonNullable<ReturnType<typeof __errno_location>>, 0) === EWOULDBLOCK
    ? "held"
    : "unsupported";
}

/** Gives the lock back. */
export function unlock(descriptor: number): void {
  flock(descriptor, UNLOCK);
}
