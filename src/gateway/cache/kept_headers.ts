/** Headers of answers on their way into the cache and past it. */
import type { HeaderList, InvocationResponse } from "../../core/invocation.ts";
import { joined } from "./policy.ts";

const TAGS_MAX = 64;
const TAG_LENGTH_MAX = 1024;
const TAG = "cache-tag";

/** Headers that are of one exchange, or the cache's own. */
const NOT_KEPT = new Set(["age", TAG, "cache-status", "isopod-request-id", "connection", "date"]);
/** What a body is, which is not sent again with 304 (RFC 9111, 3.2). */
const OF_BODY = new Set(["content-length", "content-encoding", "content-type", "content-range"]);

/** What is kept of an answer's headers. */
export function keptHeaders(headers: HeaderList): HeaderList {
  return headers.map(([name, value]) => [name.toLowerCase(), value] as const).filter(([name]) => !NOT_KEPT.has(name));
}

/** The tags under which an answer can be purged. */
export function tagsOf(headers: HeaderList): string[] {
  const tags = (joined(headers)[TAG] ?? "").split(",").map((tag) => tag.trim());
  return [...new Set(tags)].filter((tag) => tag !== "" && tag.length <= TAG_LENGTH_MAX).slice(0, TAGS_MAX);
}

/** What was kept, with what the function has said anew of it (RFC 9111, 3.2). */
export function refreshed(kept: HeaderList, said: HeaderList): HeaderList {
  const newer = said
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => !OF_BODY.has(name));
  const names = new Set(newer.map(([name]) => name));
  return [...kept.filter(([name]) => !names.has(name)), ...newer];
}

/** What the first client gets of the headers of an answer that is kept. */
export function firstHeaders(headers: HeaderList, told: string): HeaderList {
  return [...withoutTag(headers), ["cache-status", `isopod; ${told}`]];
}

/** The answer without its tags, which are for the cache alone. */
export function untagged(response: InvocationResponse): InvocationResponse {
  if (!response.headers.some(([name]) => name.toLowerCase() === TAG)) return response;
  const { status, headers, body, script, socket, over, ended } = response;
  return { status, headers: withoutTag(headers), body, script, socket, over, ended };
}

function withoutTag(headers: HeaderList): HeaderList {
  return headers.filter(([name]) => name.toLowerCase() !== TAG);
}
