/** What a program's result means as an answer, by the form of the events that it is given. */
import type { EventForm } from "../../../../core/event_form.ts";
import { EventError, type HttpResult, httpResult } from "./http_event.ts";

/** The answer that a result stands for. @throws {EventError} when it stands for none */
export function resultOf(json: string, form: EventForm): HttpResult {
  if (form === "http") return httpResult(json);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new EventError("Cannot read the program's result: it is not JSON");
  }
  const isEvent = form === "cloudevent" && typeof value === "object" && value !== null && "specversion" in value;
  const type = isEvent ? "application/cloudevents+json" : "application/json";
  return { status: 200, headers: [["content-type", type]], body: Buffer.from(json) };
}

/** The answer that carries a result as it is, JSON or not. */
export function payloadOf(text: string): HttpResult {
  return { status: 200, headers: [["content-type", "application/json"]], body: Buffer.from(text) };
}
