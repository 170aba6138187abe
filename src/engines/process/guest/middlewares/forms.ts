/** What middlewares are given of an answer, and small parts of how that is told. */
import type { EventForm } from "../../../../core/event_form.ts";
import type { Pairs } from "../../../../wire/heads.ts";
import type { HookAsk } from "../../../../wire/hooks.ts";
import { resultOf } from "../events/event_request.ts";
import type { HttpResult } from "../events/http_event.ts";

/** What middlewares are given of what a function answered. */
export interface GivenResult {
  readonly value: unknown;
  /** Whether it is JSON that looks like an answer and is none: its member `statusCode` is the function's own business. */
  readonly isData: boolean;
}

/** What a function answered: its JSON where it is given JSON, else status, headers and body. */
export function givenResult({ status = 200 }: HookAsk, form: EventForm, head: Pairs, body: Uint8Array): GivenResult {
  const headers = head as [string, string][];
  const type = headers.find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? "";
  if (form !== "http" && status === 200 && /\bjson\b/i.test(type)) {
    try {
      const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
      return { value, isData: typeof value === "object" && value !== null && "statusCode" in value };
    } catch {
      // Not the JSON that it says it is: an answer like any other.
    }
  }
  return { value: resultOf({ status, headers, body }), isData: false };
}

/** The answer that carries JSON as it is, whatever members it has. */
export function dataAnswer(value: unknown): HttpResult {
  return { status: 200, headers: [["content-type", "application/json"]], body: encode(value) };
}

/** Whether a header says something of the body. */
export function isOfBody(name: string): boolean {
  return /^content-(type|length|encoding)$/i.test(name);
}

/** JSON as bytes. */
export function encode(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value) ?? "null");
}

/** A time, without digits that say nothing. */
export function short(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
