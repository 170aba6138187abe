/**
 * What middlewares say: the event or the answer to go on with, and in its member `isopod` what is for the platform alone,
 * an answer that ends the request, and spans.
 */

import type { EventForm } from "../../../../core/event_form.ts";
import type { Hook, Span } from "../../../../core/middleware.ts";
import { readSpans } from "../../../../wire/hooks.ts";
import { checkEvent } from "../events/event_request.ts";

/** What a middleware did wrong; the code is one of the catalogue. */
export class HookError extends Error {
  override name = "HookError";
  readonly code: string;

  constructor(
    code: "middleware_failed" | "middleware_invalid" | "middleware_limit" | "middleware_timeout",
    why: string,
  ) {
    super(why);
    this.code = code;
  }
}

/** What a middleware said. */
export interface HookAnswer {
  /** What to go on with. */
  readonly value: unknown;
  /** The answer that it gives: before a function in its place, after it whatever form results have. */
  readonly response?: { readonly value: unknown } | undefined;
  readonly spans: readonly Span[];
}

/** Takes what is the platform's out of what a middleware said. @throws {HookError} when it is none of what it may be */
export function readAnswer(value: unknown, middleware: string, hook: Hook, form: EventForm, atMs: number): HookAnswer {
  if (!isObject(value)) return { value: hook === "before" ? eventOf(value, middleware, form) : value, spans: [] };
  const { isopod, ...rest } = value;
  const told = isObject(isopod) ? isopod : undefined;
  const kept = told === undefined ? value : rest;
  const spans = told === undefined ? [] : ownSpans(told["spans"], middleware, atMs);
  if (told?.["response"] !== undefined) return { value: kept, response: { value: told["response"] }, spans };
  if (hook === "after") return { value: kept, spans };
  // No event has a status: this is an answer.
  if (form !== "json" && "statusCode" in kept) return { value: kept, response: { value: kept }, spans };
  return { value: eventOf(kept, middleware, form), spans };
}

function eventOf(value: unknown, middleware: string, form: EventForm): unknown {
  try {
    checkEvent(value, form);
    return value;
  } catch (error) {
    throw new HookError("middleware_invalid", `${middleware} before gave ${(error as Error).message}.`);
  }
}

/** Spans as middlewares write them: `{name, start_ms?, ms, attributes?}`, counted from the hook's beginning. */
export function ownSpans(value: unknown, middleware: string, atMs: number): Span[] {
  if (!Array.isArray(value)) return [];
  const spans = value.slice(0, 64).map((each: unknown) => {
    const { name, start_ms: start = 0, ms, attributes } = isObject(each) ? each : {};
    return { name, middleware, startMs: atMs + Number(start), durationMs: ms, attributes };
  });
  return readSpans(spans);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
