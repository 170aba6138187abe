/**
 * Middlewares as a part of the program of a script: what wraps its default export. The server reads this file as text
 * alone; it is bundled with the function, and runs in its sandbox.
 *
 * The body of a request is collected only where a middleware has `before`; the answer of a function is handed on as the
 * `Response` that it is, and streams.
 */
import type { InvocationContext } from "../../../../../core/guest.ts";
import { checkEvent, eventRequest } from "../../events/event_request.ts";
import { httpEvent } from "../../events/http_event.ts";
import { asResponse, bodyOf, collectAfter, isSocket, NOTHING, told, tooLarge } from "./bodies.ts";
import { isAnswer, type MiddlewareModule, type ModuleContext, stopwatch, toResponse } from "./module_hook.ts";

type Fetch = (request: Request, env: unknown, ctx: InvocationContext) => unknown;
type Named = readonly [name: string, module: MiddlewareModule];

const HOOK_HEADER = "isopod-hook";

function eventOf(name: string, said: unknown, form: "http" | "json"): unknown {
  try {
    checkEvent(said, form);
    return said;
  } catch (cause) {
    throw new TypeError(`The middleware "${name}" gave ${(cause as Error).message}`);
  }
}

/** The default export with its middlewares around it: as it was, but for requests. */
export default function around(exported: unknown, list: readonly Named[], order: "reverse" | "same"): unknown {
  for (const [name, { before, after }] of list) {
    if (typeof before === "function" || typeof after === "function") continue;
    throw new TypeError(`Cannot use the middleware "${name}": it exports neither before nor after`);
  }
  if (typeof exported === "function") return wrap((...args) => (exported as Fetch)(...args), list, order);
  if (typeof exported !== "object" || exported === null || !("fetch" in exported)) {
    throw new TypeError("Cannot run middlewares around the function: its default export has no fetch");
  }
  const own = exported as { fetch: Fetch };
  const fetch = wrap((...args) => own.fetch(...args), list, order);
  return new Proxy(exported, {
    get: (target, key) => (key === "fetch" ? fetch : Reflect.get(target, key, target)),
  });
}

function wrap(call: Fetch, list: readonly Named[], order: "reverse" | "same"): Fetch {
  const isAsked = list.some(([, { before }]) => typeof before === "function");
  return async (request, env, ctx) => {
    const round = new Round(list, order, request, env, ctx);
    // The events of schedules and queues, and what the invoke API hands over, are no requests.
    const asked = isAsked ? await round.before(request) : request;
    if (asked instanceof Response) return round.told(asked);
    const began = performance.now();
    let result: unknown;
    try {
      result = await call(asked, env, ctx);
    } catch (thrown) {
      round.failed(thrown, performance.now() - began);
      throw thrown;
    }
    const response = asResponse(result);
    if (response === undefined) return result;
    return round.told(await round.after(response, list, performance.now() - began));
  };
}

class Round {
  readonly #list: readonly Named[];
  readonly #order: "reverse" | "same";
  readonly #contexts: ModuleContext[];
  readonly #watch = stopwatch();
  readonly #ctx: InvocationContext;
  #owner = "";
  readonly #spans: { name: string; middleware: string; startMs: number; durationMs: number }[] = [];
  readonly #startedAt = performance.now();

