/** A request whose answer may be kept, and what was seen of the answers of what it is for. */
import type { HeaderList, InvocationResponse } from "../../core/invocation.ts";
import type { CacheHead } from "./policy.ts";

/** A request. */
export interface CacheRequest extends CacheHead {
  /** What identifies the resource beside what answers vary by: what runs, and the address. */
  readonly key: string;
  readonly project: string;
  readonly functionName: string | undefined;
  readonly habit: Habit;
  /** Whoever waits for another's answer gives up when it hangs up. */
  readonly sender: { readonly signal: AbortSignal };
  /** Runs it; `more` are headers that the request has beside its own. */
  invoke(more: HeaderList): Promise<InvocationResponse>;
  /** Runs it again for nobody, to have its answer kept; left out where that cannot be. */
  refresh?(more: HeaderList): Promise<InvocationResponse>;
}

/** What was seen of the answers of one version or program. */
export interface Habit {
  /** Whether some were kept. */
  kept: boolean;
  /** The last headers that were not for keeping: most functions give the same list each time. */
  notKept: HeaderList | undefined;
}

/** Whether the client has conditions of its own: an answer to them is for nobody else. */
export function isConditional({ headers }: CacheHead): boolean {
  return headers.has("if-none-match") || headers.has("if-modified-since");
}

/** Whether requests like this one wait for one another: not where answers were seen not to be for keeping. */
export function mayShare(request: CacheRequest): boolean {
  const { method, headers, habit } = request;
  if (method !== "GET" || headers.has("cookie") || headers.has("authorization")) return false;
  if (headers.has("cache-control") || headers.has("pragma") || isConditional(request)) return false;
  return habit.kept || habit.notKept === undefined;
}
