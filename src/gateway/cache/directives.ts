/**
 * `Cache-Control` in the form that is decided by (RFC 9111, 5.2): names in any case, values that may be quoted, and what
 * is said twice or is no number taken as the stricter.
 */

/** Directives by their names in lower case; those without a value have an empty one. */
export type Directives = ReadonlyMap<string, string>;

const DIRECTIVE = /([^\s=,"]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]*)))?/g;
const NONE: Directives = new Map();
/** The longest that anything is kept, in seconds: a year. */
const SECONDS_MAX = 31_536_000;

/** Reads a header's value. */
export function directivesOf(header: string | null | undefined): Directives {
  if (header === null || header === undefined || header === "") return NONE;
  const found = new Map<string, string>();
  for (const [, name = "", quoted, plain = ""] of header.matchAll(DIRECTIVE)) {
    const [key, value] = [name.toLowerCase(), quoted ?? plain];
    const before = found.get(key);
    // Who says two times means neither (4.2.1): -1 is no number of seconds, and counts as none at all.
    found.set(key, before === undefined || before === value ? value : "-1");
  }
  return found;
}

/** Seconds of a directive: 0 when its value is no number of them, undefined when it is not there. */
export function secondsOf(directives: Directives, name: string): number | undefined {
  const value = directives.get(name);
  if (value === undefined) return undefined;
  return /^\d+$/.test(value) ? Math.min(SECONDS_MAX, Number(value)) : 0;
}
