/** Which handler a program has: what its export comes down to, and what else an invocation may enter by. */
import type { RequestHead } from "../../wire/heads.ts";
import { entryHandler } from "./entries.ts";
import type { EvaluatedProgram, Handler } from "./evaluated.ts";
import { methodHandler } from "./methods.ts";

/** The exported object itself; an empty one when it is a function. */
export function objectOf(exported: unknown): Readonly<Record<string, unknown>> {
  return typeof exported === "object" && exported !== null ? (exported as Record<string, unknown>) : {};
}

/** Members of an object with which it is a function, though it has no `fetch`. */
const EVENT_HANDLERS = ["scheduled", "queue"];

/** A handler from what was exported: a function, or an object with a `fetch`. @throws {TypeError} when it is neither */
export function asHandler(exported: unknown, name: string): Handler {
  if (typeof exported === "function") return exported as Handler;
  const own = objectOf(exported);
  if (!("fetch" in own) && EVENT_HANDLERS.some((event) => typeof own[event] === "function")) {
    return () => new Response("This function answers events and no requests\n", { status: 404 });
  }
  if (
    typeof exported === "object" &&
    exported !== null &&
    "fetch" in exported &&
    typeof exported.fetch === "function"
  ) {
    return (request, env, context) => (exported as { fetch: Handler }).fetch(request, env, context);
  }
  throw new TypeError(`Cannot use the ${name} export: expected a function, or an object with a fetch function`);
}

/** The handler for an invocation: its own entrance, or the program's handler when it has none. */
export function handlerFor(program: EvaluatedProgram, entrance: RequestHead | undefined): Handler {
  if (entrance === undefined) return program.handler;
  return entrance.x === undefined ? methodHandler(program, entrance.f ?? "") : entryHandler(program, entrance);
}
