/**
 * The heads of an invocation, between the words of the port and those of the wire: the request's on its way to the
 * guest, the answer's headers on their way back. Their form is checked in `wire/heads.ts`.
 */
import { type InvocationRequest, NO_PARAMS } from "../core/invocation.ts";
import type { Pairs, RequestHead } from "../wire/heads.ts";

/** Headers that a program cannot mean for its caller: the connection, the request's id and the version are the platform's. */
const HOP_HEADERS = new Set([
  ...[
    "connection",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "trailer",
    "te",
    "proxy-connection",
  ],
  "isopod-request-id",
  "isopod-version",
]);

/** What of the answer's headers its caller gets. */
export function answerHeaders(headers: Pairs): Pairs {
  return headers.filter(([name]) => !HOP_HEADERS.has(name.toLowerCase()));
}

/** The head to open the stream of `request` with. */
export function requestHead(request: InvocationRequest, deadline: number): RequestHead {
  const { requestId, method, url, headers, params, argsJson, exportName, entry, body, webSocket } = request;
  const bare = { id: requestId, m: method, u: url, h: headers, d: deadline };
  const head = webSocket === true ? { ...bare, w: 1 as const } : bare;
  // An entry always has a body.
  if (body === null && argsJson === undefined && exportName === undefined && params === NO_PARAMS) return head;
  return {
    ...{ ...head, p: params },
    ...(argsJson !== undefined && { a: argsJson }),
    ...(exportName !== undefined && { f: exportName }),
    ...(entry !== undefined && { x: entry }),
    ...(body !== null && { b: 1 }),
  };
}
