/** Programs behind the response cache: the same program with the same arguments, under the same plan of the same project. */
import type { InvocationResponse } from "../../core/invocation.ts";
import { hashOf } from "../../stdx/hash.ts";
import type { Habit } from "./request.ts";
import type { ResponseCache } from "./response_cache.ts";

/** A run of a program whose answer may be kept. */
export interface ProgramRun {
  readonly project: string;
  readonly plan: string;
  /** `sha256-<hex>` of the program. */
  readonly hash: string;
  readonly url: string;
  /** All else that its answer may come from. */
  readonly given: unknown;
  readonly headers: Headers;
  readonly sender: { readonly signal: AbortSignal };
  invoke(): Promise<InvocationResponse>;
}

/** Programs whose habits are remembered. */
const HABITS_MAX = 10_000;
const habits = new Map<string, Habit>();

/** Answers from the cache, or by running the program. @throws {IsopodError} */
export function answerCachedProgram(cache: ResponseCache, run: ProgramRun): Promise<InvocationResponse> {
  const { project, plan, hash, url, given, sender } = run;
  // The key is who calls, which the plan and the project stand for.
  const headers = new Headers(run.headers);
  headers.delete("authorization");
  return cache.through({
    ...{ key: `/run ${project} ${plan} ${hashOf(JSON.stringify([hash, url, given]))}`, project },
    ...{ functionName: undefined, method: "GET", url, headers, habit: habitOf(`${project} ${hash}`), sender },
    invoke: () => run.invoke(),
  });
}

function habitOf(name: string): Habit {
  const known = habits.get(name);
  if (known !== undefined) return known;
  if (habits.size >= HABITS_MAX) habits.delete(habits.keys().next().value ?? "");
  const habit: Habit = { kept: false, notKept: undefined };
  habits.set(name, habit);
  return habit;
}
