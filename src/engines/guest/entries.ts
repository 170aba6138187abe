/**
 * The ways into a function that are not its `fetch`: methods that other functions call, and the events of schedules and
 * queues, as Cloudflare hands them to `scheduled` and `queue`.
 *
 * What is handed over is the request's body; what the function made of it is the answer's.
 */
import type { InvocationContext } from "../../core/guest.ts";
import type { RequestHead } from "../../wire/heads.ts";
import { decodeTagged, encodeTagged } from "../../wire/tagged.ts";
import type { EvaluatedProgram, Handler } from "./evaluated.ts";
import { InvalidResult } from "./failures.ts";
import { type QueueEvent, queueBatch } from "./queue_batch.ts";

/** What the answer's status says: the host reads it. */
const MISSING = 404;
const THREW = 500;

/** Members of the default export that are ways in themselves, and never methods. */
const HANDLERS = new Set(["fetch", "scheduled", "queue", "email", "tail", "trace", "alarm"]);

/** The handler of an entry. */
export function entryHandler({ exported, own, handler }: EvaluatedProgram, head: RequestHead): Handler {
  if (head.x === "rpc") return rpcHandler(exported, own, head.f ?? "");
  const member = own[head.x ?? ""];
  // What a schedule sends is a request, too: a function without a handler for it answers it like any other.
  if (typeof member !== "function" && head.x === "scheduled") return handler;
  if (typeof member !== "function") return () => new Response(null, { status: MISSING });
  const call = member as (event: unknown, env: unknown, ctx: InvocationContext) => unknown;
  return async (request, env, ctx) => {
    const event = (await request.json()) as object;
    if (head.x === "queue") {
      const { batch, outcome } = queueBatch(event as QueueEvent);
      try {
        await call.call(own, batch, env, ctx);
        return Response.json(outcome(true));
      } catch (thrown) {
        // What it had said of messages before counts.
        console.error(thrown);
        return Response.json(outcome(false), { status: THREW });
      }
    }
    await call.call(own, Object.assign(event, { type: "scheduled", noRetry() {} }), env, ctx);
    return Response.json({});
  };
}

/** A method of the module: a function that it exports by that name, or that its default export has. */
export function methodOf(exported: Readonly<Record<string, unknown>>, own: object, name: string): unknown {
  if (name === "default" || HANDLERS.has(name)) return undefined;
  if (Object.hasOwn(exported, name)) return exported[name];
  return Object.hasOwn(own, name) ? (own as Record<string, unknown>)[name] : undefined;
}

function rpcHandler(exported: Readonly<Record<string, unknown>>, own: object, name: string): Handler {
  return async (request, env, ctx) => {
    const method = methodOf(exported, own, name);
    if (typeof method !== "function") return new Response(null, { status: MISSING });
    const args = decodeTagged(await request.text()) as unknown[];
    let result: unknown;
    try {
      result = await method.apply({ env, ctx }, args);
    } catch (thrown) {
      console.error(thrown);
      return new Response(encodeThrown(thrown), { status: THREW });
    }
    try {
      return new Response(encodeTagged(result));
    } catch (error) {
      throw new InvalidResult(error instanceof Error ? error.message : String(error));
    }
  };
}

function encodeThrown(thrown: unknown): string {
  try {
    return encodeTagged(thrown);
  } catch {
    return encodeTagged(new Error("The method threw a value that cannot be sent"));
  }
}
