/**
 * What a shared cache may keep and give (RFC 9111), decided once when an answer is kept, so that a hit costs a few
 * comparisons. http-cache-semantics knows the directives; what is decided here is more careful than the RFC:
 *
 * nothing without an explicit lifetime, nothing that sets a cookie, and of requests that carry a cookie or a key only what
 * says that it is for everybody.
 */
import CachePolicy from "http-cache-semantics";
import type { HeaderList } from "../../core/invocation.ts";

/** A request, as far as caching goes. */
export interface CacheHead {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
}

/** What was decided of an answer. Times are milliseconds since the Unix epoch. */
export interface Lifetime {
  readonly policy: CachePolicy;
  readonly freshUntil: number;
  /** Until then it is given though it is stale, and asked for anew meanwhile (RFC 5861). */
  readonly whileRevalidatingUntil: number;
  /** Until then it is given when the function fails (RFC 5861). */
  readonly ifErrorUntil: number;
  /** Names and values of the request's headers that it depends on. */
  readonly vary: readonly (readonly [name: string, value: string | null])[];
  /** Whether it may be given to requests that carry a cookie or a credential. */
  readonly isPublic: boolean;
}

const VARY_MAX = 16;

/** How long an answer may be kept and for whom; undefined when it may not. */
export function lifetimeOf(request: CacheHead, status: number, headers: HeaderList, now: number): Lifetime | undefined {
  const response = joined(headers);
  const { "cache-control": control = "" } = response;
  if (status === 206 || "set-cookie" in response || !(control !== "" || "expires" in response)) return undefined;
  const names = namesOf(response.vary);
  if (names === undefined) return undefined;
  const isPublic = /(^|[\s,])(public|s-maxage\s*=)/i.test(control);
  const knowsCookies = isPublic || names.includes("cookie");
  if (request.headers.has("cookie") && !knowsCookies) return undefined;
  const asked = { method: request.method, url: request.url, headers: plain(request.headers) };
  const policy = new CachePolicy(asked, { status, headers: response }, { shared: true, cacheHeuristic: 0 });
  if (!policy.storable()) return undefined;
  const freshUntil = now + (policy.maxAge() - policy.age()) * 1000;
  const whileRevalidatingUntil = freshUntil + secondsOf(control, "stale-while-revalidate") * 1000;
  const ifErrorUntil = freshUntil + secondsOf(control, "stale-if-error") * 1000;
  if (Math.max(freshUntil, whileRevalidatingUntil, ifErrorUntil) <= now) return undefined;
  const strict = /must-revalidate|proxy-revalidate|s-maxage/i.test(control);
  return {
    ...{ policy, freshUntil, isPublic: knowsCookies },
    whileRevalidatingUntil: strict ? freshUntil : whileRevalidatingUntil,
    ifErrorUntil: strict ? freshUntil : ifErrorUntil,
    vary: names.map((name) => [name, request.headers.get(name)] as const),
  };
}

/** Whether a kept answer is for this request, fresh or not. */
export function isFor({ vary, isPublic }: Lifetime, headers: Headers): boolean {
  if (!isPublic && (headers.has("cookie") || headers.has("authorization"))) return false;
  for (const [name, value] of vary) if (headers.get(name) !== value) return false;
  return true;
}

/** Whether what is fresh by itself is fresh enough for the request's own directives. */
export function satisfies({ policy }: Lifetime, { method, url, headers }: CacheHead): boolean {
  if (!headers.has("cache-control") && !headers.has("pragma")) return true;
  // An age of nothing yet would do for it, and whoever says so wants it new.
  if (/(^|[\s,])max-age\s*=\s*"?0+\b/i.test(headers.get("cache-control") ?? "")) return false;
  // HEAD is given what was kept of GET.
  const asked = { method: method === "HEAD" ? "GET" : method, url, headers: plain(headers) };
  return policy.satisfiesWithoutRevalidation(asked);
}

/** The names of `Vary`; undefined for `*`, and for more than are worth it. */
function namesOf(vary: string | undefined): string[] | undefined {
  const names = (vary ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter(Boolean);
  return names.includes("*") || names.length > VARY_MAX ? undefined : names;
}

function secondsOf(control: string, directive: string): number {
  return Number(new RegExp(`(?:^|[\\s,])${directive}\\s*=\\s*"?(\\d{1,9})`, "i").exec(control)?.[1] ?? 0);
}

function plain(headers: Headers): Record<string, string> {
  return Object.fromEntries(headers as unknown as Iterable<[string, string]>);
}

/** Headers by name, those that come several times joined. */
export function joined(headers: HeaderList): Record<string, string> {
  const all: Record<string, string> = Object.create(null);
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    const before = all[lower];
    all[lower] = before === undefined ? value : `${before}, ${value}`;
  }
  return all;
}
