/**
 * Whose a line or a call is, among the invocations that run on one instance.
 *
 * A guest says so where it can tell. What a finished invocation still does is nobody's: it has no rights any more.
 */
import type { RunningInvocation } from "./invocation.ts";

/** The invocation whose stream is `id`. */
export function invocationOf(running: ReadonlySet<RunningInvocation>, id: number): RunningInvocation | undefined {
  for (const invocation of running) if (invocation.streamId === id) return invocation;
  return undefined;
}

/** The invocation that something marked with `id` belongs to: with 0 the guest could not tell, and the only one it is. */
export function attribute(running: ReadonlySet<RunningInvocation>, id: number): RunningInvocation | undefined {
  if (id !== 0) return invocationOf(running, id);
  if (running.size !== 1) return undefined;
  const [only] = running;
  return only;
}
