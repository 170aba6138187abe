/** Conditional requests of static files, in the order of RFC 9110, 13.2.2, and the range that is left to be sent. */
import parseRange from "range-parser";

/** A representation as far as conditions go. */
export interface Validators {
  /** With its quotes; strong. */
  readonly etag: string;
  /** Milliseconds since the Unix epoch. */
  readonly modifiedAt: number;
}

/** The request's headers. */
export interface ConditionHeaders {
  get(name: string): string | null;
}

/** What becomes of a request by its conditions. */
export type Verdict = "send" | "not modified" | "failed";

/** Bytes to be sent: from `start` to before `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Judges the conditions of a GET or HEAD. */
export function judge(headers: ConditionHeaders, { etag, modifiedAt }: Validators): Verdict {
  const ifMatch = headers.get("if-match");
  if (ifMatch !== null) {
    if (!lists(ifMatch, etag, false)) return "failed";
  } else {
    const since = dateOf(headers.get("if-unmodified-since"));
    if (since !== undefined && seconds(modifiedAt) > since) return "failed";
  }
  const ifNoneMatch = headers.get("if-none-match");
  if (ifNoneMatch !== null) return lists(ifNoneMatch, etag, true) ? "not modified" : "send";
  const since = dateOf(headers.get("if-modified-since"));
  return since !== undefined && seconds(modifiedAt) <= since ? "not modified" : "send";
}

/**
 * The one range that a GET asks for; undefined for the whole, and when it asks for several that are apart, which costs
 * more than it is worth. `none` when no byte of it is there.
 */
export function rangeOf(
  headers: ConditionHeaders,
  validators: Validators,
  bytes: number,
): ByteRange | "none" | undefined {
  const asked = headers.get("range");
  if (asked === null || !/^bytes=/i.test(asked) || asked.length > RANGE_LENGTH_MAX) return undefined;
  if (!isCurrent(headers.get("if-range"), validators)) return undefined;
  const found = parseRange(bytes, asked.toLowerCase(), { combine: true });
  if (found === -1) return "none";
  const [range, ...others] = found === -2 ? [] : found;
  return range === undefined || others.length > 0 ? undefined : { start: range.start, end: range.end + 1 };
}

const RANGE_LENGTH_MAX = 1000;

/** Whether a client's part is of what is here now: by a strong tag, or by the very date. */
function isCurrent(ifRange: string | null, { etag, modifiedAt }: Validators): boolean {
  if (ifRange === null) return true;
  if (ifRange.startsWith('"') || ifRange.startsWith("W/")) return ifRange === etag;
  return dateOf(ifRange) === seconds(modifiedAt);
}

/** Whether a list of tags has `etag`, or is `*`; weakly, a tag with `W/` is the same. */
function lists(header: string, etag: string, weakly: boolean): boolean {
  if (header.trim() === "*") return true;
  for (const [, weak, tag] of header.matchAll(/(W\/)?("[^"]*")/g)) {
    if (tag === etag && (weakly || weak === undefined)) return true;
  }
  return false;
}

/** An HTTP date in seconds; undefined for what is none. */
function dateOf(text: string | null): number | undefined {
  const at = text === null ? Number.NaN : Date.parse(text);
  return Number.isNaN(at) ? undefined : seconds(at);
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
