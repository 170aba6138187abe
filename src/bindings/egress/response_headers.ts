/** The headers of a response as a guest gets them: in their order, names in lower case, repeated ones apart. */
import type { HeaderList } from "../../core/invocation.ts";

/** Headers of the connection, not of the response: they mean nothing to a guest, which has another connection. */
const CONNECTION_HEADERS = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What `raw` says, in which names and values alternate. */
export function responseHeaders(raw: unknown): HeaderList {
  const fields = Array.isArray(raw) ? raw.map((field: unknown) => latin1(field)) : [];
  const list: [string, string][] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const name = (fields[at] ?? "").toLowerCase();
    if (!CONNECTION_HEADERS.has(name)) list.push([name, fields[at + 1] ?? ""]);
  }
  return list;
}

function latin1(field: unknown): string {
  return Buffer.isBuffer(field) ? field.toString("latin1") : String(field);
}
