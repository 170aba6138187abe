/**
 * Events back into requests, and answers into results: what middlewares are given, and what comes of what they give.
 *
 * What an event has as it was made is taken from the request itself, so that what an event cannot say (the order of headers,
 * an encoded slash) is lost only where a middleware has changed it.
 */
import type { EventForm } from "../../../../core/event_form.ts";
import type { Pairs } from "../../../../wire/heads.ts";
import { bodyText, EventError, type HttpRequest, type HttpResult, httpEvent, httpResult } from "./http_event.ts";

/** A request as an event says it is. */
export interface EventRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: [string, string][];
  readonly body: Uint8Array;
}

const BODILESS = new Set(["GET", "HEAD"]);

/** What each form of event has, and nothing else that a middleware may give. */
const MEMBERS = { http: ["rawPath", "requestContext"], cloudevent: ["specversion"] } as const;

/**
 * Whether what a middleware gave before a function is an event of this form; an answer has been told from it before.
 * Whoever means to refuse a request, and does not say so as an answer is said, must not let it pass.
 * @throws {EventError} when it is none
 */
export function checkEvent(value: unknown, form: EventForm): void {
  if (form === "json") return;
  const members: readonly string[] = MEMBERS[form];
  if (typeof value === "object" && value !== null && members.some((name) => name in value)) return;
  const shown = (JSON.stringify(value) ?? String(value)).slice(0, 120);
  throw new EventError(
    `neither an event nor an answer: ${shown} has no ${members.join(" or ")}, as an event has, and no statusCode, as an answer has`,
  );
}

/** The request that an event stands for, which was made of `request`. @throws {EventError} when it stands for none */
export function eventRequest(value: unknown, request: HttpRequest): EventRequest {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new EventError("Cannot make a request of the event: it is no object");
  }
  const event = value as Record<string, unknown>;
  const made = httpEvent({ ...request, body: NOTHING });
  const http = recordOf(recordOf(event["requestContext"])["http"]);
  const method = http["method"] === undefined ? request.method : textOf(http["method"], "method");
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/.test(method)) {
    throw new EventError(`Cannot make a request of the event: its method is ${quote(method)}`);
  }
  const body = bodyOf(event, "event");
  return {
    method,
    target: pathOf(event, made, request) + queryOf(event, made),
    headers: headersOf(event, made, request.headers),
    body: BODILESS.has(method.toUpperCase()) ? NOTHING : body,
  };
}

/** An answer as functions give it: what middlewares are given after them. */
export function resultOf({ status, headers, body }: HttpResult): Record<string, unknown> {
  const folded = new Map<string, string>();
  const cookies: string[] = [];
  for (const [given, value] of headers) {
    const name = given.toLowerCase();
    const before = folded.get(name);
    if (name === "set-cookie") cookies.push(value);
    else folded.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  const { text = "", isBase64Encoded } = bodyText(body, folded.get("content-type"));
  return {
    statusCode: status,
    headers: Object.fromEntries(folded),
    ...(cookies.length > 0 && { cookies }),
    body: text,
    isBase64Encoded,
  };
}

/** The answer that a result stands for. @throws {EventError} when it stands for none */
export function answerOf(value: unknown): HttpResult {
  const answer = httpResult(JSON.stringify(value) ?? "null");
  const isResult = typeof value === "object" && value !== null && "statusCode" in value;
  if (!isResult) return answer;
  // What a function leaves out stands for JSON; what was there before a middleware, and had no type, has none.
  const { headers, multiValueHeaders } = value as Record<string, unknown>;
  const names = [...Object.keys(recordOf(headers)), ...Object.keys(recordOf(multiValueHeaders))];
  const isTyped = names.some((name) => name.toLowerCase() === "content-type");
  return isTyped ? answer : { ...answer, headers: answer.headers.filter(([name]) => name !== "content-type") };
}

function pathOf(event: Record<string, unknown>, made: Record<string, unknown>, request: HttpRequest): string {
  const { rawPath } = event;
  if (rawPath === undefined || rawPath === made["rawPath"]) return new URL(request.url).pathname;
  const path = textOf(rawPath, "rawPath");
  if (!path.startsWith("/")) throw new EventError(`Cannot make a request of the event: its path is ${quote(path)}`);
  return encodeURI(path.toWellFormed()).replace(/[?#]/g, encodeURIComponent);
}

/** By the raw query where that was changed, else by the parameters where those were. */
function queryOf(event: Record<string, unknown>, made: Record<string, unknown>): string {
  const { rawQueryString, queryStringParameters } = event;
  let query = String(made["rawQueryString"]);
  if (rawQueryString !== undefined && rawQueryString !== query) {
    query = textOf(rawQueryString, "rawQueryString");
  } else if (JSON.stringify(queryStringParameters) !== JSON.stringify(made["queryStringParameters"])) {
    const pairs = Object.entries(recordOf(queryStringParameters)).map(([name, value]) => [name, String(value)]);
    query = new URLSearchParams(pairs as [string, string][]).toString();
  }
  const clean = query
    .replace(/[^\x21-\x7e]/g, (part) => encodeURIComponent(part.toWellFormed()))
    .replaceAll("#", "%23");
  return clean === "" ? "" : `?${clean}`;
}

function headersOf(event: Record<string, unknown>, made: Record<string, unknown>, own: Pairs): [string, string][] {
  const before = recordOf(made["headers"]);
  const after = recordOf(event["headers"]);
  const lower = new Map(Object.entries(after).map(([name, value]) => [name.toLowerCase(), value]));
  const sameCookies = JSON.stringify(event["cookies"] ?? []) === JSON.stringify(made["cookies"] ?? []);
  const headers: [string, string][] = [];
  const kept = new Set<string>();
  for (const [given, value] of own) {
    const name = given.toLowerCase();
    if (name === "cookie" ? !sameCookies : lower.get(name) !== before[name]) continue;
    headers.push([name, value]);
    kept.add(name);
  }
  for (const [name, value] of lower) {
    if (kept.has(name) || name === "cookie") continue;
    headers.push([checkName(name), checkValue(name, value)]);
  }
  if (sameCookies) return headers;
  const cookies = Array.isArray(event["cookies"]) ? event["cookies"] : [];
  if (cookies.length > 0) headers.push(["cookie", checkValue("cookie", cookies.join("; "))]);
  return headers;
}

function checkName(name: string): string {
  if (/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/.test(name)) return name;
  throw new EventError(`Cannot make a request of the event: its header ${quote(name)} is none`);
}

function checkValue(name: string, value: unknown): string {
  const isPlain = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
  if (isPlain && !/[\0\r\n]|[^\0-\xff]/.test(String(value))) return String(value);
  throw new EventError(`Cannot make a request of the event: its header ${quote(name)} has no value that can be sent`);
}

function bodyOf({ body, isBase64Encoded }: Record<string, unknown>, what: string): Uint8Array {
  if (body === undefined || body === null) return NOTHING;
  if (typeof body === "object") return Buffer.from(JSON.stringify(body));
  if (typeof body !== "string") throw new EventError(`Cannot read the body of the ${what}: it is no text`);
  return Buffer.from(body, isBase64Encoded === true ? "base64" : "utf8");
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function textOf(value: unknown, name: string): string {
  if (typeof value === "string") return value;
  throw new EventError(`Cannot make a request of the event: its ${name} is no text`);
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}

const NOTHING = new Uint8Array(0);
