/**
 * Programs behind the response cache: the same code with the same arguments and input, under the same plan of the same
 * project.
 */
import type { BrowserProgram } from "../../core/browser_program.ts";
import type { Program } from "../../core/function.ts";
import type { Body, HeaderList, InvocationResponse } from "../../core/invocation.ts";
import type { WasmProgram } from "../../core/wasm_program.ts";
import { hashOf } from "../../stdx/hash.ts";
import type { Sender } from "../admission.ts";
import { type Habit, newHabit } from "./habits.ts";
import { untagged } from "./kept_headers.ts";
import { lifetimeOf } from "./policy.ts";
import type { ResponseCache } from "./response_cache.ts";
import { readShort } from "./short_input.ts";

/** A run of a program whose answer may be kept. */
export interface ProgramRun {
  readonly project: string;
  readonly plan: string;
  readonly program: Program | WasmProgram | BrowserProgram;
  readonly url: string;
  readonly input: Body;
  /** All else that its answer may come from. */
  readonly given: unknown;
  readonly headers: Headers;
  readonly sender: Sender;
  /** Reads the input within the limits of the run. @throws {IsopodError} */
  within<T>(read: (signal: AbortSignal) => Promise<T>): Promise<T>;
  invoke(input: Body, more: HeaderList, sender: Sender): Promise<InvocationResponse>;
}

/** The largest input that may be part of what names an answer; with a larger one a program always runs. */
const INPUT_BYTES_MAX = 256 * 1024;
/** Programs whose habits are remembered: those of which an answer was for keeping. Most run once, and say nothing of it. */
const HABITS_MAX = 10_000;
const habits = new Map<string, Habit>();
const names = new WeakMap<Program | WasmProgram | BrowserProgram, string>();
const NOTHING: HeaderList = [];

/** Answers from the cache, or by running the program. @throws {IsopodError} */
export async function answerCachedProgram(cache: ResponseCache, run: ProgramRun): Promise<InvocationResponse> {
  const { project, plan, url, given, sender } = run;
  const code = nameOf(run.program);
  // The key is who calls, which the plan and the project stand for.
  const headers = new Headers(run.headers);
  headers.delete("authorization");
  const name = `${project} ${plan} ${code}`;
  const habit = habits.get(name) ?? newHabit();
  try {
    // The input of a program that has kept nothing so far is not worth reading before it runs.
    if (!habit.ever && run.input instanceof ReadableStream) {
      const response = await run.invoke(run.input, NOTHING, sender);
      const head = { method: "GET", url, headers };
      habit.ever = lifetimeOf(head, response.status, response.headers, Date.now()) !== undefined;
      return untagged(response);
    }
    const { body, isWhole } = await run.within((signal) => readShort(run.input, INPUT_BYTES_MAX, signal));
    if (!isWhole) return await run.invoke(body, NOTHING, sender);
    const named = JSON.stringify([code, url, given, body instanceof Uint8Array ? hashOf(body) : null]);
    return await cache.through({
      ...{ key: `/run ${project} ${plan} ${hashOf(named)}`, project },
      ...{ functionName: undefined, method: "GET", url, headers, habit, sender },
      invoke: (more, until) => run.invoke(body, more, until),
    });
  } finally {
    if (habit.ever) remember(name, habit);
  }
}

/** Of all the code, what it imports included: two programs with the same first file may import different ones. */
function nameOf(program: Program | WasmProgram | BrowserProgram): string {
  let name = names.get(program);
  if (name === undefined) {
    const [language, code] =
      program.kind === "wasm" ? [`wasm ${program.settings?.abi}`, program.hash] : [languageOf(program), program.code];
    name = hashOf([language, program.name, code].join("\0"));
    names.set(program, name);
  }
  return name;
}

function languageOf(program: Program | BrowserProgram): string {
  return program.kind === "browser" ? "browser" : program.language;
}

function remember(name: string, habit: Habit): void {
  habits.delete(name);
  if (habits.size >= HABITS_MAX) habits.delete(habits.keys().next().value ?? "");
  habits.set(name, habit);
}
