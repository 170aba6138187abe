/**
 * When an instance is due for replacement: it has lived, worked or grown enough, or a limit was broken in it.
 *
 * One that is due is given nothing more and ends when it is idle; that is its version's pool's business.
 */
import type { Limits } from "../core/limits.ts";
import type { Instance } from "./instance.ts";
import type { PoolSizes } from "./options.ts";

/** Memory of an instance above this share of its limit makes it due. */
const MEMORY_SHARE = 0.75;

/** Whether `instance`, which is under `limits`, is due for replacement. */
export function isDue(instance: Instance, limits: Limits, { ageMs, invocationsMax }: PoolSizes): boolean {
  if (instance.broken || instance.process.due === true) return true;
  if (instance.invoked >= invocationsMax || instance.now() - instance.startedAt >= ageMs) return true;
  return instance.memoryBytes > limits.memoryBytes * MEMORY_SHARE;
}
