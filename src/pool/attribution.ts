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

/** The invocations that may have made a call marked with `id`: with 0 the guest could not tell, and it is any that runs. */
export function candidates(running: ReadonlySet<RunningInvocation>, id: number): readonly RunningInvocation[] {
  if (id === 0) return [...running];
  const found = invocationOf(running, id);
  return found === undefined ? [] : [found];
}

/** The invocation that a line marked with `id` belongs to: with 0 the guest could not tell, and the only one it is. */
export function attribute(running: ReadonlySet<RunningInvocation>, id: number): RunningInvocation | undefined {
  if (id !== 0) return invocationOf(running, id);
  if (running.size !== 1) return undefined;
  const [only] = running;
  return only;
}
