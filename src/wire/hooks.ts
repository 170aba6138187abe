/**
 * What host and guest tell each other of middlewares: the question goes along as the invocation's arguments, the answer
 * comes as an answer whose head has one header more, which the host takes away.
 *
 * What a guest tells is checked here, by hand, before anything else sees it; a failed check is a `WireError`.
 */

import type { EventForm } from "../core/event_form.ts";
import type { Hook, Span } from "../core/middleware.ts";
import { WireError } from "./frame.ts";

/** The header in which a guest tells the host of hooks. */
export const HOOK_HEADER = "isopod-hook";

/** The most of a body that a middleware is given or gives, in bytes; as for Lambda's events. */
export const HOOK_BODY_BYTES_MAX = 6 * 1024 * 1024;

/** The same as the JSON that stands for it: base64, escapes, and what is around the body. */
export const HOOK_TEXT_BYTES_MAX = 2 * HOOK_BODY_BYTES_MAX;

/** What middlewares see beside the event. */
export interface HookContext {
  readonly request_id: string;
  /** Name of the function; the codeless endpoint's plan for programs. */
  readonly function: string;
  readonly version?: string;
  readonly method: string;
  readonly path: string;
  /** Milliseconds since the Unix epoch: when it began, and when it is ended. */
  readonly started_at_ms: number;
  readonly deadline_ms: number;
  /** After it: what it took, in milliseconds, and the code of what it failed of. */
  readonly duration_ms?: number;
  readonly error?: string;
}

/** Host to guest: run the hooks of this side. The invocation's head and body are the request's, or the answer's. */
export interface HookAsk {
  readonly hook: Hook;
  /** What they are given, where that is not what the guest has been told. */
  readonly form?: EventForm;
  /** What becomes of the event: the request that it stands for, the event itself, or a request's body alone. */
  readonly want: "request" | "event" | "body";
  /** Of the answer. */
  readonly status?: number;
  readonly context: HookContext;
}

/** Guest to host: what came of it. */
export interface HookTold {
  /** What head and body are: the request to go on with, the event in the body, or an answer. */
  readonly kind: "request" | "event" | "response";
  /** Of the request: path and query. */
  readonly method?: string;
  readonly target?: string;
  /** Times count from the beginning of the hooks. */
  readonly spans: readonly Span[];
}

/** Spans of one request that are kept. */
export const SPANS_MAX = 64;
const NAME_LENGTH_MAX = 128;
const ATTRIBUTES_MAX = 16;
const TEXT_LENGTH_MAX = 256;
const TARGET_LENGTH_MAX = 16_384;
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/;
const TARGET = /^\/[\x21-\x7e]*$/;

/** As the value of a header: JSON in which nothing but ASCII stands. */
export function encodeTold(told: HookTold): string {
  return JSON.stringify(told).replace(/[^\x20-\x7e]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Reads what a guest tells. @throws {WireError} */
export function parseTold(text: string | undefined): HookTold {
  let value: unknown;
  try {
    value = JSON.parse(text ?? "");
  } catch {
    throw new WireError("Cannot read what a guest tells of hooks: it is not JSON");
  }
  const { kind, method, target, spans } = (value ?? {}) as Record<string, unknown>;
  if (kind !== "request" && kind !== "event" && kind !== "response") {
    throw new WireError("Cannot read what a guest tells of hooks: there is no such kind");
  }
  if (kind === "request") {
    if (typeof method !== "string" || !METHOD.test(method)) throw new WireError("Cannot read hook: no method");
    if (typeof target !== "string" || target.length > TARGET_LENGTH_MAX || !TARGET.test(target)) {
      throw new WireError("Cannot read hook: the path is none");
    }
    return { kind, method, target, spans: readSpans(spans) };
  }
  return { kind, spans: readSpans(spans) };
}

/** The spans in what a guest tells; what is none is left out. */
export function readSpans(value: unknown): Span[] {
  if (!Array.isArray(value)) return [];
  return value.slice(0, SPANS_MAX).flatMap((each: unknown) => readSpan(each) ?? []);
}

function readSpan(value: unknown): Span | undefined {
  const { name, middleware, startMs, durationMs, attributes } = (value ?? {}) as Record<string, unknown>;
  if (typeof name !== "string" || typeof middleware !== "string") return undefined;
  if (!isTime(startMs) || !isTime(durationMs)) return undefined;
  const said = attributes === undefined ? undefined : readAttributes(attributes);
  return {
    name: name.slice(0, NAME_LENGTH_MAX),
    middleware: middleware.slice(0, NAME_LENGTH_MAX),
    ...{ startMs, durationMs },
    ...(said !== undefined && { attributes: said }),
  };
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 && value < 1e9;
}

function readAttributes(value: unknown): Span["attributes"] {
  if (typeof value !== "object" || value === null) return undefined;
  const kept: [string, string | number | boolean][] = [];
  for (const [name, each] of Object.entries(value).slice(0, ATTRIBUTES_MAX)) {
    if (typeof each === "string") kept.push([name.slice(0, NAME_LENGTH_MAX), each.slice(0, TEXT_LENGTH_MAX)]);
    else if (typeof each === "number" || typeof each === "boolean") kept.push([name.slice(0, NAME_LENGTH_MAX), each]);
  }
  return Object.fromEntries(kept);
}
