/**
 * A module as a middleware in a process of its own, for what cannot hold it in its own program: it takes the lines of the
 * persistent contract. The server reads this file as text alone; it is bundled with the module.
 */
import { isAnswer, type MiddlewareModule, type ModuleContext, stopwatch, toResponse, toResult } from "./module_hook.ts";

interface Line {
  readonly id: number;
  readonly hook: "before" | "after";
  readonly event?: unknown;
  readonly response?: unknown;
  readonly ctx: Readonly<Record<string, unknown>>;
}

/** What hooks of one request leave for one another, of the last requests. */
const states = new Map<string, Record<string, unknown>>();
const STATES_MAX = 1000;

/** Answers lines until there are no more. */
export default async function serve(name: string, module: MiddlewareModule): Promise<void> {
  if (typeof module.before !== "function" && typeof module.after !== "function") {
    throw new TypeError(`Cannot use the middleware "${name}": it exports neither before nor after`);
  }
  const output = Bun.stdout.writer();
  // What modules print is the log.
  console.log = console.error;
  console.info = console.error;
  console.debug = console.error;
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of Bun.stdin.stream()) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const text of lines) {
      const line = JSON.parse(text) as Line;
      void answer(line, module).then((said) => {
        output.write(`${JSON.stringify({ id: line.id, ...said })}\n`);
        output.flush();
      });
    }
  }
}

async function answer(line: Line, module: MiddlewareModule): Promise<object> {
  const watch = stopwatch();
  const context = contextOf(line.ctx, watch);
  try {
    const said = line.hook === "before" ? await before(line, module, context) : await after(line, module, context);
    return watch.spans.length === 0 ? said : { ...said, spans: watch.spans };
  } catch (error) {
    console.error(error);
    return { error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  }
}

async function before({ event }: Line, module: MiddlewareModule, context: ModuleContext): Promise<object> {
  const said = await module.before?.(event, context);
  if (isAnswer(said)) return { ok: event, response: await toResult(toResponse(said)) };
  return { ok: said === undefined ? event : said };
}

async function after({ response, ctx }: Line, module: MiddlewareModule, context: ModuleContext): Promise<object> {
  const isResult = typeof response === "object" && response !== null && "statusCode" in response;
  const given = isResult ? toResponse(response) : response;
  const said = (await module.after?.(given, context)) ?? given;
  states.delete(String(ctx["request_id"]));
  return { ok: said instanceof Response ? await toResult(said) : said };
}

function contextOf(ctx: Line["ctx"], { span, time }: Pick<ModuleContext, "span" | "time">): ModuleContext {
  const requestId = String(ctx["request_id"]);
  const state = states.get(requestId) ?? {};
  states.set(requestId, state);
  if (states.size > STATES_MAX) states.delete(states.keys().next().value ?? "");
  return {
    ...{ requestId, method: String(ctx["method"]), path: String(ctx["path"]), state, env: process.env, span, time },
    function: { name: String(ctx["function"]), version: String(ctx["version"]) },
    startedAt: Number(ctx["started_at_ms"]),
    deadline: Number(ctx["deadline_ms"]),
    ...(ctx["duration_ms"] !== undefined && { durationMs: Number(ctx["duration_ms"]) }),
    ...(ctx["error"] !== undefined && { error: String(ctx["error"]) }),
  };
}
