/** What of a kept answer a request is given: the whole, a part (RFC 9110, 14), or that it has it already (13.2.2). */
import type { HeaderList } from "../../core/invocation.ts";
import { headerOf } from "./lifetime.ts";

/** An answer. */
export interface Selected {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Uint8Array | null;
}

/** Chooses by the request's headers. */
export function select(
  { status, headers, body }: Selected & { readonly body: Uint8Array },
  asked: HeaderList,
): Selected {
  if (status !== 200) return { status, headers, body };
  if (isKnown(headers, asked)) return { status: 304, headers, body: null };
  const [, from = "", to = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(headerOf(asked, "range") ?? "") ?? [];
  if (from === "" && to === "") return { status, headers, body };
  // A part that ends before it begins is none, and is not looked at (RFC 9110, 14.1.1).
  if (from !== "" && to !== "" && Number(to) < Number(from)) return { status, headers, body };
  const start = from === "" ? Math.max(0, body.length - Number(to)) : Number(from);
  const end = from === "" || to === "" ? body.length : Math.min(body.length, Number(to) + 1);
  if (start >= end) {
    return { status: 416, headers: [["content-range", `bytes */${body.length}`]], body: null };
  }
  const own = headers.filter(([name]) => name.toLowerCase() !== "content-length");
  const said: HeaderList = [...own, ["content-range", `bytes ${start}-${end - 1}/${body.length}`]];
  return { status: 206, headers: said, body: body.subarray(start, end) };
}

function isKnown(headers: HeaderList, asked: HeaderList): boolean {
  const tag = (text: string) => text.trim().replace(/^W\//, "");
  const none = headerOf(asked, "if-none-match");
  const etag = headerOf(headers, "etag");
  if (none !== undefined) {
    return none.trim() === "*" || (etag !== undefined && none.split(",").some((each) => tag(each) === tag(etag)));
  }
  const since = Date.parse(headerOf(asked, "if-modified-since") ?? "");
  const modified = Date.parse(headerOf(headers, "last-modified") ?? "");
  return modified <= since;
}
