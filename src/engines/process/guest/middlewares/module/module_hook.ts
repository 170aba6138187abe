/**
 * What modules that are middlewares are given, and what they give: the same in the function's own program and in a process
 * of their own. The server reads this file as text alone; it is bundled with the modules.
 */
import { answerOf, resultOf } from "../../events/event_request.ts";

/** A module that is a middleware. */
export interface MiddlewareModule {
  before?(event: unknown, ctx: ModuleContext): unknown;
  after?(response: unknown, ctx: ModuleContext): unknown;
}

/** Its second argument, of both hooks of one request. */
export interface ModuleContext {
  readonly requestId: string;
  readonly function: { readonly name: string; readonly version: string } | undefined;
  readonly method: string;
  readonly path: string;
  /** Milliseconds since the Unix epoch: when it began, and when it is ended. */
  readonly startedAt: number;
  readonly deadline: number;
  /** After it: what it took, in milliseconds, and what it failed of. */
  durationMs?: number | undefined;
  error?: string | undefined;
  /** Variables; in the function's own program also what is bound. */
  readonly env: unknown;
  /** What `before` leaves for `after`, where both run in one process. */
  readonly state: Record<string, unknown>;
  /** Says that a part of the request's time went to something. */
  span(name: string, ms: number, attributes?: Record<string, unknown>): void;
  /** Measures what it calls. */
  time<T>(name: string, work: () => T | Promise<T>): Promise<T>;
}

/** A span as middlewares write it. */
export interface WrittenSpan {
  readonly name: string;
  readonly start_ms: number;
  readonly ms: number;
  readonly attributes?: Record<string, unknown> | undefined;
}

/** What measuring takes: spans count from the moment at which it is made. */
export function stopwatch(): { readonly spans: WrittenSpan[] } & Pick<ModuleContext, "span" | "time"> {
  const startedAt = performance.now();
  const spans: WrittenSpan[] = [];
  const span: ModuleContext["span"] = (name, ms, attributes) => {
    spans.push({ name, start_ms: Math.max(0, performance.now() - startedAt - ms), ms, attributes });
  };
  return {
    spans,
    span,
    async time(name, work) {
      const began = performance.now();
      try {
        return await work();
      } finally {
        span(name, performance.now() - began);
      }
    },
  };
}

/** Whether what `before` gave is an answer in the function's place. */
export function isAnswer(said: unknown): boolean {
  if (said instanceof Response) return true;
  return typeof said === "object" && said !== null && "statusCode" in said;
}

/** A result, or whatever else a middleware gives for an answer, as a response. @throws {Error} when it is none */
export function toResponse(value: unknown): Response {
  if (value instanceof Response) return value;
  const { status, headers, body } = answerOf(value);
  const isBodiless = status === 204 || status === 205 || status === 304;
  return new Response(isBodiless ? null : (body as Uint8Array<ArrayBuffer>), { status, headers });
}

/** A response as a result. */
export async function toResult(response: Response): Promise<Record<string, unknown>> {
  const body = new Uint8Array(await response.arrayBuffer());
  return resultOf({ status: response.status, headers: [...response.headers], body });
}