  constructor(
    list: readonly Named[],
    order: "reverse" | "same",
    request: Request,
    env: unknown,
    ctx: InvocationContext,
  ) {
    this.#list = list;
    this.#order = order;
    this.#ctx = ctx;
    const { requestId, deadline } = ctx;
    const shown = { requestId, deadline, function: ctx.function, startedAt: Date.now(), env };
    const asked = { method: request.method, path: new URL(request.url).pathname };
    this.#contexts = list.map(([name]) => ({
      ...{ ...shown, ...asked, state: {}, time: this.#watch.time },
      span: (label, ms, attributes) => {
        this.#owner = name;
        this.#watch.span(label, ms, attributes);
      },
    }));
  }

  /** The request to go on with, or the answer in the function's place. */
  async before(request: Request): Promise<Request | Response> {
    const { requestId, params } = this.#ctx;
    const body = request.body === null ? NOTHING : await bodyOf(request);
    if (body === undefined) return tooLarge(requestId);
    const { method, url } = request;
    const headers = [...request.headers] as [string, string][];
    const given = { requestId, method, url, headers, params, body, now: Date.now() };
    // What the invoke API hands over is an event already.
    const isPayload = (this.#ctx.args as { readonly lambda?: unknown } | undefined)?.lambda !== undefined;
    let event: unknown = isPayload ? JSON.parse(new TextDecoder().decode(body) || "{}") : httpEvent(given);
    const text = told(event);
    collectAfter(body.length);
    for (const [at, [name, { before }]] of this.#list.entries()) {
      if (typeof before !== "function") continue;
      const said = await this.#measured(at, "before", () => before(event, this.#contexts[at] as ModuleContext));
      if (said instanceof Response || (!isPayload && isAnswer(said)))
        return this.after(this.#responseOf(name, said), this.#list.slice(0, at));
      if (said !== undefined) event = eventOf(name, said, isPayload ? "json" : "http");
    }
    if (told(event) === text) {
      return body === NOTHING ? request : new Request(request, { body: body as Uint8Array<ArrayBuffer> });
    }
    if (isPayload) return new Request(request, { body: JSON.stringify(event) ?? "null" });
    const next = eventRequest(event, given);
    const init: RequestInit = { method: next.method, headers: next.headers };
    if (next.body.length > 0) init.body = next.body as Uint8Array<ArrayBuffer>;
    // Behind the origin as it came: a path that begins with two slashes would otherwise name another host.
    return new Request(new URL(new URL(url).origin + next.target).href, init);
  }

  /** The answer as the middlewares of `list` leave it. */
  async after(response: Response, list: readonly Named[], durationMs?: number): Promise<Response> {
    // What a WebSocket says is no answer.
    if (isSocket(response)) return response;
    const entries = [...list.entries()];
    let answer = response;
    for (const [at, [name, { after }]] of this.#order === "same" ? entries : entries.reverse()) {
      if (typeof after !== "function") continue;
      const context = this.#contexts[at] as ModuleContext;
      context.durationMs = durationMs;
      const said = await this.#measured(at, "after", () => after(answer, context));
      if (said !== undefined) answer = this.#responseOf(name, said);
    }
    return answer;
  }

  /** Shows what the function threw; nobody waits for what they make of it. */
  failed(thrown: unknown, durationMs: number): void {
    const message = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : "The program threw.";
    const error = { code: "uncaught_exception", message, request_id: this.#ctx.requestId };
    for (const context of this.#contexts) context.error = error.code;
    this.after(Response.json({ error }, { status: 500 }), this.#list, durationMs).catch((cause) =>
      console.error(cause),
    );
  }

  /** Tells the host what took its time. */
  told(response: Response): Response {
    if (isSocket(response) || this.#spans.length === 0) return response;
    const text = JSON.stringify(this.#spans.slice(0, 64)).replace(/[^\x20-\x7e]/g, "?");
    const headers = new Headers(response.headers);
    headers.set(HOOK_HEADER, text);
    const { status, statusText, body } = response;
    return new Response(body, { status, statusText, headers });
  }

  #responseOf(name: string, said: unknown): Response {
    try {
      return toResponse(said);
    } catch (cause) {
      throw new TypeError(`The middleware "${name}" gave no answer: ${cause instanceof Error ? cause.message : cause}`);
    }
  }

  async #measured(at: number, hook: string, call: () => unknown): Promise<unknown> {
    const name = this.#list[at]?.[0] ?? "";
    const startMs = performance.now() - this.#startedAt;
    this.#owner = name;
    try {
      return await call();
    } finally {
      for (const { name: label, start_ms, ms, ...more } of this.#watch.spans.splice(0)) {
        this.#spans.push({ name: label, middleware: this.#owner, startMs: start_ms, durationMs: ms, ...more });
      }
      const durationMs = performance.now() - this.#startedAt - startMs;
      this.#spans.push({ name: `${name}.${hook}`, middleware: name, startMs, durationMs });
    }
  }
}
