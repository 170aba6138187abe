/** Headers of answers on their way into the cache and past it. */
import type { HeaderList, InvocationResponse } from "../../core/invocation.ts";
import { joined } from "./policy.ts";

const TAGS_MAX = 64;
const TAG_LENGTH_MAX = 1024;
const TAG = "cache-tag";

/** Headers that are of one exchange, or the cache's own. */
const NOT_KEPT = new Set(["age", TAG, "cache-status", "isopod-request-id", "connection", "date"]);

/** What is kept of an answer's headers. */
export function keptHeaders(headers: HeaderList): HeaderList {
  return headers.filter(([name]) => !NOT_KEPT.has(name.toLowerCase()));
}

/** The tags under which an answer can be purged. */
export function tagsOf(headers: HeaderList): string[] {
  const tags = (joined(headers)[TAG] ?? "").split(",").map((tag) => tag.trim());
  return tags.filter((tag) => tag !== "" && tag.length <= TAG_LENGTH_MAX).slice(0, TAGS_MAX);
}

/** What was kept, with what the function has said anew of it (RFC 9111, 3.2). */
export function refreshed(kept: HeaderList, said: HeaderList): HeaderList {
  const names = new Set(said.map(([name]) => name.toLowerCase()));
  for (const name of ["content-length", "content-encoding", "content-type", "content-range"]) names.delete(name);
  const newer = said.filter(([name]) => names.has(name.toLowerCase()));
  return [...kept.filter(([name]) => !names.has(name.toLowerCase())), ...newer];
}

/** The answer that is being kept, as its first client gets it. */
export function missed(response: InvocationResponse, body: InvocationResponse["body"]): InvocationResponse {
  const { status, headers, script, over, ended } = response;
  const said: HeaderList = [...withoutTag(headers), ["cache-status", "isopod; fwd=miss; stored"]];
  return { status, headers: said, body, script, over, ended };
}

/** The answer without its tags, which are for the cache alone. */
export function untagged(response: InvocationResponse): InvocationResponse {
  if (!response.headers.some(([name]) => name.toLowerCase() === TAG)) return response;
  const { status, headers, body, script, over, ended } = response;
  return { status, headers: withoutTag(headers), body, script, over, ended };
}

function withoutTag(headers: HeaderList): HeaderList {
  return headers.filter(([name]) => name.toLowerCase() !== TAG);
}
