/**
 * Bodies of requests that middlewares of a program are given, and answers that they are. The server reads this file as text
 * alone.
 */

const BODY_BYTES_MAX = 6 * 1024 * 1024;

/** Whether the answer accepts a WebSocket. */
export function isSocket(response: Response): boolean {
  return (response as { readonly webSocket?: unknown }).webSocket !== undefined;
}

/** What a caller is told whose request is larger than what middlewares are given. */
export function tooLarge(request_id: string): Response {
  const message = `The request's body is over ${BODY_BYTES_MAX} bytes, the most that middlewares are given.`;
  const limit = { name: "middlewareBodyBytesMax", value: BODY_BYTES_MAX };
  return Response.json({ error: { code: "body_too_large", message, request_id, limit } }, { status: 413 });
}

/** A request's body; undefined when it is over what middlewares are given. */
export async function bodyOf(request: Request): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** What a function gave as a response; undefined for what streams without being one. */
export function asResponse(result: unknown): Response | undefined {
  if (result instanceof Response) return result;
  if (typeof result === "object" && result !== null && Symbol.asyncIterator in result) return undefined;
  return new Response(JSON.stringify(result) ?? "null", { headers: { "content-type": "application/json" } });
}

/** No body. */
export const NOTHING = new Uint8Array(0);

/** What tells whether an event has been changed: a long body by its hash. */
export function told(event: unknown): string {
  const { body, ...rest } = (typeof event === "object" && event !== null ? event : { event }) as { body?: unknown };
  return JSON.stringify([rest, typeof body === "string" ? String(Bun.hash(body)) : body]) ?? "";
}

/** Bytes of bodies that have passed since memory was last collected. */
let passedBytes = 0;
/** After so many it is collected at once: each leaves several times its size behind, which counts for the function's limit. */
const COLLECT_BYTES = 4 * 1024 * 1024;

/** Says that a body of so many bytes has been made into an event. */
export function collectAfter(bytes: number): void {
  passedBytes += bytes;
  if (passedBytes < COLLECT_BYTES) return;
  passedBytes = 0;
  Bun.gc(true);
}
