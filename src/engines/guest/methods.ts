/**
 * Exports of a function as methods (JSON-RPC): called with parameters, by position or as one object by name.
 *
 * A method reaches what a handler is given as `this.env` and `this.ctx`; one that is called by name also gets both
 * behind its object, as a handler does. What it returns is the result; an error with a whole number as its `code` is
 * an answer of its own, any other is the failure of the invocation.
 */

import { methodOf } from "./entries.ts";
import type { EvaluatedProgram, Handler } from "./evaluated.ts";
import { InvalidResult } from "./failures.ts";

/** How an answer says what it holds; the host reads it and hands on none of it. */
const KIND = { missing: 404, result: 200, error: 400 } as const;

/** A handler that calls the method `name` with the arguments of its invocation. */
export function methodHandler({ exported, own }: EvaluatedProgram, name: string): Handler {
  return async (_request, env, ctx) => {
    const method = methodOf(exported, own, name);
    if (typeof method !== "function") return new Response(null, { status: KIND.missing });
    const { args } = ctx;
    const self = { env, ctx };
    try {
      const result: unknown = await (Array.isArray(args) ? method.apply(self, args) : callByName(method, self, args));
      return new Response(toJson(result), { status: KIND.result });
    } catch (thrown) {
      if (!(thrown instanceof Error) || !("code" in thrown) || !Number.isInteger(thrown.code)) throw thrown;
      const { code, message } = thrown;
      const data = "data" in thrown ? thrown.data : undefined;
      return new Response(toJson({ code, message, data }), { status: KIND.error });
    }
  };
}

function callByName(method: unknown, own: { env: unknown; ctx: unknown }, args: unknown): unknown {
  const call = method as (...all: unknown[]) => unknown;
  return args === undefined ? call.call(own) : call.call(own, args, own.env, own.ctx);
}

function toJson(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "null";
  } catch (error) {
    throw new InvalidResult(`Cannot send the result as JSON: ${error instanceof Error ? error.message : error}`);
  }
}
