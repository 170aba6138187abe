/** A request whose answer may be kept. */
import type { HeaderList, InvocationResponse } from "../../core/invocation.ts";
import type { Sender } from "../admission.ts";
import type { Habit } from "./habits.ts";
import type { CacheHead } from "./policy.ts";

/** A request. */
export interface CacheRequest extends CacheHead {
  /** What identifies the resource beside what answers vary by: what runs, and the address. */
  readonly key: string;
  readonly project: string;
  readonly functionName: string | undefined;
  readonly habit: Habit;
  /** Whoever waits for another's answer gives up when it hangs up. */
  readonly sender: Sender;
  /** Runs it until `sender` hangs up; `more` are headers that the request has beside its own. */
  invoke(more: HeaderList, sender: Sender): Promise<InvocationResponse>;
  /** Runs it again for nobody, to have its answer kept; left out where that cannot be. */
  refresh?(more: HeaderList, sender: Sender): Promise<InvocationResponse>;
  /** It has waited in vain, and begins only now. */
  restarted?(): void;
}

/** Whether the client has conditions of its own: an answer to them is for nobody else. */
export function isConditional({ headers }: CacheHead): boolean {
  return headers.has("if-none-match") || headers.has("if-modified-since");
}

/** Whether the request carries nothing by which its answer would be for itself. */
export function isPlain({ method, headers }: CacheHead): boolean {
  if (method !== "GET" || headers.has("cookie") || headers.has("authorization")) return false;
  return !headers.has("cache-control") && !headers.has("pragma") && !isConditional({ headers } as CacheHead);
}

/** The headers of a request that asks for the whole. */
export function unconditional(headers: Headers): Headers {
  const kept = new Headers(headers);
  kept.delete("if-none-match");
  kept.delete("if-modified-since");
  return kept;
}
