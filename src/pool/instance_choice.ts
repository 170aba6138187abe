/** Which of a version's instances is meant: the one with the least to do, or the one that has idled for longest. */
import type { Instance } from "./instance.ts";
import type { RunningInvocation } from "./invocation.ts";

/** The instance with the fewest invocations that takes one more; undefined when none does. */
export function leastLoaded(instances: Iterable<Instance>, concurrencyMax: number): Instance | undefined {
  let best: Instance | undefined;
  let bestLoad = concurrencyMax;
  for (const instance of instances) {
    const load = instance.invocations.size;
    if (load >= bestLoad || !instance.alive || instance.suspect) continue;
    best = instance;
    bestLoad = load;
  }
  return best;
}

/** The idle instance that has been so for longest. */
export function longestIdle(instances: Iterable<Instance>): Instance | undefined {
  let oldest: Instance | undefined;
  for (const instance of instances) {
    if (instance.invocations.size > 0 || !instance.alive) continue;
    if (oldest === undefined || instance.idleSince < oldest.idleSince) oldest = instance;
  }
  return oldest;
}

/**
 * Whether one of the instances has answered all that it has, and is about to say that it is ready for more; or that its loop
 * turns, after which its callers' hanging up is forgotten.
 */
export function isAboutToBeFree(instances: Iterable<Instance>): boolean {
  for (const { broken, suspect, invocations } of instances) {
    if (!broken && (suspect || invocations.size > 0) && areAnswered(invocations)) return true;
  }
  return false;
}

function areAnswered(invocations: Iterable<RunningInvocation>): boolean {
  for (const { isAnswered } of invocations) if (!isAnswered) return false;
  return true;
}
