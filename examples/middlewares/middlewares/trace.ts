/** A module: a part of the function's own program. It measures, and tells the client what it has measured. */

/** What of `ctx` is used here. */
interface Ctx {
  readonly requestId: string;
  readonly durationMs: number;
  span(name: string, ms: number, attributes?: Record<string, unknown>): void;
}

/** After the function: its time as `Server-Timing`, which browsers show. */
export function after(response: Response, ctx: Ctx): void {
  response.headers.set("server-timing", `function;dur=${ctx.durationMs.toFixed(2)}`);
  ctx.span("orders", ctx.durationMs, { status: response.status });
}
