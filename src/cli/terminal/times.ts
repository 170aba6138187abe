/** Times as people write them: how long ago (`10m`), or when (`2026-01-31T12:00:00Z`). */
import { usageError } from "../exit_codes.ts";

const UNITS_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const SPAN = /^(\d{1,9})(s|m|h|d|w)$/;
const DATE = /^\d{4}-\d\d-\d\d/;

/** Milliseconds of a span such as `90s`, `10m`, `2h` or `30d`; undefined for what is none. */
export function parseSpan(text: string): number | undefined {
  const [, count, unit] = SPAN.exec(text) ?? [];
  return count === undefined ? undefined : Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS];
}

/**
 * Milliseconds since 1970 of a span before `nowMs`, or of a time.
 * @throws {CommandFailure} naming the option and what it takes
 * @example parseMoment("10m", "--since", Date.now())
 */
export function parseMoment(text: string, option: string, nowMs: number): number {
  const span = parseSpan(text);
  if (span !== undefined) return Math.max(0, nowMs - span);
  const at = DATE.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  throw usageError(
    `Cannot read ${option} "${text}": expected how long ago, such as 90s, 10m, 2h or 7d, or a time, such as 2026-01-31T12:00:00Z`,
  );
}

/** A moment in the time of this machine, such as `2026-01-31 12:00:00.123`. */
export function localTime(ms: number): string {
  const at = new Date(ms);
  const two = (value: number) => String(value).padStart(2, "0");
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return `${date} ${time}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}
