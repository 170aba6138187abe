/**
 * What the end of an instance's process means for those who wait for its program, when nobody asked for that end.
 *
 * The kernel says how it ended, and its last words say why: where there is no cgroup, only they tell want of memory
 * from a crash.
 */
import type { ProcessEnd } from "../core/engine.ts";
import { IsopodError } from "../core/errors.ts";
import { DEFAULT_LIMITS } from "../core/limits.ts";
import { limitError } from "./figures.ts";

/** What Bun and its libraries say when RLIMIT_DATA, the bound where there is no cgroup, has refused them memory. */
const ALLOCATION_FAILED = /memory allocation of \d+ bytes failed|out of memory|oh no/i;

/** What they say when there is no file descriptor or thread left. */
const EXHAUSTED = /out of file descriptors|Resource temporarily unavailable/i;
const NONE_LEFT =
  " It had no file descriptor or thread left: a program has 64 of each, and a Web Worker takes several.";

const SIGNAL_MAX = 64;

/** What an instance has for ending in good order, in milliseconds: extensions have 2000 of them, as at AWS. */
export const FINISH_MS = 2500;

/** The error of an `end` by itself; `memoryBytes` is the limit of its program, undefined when it had none yet. */
export function deathError(
  { code, outOfMemory, stderr, reason, isStart = false }: ProcessEnd,
  memoryBytes: number | undefined,
): IsopodError {
  if (memoryBytes === undefined || isStart)
    return new IsopodError("start_failed", { cause: reason ?? `exit code ${code}` });
  if (outOfMemory || ALLOCATION_FAILED.test(stderr)) {
    return limitError("memory_limit", "memoryBytes", { ...DEFAULT_LIMITS, memoryBytes });
  }
  if (reason !== undefined) return new IsopodError("program_ended", { message: reason });
  // A program may end with such a code by itself: both are said.
  const isSignal = code > 128 && code <= 128 + SIGNAL_MAX;
  const how = isSignal ? `by signal ${code - 128} (exit code ${code})` : `with exit code ${code}`;
  return new IsopodError("program_ended", {
    message: `The program's process ended ${how} before it had answered.${EXHAUSTED.test(stderr) ? NONE_LEFT : ""}`,
  });
}
