/**
 * What a shared cache may keep and give (RFC 9111), decided once when an answer is kept, so that a hit costs a few
 * comparisons. http-cache-semantics knows which statuses and directives allow keeping, and how long something is fresh;
 * it is asked in its own terms, since it reads directives by their exact case and takes the last of two.
 *
 * What is decided beside it is more careful than the RFC: nothing without an explicit lifetime, nothing that sets a
 * cookie, and of requests that carry a cookie or a credential only what says that it is for everybody.
 */
import CachePolicy from "http-cache-semantics";
import type { HeaderList } from "../../core/invocation.ts";
import { type Directives, directivesOf, secondsOf } from "./directives.ts";

/** A request, as far as caching goes. */
export interface CacheHead {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
}

/** What was decided of an answer. Times are milliseconds since the Unix epoch. */
export interface Lifetime {
  /** When it was made: `Age` counts from there. */
  readonly bornAt: number;
  readonly freshUntil: number;
  /** Until then it is given though it is stale, and asked for anew meanwhile (RFC 5861). */
  readonly whileRevalidatingUntil: number;
  /** Until then it is given when the function fails (RFC 5861). */
  readonly ifErrorUntil: number;
  /** Names and values of the request's headers that it depends on. */
  readonly vary: readonly (readonly [name: string, value: string | null])[];
  /** Whether it may be given to requests that carry a cookie. */
  readonly forCookies: boolean;
  /** Whether it may be given to requests that carry a credential. */
  readonly forCredentials: boolean;
}

const VARY_MAX = 16;
/** Directives without a value that http-cache-semantics is told. With a value (`private="x"`) they count as without. */
const PLAIN_DIRECTIVES = ["no-store", "no-cache", "private", "public", "must-revalidate"];

/** How long an answer may be kept and for whom; undefined when it may not. */
export function lifetimeOf(request: CacheHead, status: number, headers: HeaderList, now: number): Lifetime | undefined {
  if (saysNothing(headers)) return undefined;
  const response = joined(headers);
  if (status === 206 || "set-cookie" in response) return undefined;
  const names = varyNames(response.vary);
  if (names === undefined) return undefined;
  const control = directivesOf(response["cache-control"]);
  const forEverybody = control.has("public") || control.has("s-maxage");
  const forCookies = forEverybody || names.includes("cookie");
  if (request.headers.has("cookie") && !forCookies) return undefined;
  if (request.headers.has("authorization") && !forEverybody) return undefined;
  if (directivesOf(request.headers.get("cache-control")).has("no-store")) return undefined;
  const policy = policyOf(request, status, response, control, now);
  if (!policy.storable()) return undefined;
  const ageMs = policy.age() * 1000;
  const freshUntil = now + policy.maxAge() * 1000 - ageMs;
  // `s-maxage` means `proxy-revalidate` for a shared cache (5.2.2.10).
  const isStrict = control.has("must-revalidate") || control.has("proxy-revalidate") || control.has("s-maxage");
  const staleUntil = (name: string) => freshUntil + (isStrict ? 0 : (secondsOf(control, name) ?? 0) * 1000);
  const whileRevalidatingUntil = staleUntil("stale-while-revalidate");
  const ifErrorUntil = staleUntil("stale-if-error");
  if (Math.max(whileRevalidatingUntil, ifErrorUntil) <= now) return undefined;
  const vary = names.map((name) => [name, request.headers.get(name)] as const);
  const times = { bornAt: now - ageMs, freshUntil, whileRevalidatingUntil, ifErrorUntil };
  return { ...times, vary, forCookies, forCredentials: forEverybody };
}

/** Whether an answer with these headers is for nobody else, whatever was asked. */
export function saysNothing(headers: HeaderList): boolean {
  return !headers.some(([name]) => /^(cache-control|expires)$/i.test(name));
}

/** Whether a kept answer is for this request, fresh or not. */
export function isFor({ vary, forCookies, forCredentials }: Lifetime, headers: Headers): boolean {
  if (!forCookies && headers.has("cookie")) return false;
  if (!forCredentials && headers.has("authorization")) return false;
  for (const [name, value] of vary) if (headers.get(name) !== value) return false;
  return true;
}

/** Whether what is fresh by itself is fresh enough for the request's own directives (RFC 9111, 5.2.1). */
export function satisfies({ bornAt, freshUntil }: Lifetime, headers: Headers, now: number): boolean {
  const said = headers.get("cache-control");
  if (said === null) return !(headers.get("pragma") ?? "").toLowerCase().includes("no-cache");
  const control = directivesOf(said);
  if (control.has("no-cache")) return false;
  const maxAge = secondsOf(control, "max-age");
  // Younger than a second would do for 0, and whoever says so wants it new.
  if (maxAge === 0 || (maxAge !== undefined && now - bornAt > maxAge * 1000)) return false;
  return freshUntil - now >= (secondsOf(control, "min-fresh") ?? 0) * 1000;
}

/** The names of `Vary`; undefined for `*`, and for more than are worth it. */
function varyNames(vary: string | undefined): string[] | undefined {
  if (vary === undefined) return [];
  const names = vary.split(",").map((name) => name.trim().toLowerCase());
  const said = [...new Set(names.filter(Boolean))];
  return said.includes("*") || said.length > VARY_MAX ? undefined : said;
}

/** Asks about the status and what says how long, and about nothing of which it would keep a copy. */
function policyOf(
  { method, url }: CacheHead,
  status: number,
  { expires, age, pragma, date }: Record<string, string>,
  control: Directives,
  now: number,
): CachePolicy {
  const said = PLAIN_DIRECTIVES.filter((name) => control.has(name));
  for (const name of ["max-age", "s-maxage"]) {
    const seconds = secondsOf(control, name);
    if (seconds !== undefined) said.push(`${name}=${seconds}`);
  }
  const headers: Record<string, string> = {};
  if (control.size > 0) headers["cache-control"] = said.join(", ");
  if (expires !== undefined) headers["expires"] = expires;
  if (pragma !== undefined) headers["pragma"] = pragma.toLowerCase();
  if (age !== undefined && /^\d{1,9}$/.test(age)) headers["age"] = age;
  headers["date"] = date ?? new Date(now).toUTCString();
  return new CachePolicy({ method, url, headers: {} }, { status, headers }, { shared: true, cacheHeuristic: 0 });
}

/** Headers by name, those that come several times joined. */
export function joined(headers: HeaderList): Record<string, string> {
  const all: Record<string, string> = Object.create(null);
  for (const [given, value] of headers) {
    const name = given.toLowerCase();
    const before = all[name];
    all[name] = before === undefined ? value : `${before}, ${value}`;
  }
  return all;
}
