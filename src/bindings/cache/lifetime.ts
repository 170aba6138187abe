/** How long an answer that a program puts may be given: what its headers say (RFC 9111, 4.2.1), for a shared cache. */
import type { HeaderList } from "../../core/invocation.ts";
import { CACHE_API_LIMITS } from "./limits.ts";

/** The value of a header, those that come several times joined. */
export function headerOf(headers: HeaderList, name: string): string | undefined {
  const found = headers.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value);
  return found.length === 0 ? undefined : found.join(", ");
}

/** Milliseconds for which it is fresh; 0 or less when it is not to be kept. */
export function lifetimeMs(headers: HeaderList, wallNow: number): number {
  const control = headerOf(headers, "cache-control")?.toLowerCase() ?? "";
  if (/(^|[\s,])(no-store|no-cache|private)(?!\s*=)/.test(control)) return 0;
  const ageMs = Number(headerOf(headers, "age") ?? 0) * 1000 || 0;
  for (const directive of ["s-maxage", "max-age"]) {
    const seconds = new RegExp(`(?:^|[\\s,])${directive}\\s*=\\s*"?(\\d{1,9})`).exec(control)?.[1];
    if (seconds !== undefined) return Number(seconds) * 1000 - ageMs;
  }
  const expires = headerOf(headers, "expires");
  if (expires === undefined) return CACHE_API_LIMITS.silentMs;
  return (Date.parse(expires) || 0) - wallNow;
}
