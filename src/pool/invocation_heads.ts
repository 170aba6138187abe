/**
 * The heads of an invocation, between the words of the port and those of the wire: the request's on its way to the
 * guest, the answer's headers on their way back. Their form is checked in `wire/heads.ts`.
 */
import { type InvocationRequest, NO_PARAMS } from "../core/invocation.ts";
import type { Pairs, RequestHead } from "../wire/heads.ts";

/** Headers that a program cannot mean for its caller: the connection and the request's id are the platform's. */
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
]);

/** What of the answer's headers its caller gets. */
export function answerHeaders(headers: Pairs): Pairs {
  return headers.filter(([name]) => !HOP_HEADERS.has(name.toLowerCase()));
}

/** The head to open the stream of `request` with. */
export function requestHead(request: InvocationRequest, deadline: number): RequestHead {
  const { requestId, method, url, headers, params, argsJson, body } = request;
  const head = { id: requestId, m: method, u: url, h: headers, d: deadline };
  if (body === null && argsJson === undefined && params === NO_PARAMS) return head;
  return { ...head, p: params, ...(argsJson !== undefined && { a: argsJson }), ...(body !== null && { b: 1 }) };
}
