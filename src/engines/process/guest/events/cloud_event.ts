/**
 * HTTP requests as CloudEvents 1.0, in the JSON format (structured content).
 *
 * A request that is a CloudEvent already, in the binary or the structured mode of the HTTP binding, is given as the event
 * that it is; any other becomes one of type `http.request`.
 */
import { bodyText, type HttpRequest } from "./http_event.ts";
import { onOneLine } from "./one_line.ts";

/** The type of an event that was made of a plain request. */
export const REQUEST_TYPE = "dev.isopod.http.request";

const CONTEXT = /^[a-z0-9]{1,20}$/;

/** The event of a request. */
export function cloudEvent(request: HttpRequest): Record<string, unknown> {
  return read(request).event;
}

/** The same as JSON on one line, in which JSON of the request stands as it was written. */
export function cloudEventLine(request: HttpRequest): Uint8Array {
  const { event, written } = read(request);
  if (written === "event") return onOneLine(request.body);
  if (written === undefined) return Buffer.from(JSON.stringify(event));
  const { data: _, ...others } = event;
  const head = JSON.stringify(others).slice(0, -1);
  return Buffer.concat([Buffer.from(`${head},"data":`), onOneLine(request.body), Buffer.from("}")]);
}

/** An event, and what of it the request's body is. */
interface ReadEvent {
  readonly event: Record<string, unknown>;
  readonly written: "event" | "data" | undefined;
}

function read(request: HttpRequest): ReadEvent {
  const headers = new Map(request.headers.map(([name, value]) => [name.toLowerCase(), value]));
  const type = headers.get("content-type");
  if (type !== undefined && /^\s*application\/cloudevents\+json/i.test(type)) {
    const event = parseJson(request.body);
    if (isEvent(event)) return { event, written: "event" };
  }
  const attributes: Record<string, unknown> = {};
  for (const [name, value] of headers) {
    const context = name.startsWith("ce-") ? name.slice(3) : "";
    if (CONTEXT.test(context)) attributes[context] = percentDecoded(value);
  }
  const { pathname, search, origin } = new URL(request.url);
  const made = {
    specversion: "1.0",
    id: request.requestId,
    source: origin,
    type: REQUEST_TYPE,
    subject: pathname + search,
    time: new Date(request.now).toISOString(),
    method: request.method.toLowerCase(),
  };
  const event: Record<string, unknown> = { ...(isEvent(attributes) ? attributes : made) };
  if (type !== undefined) event["datacontenttype"] = type;
  return { event, written: addData(event, request.body, type) ? "data" : undefined };
}

/** Adds what a body says; whether that is JSON. */
function addData(event: Record<string, unknown>, body: Uint8Array, type: string | undefined): boolean {
  if (body.length === 0) return false;
  if (type === undefined || /^\s*application\/([a-z0-9.+-]*\+)?json/i.test(type)) {
    const data = parseJson(body);
    if (data !== undefined) {
      event["data"] = data;
      return true;
    }
  }
  const { text, isBase64Encoded } = bodyText(body, type);
  event[isBase64Encoded ? "data_base64" : "data"] = text;
  return false;
}

function isEvent(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const { specversion, id, source, type } = value as Record<string, unknown>;
  return specversion === "1.0" && [id, source, type].every((each) => typeof each === "string" && each !== "");
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** Header values hold what is not ASCII as percent-encoded UTF-8. */
function percentDecoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
