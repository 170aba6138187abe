/**
 * One fetch of a program over HTTP: redirects followed only to allowed sources, sizes bounded, conditional when there
 * is something to compare with. No credentials are sent, and the proxies of the environment are not used.
 */
import { IsopodError } from "../../core/errors.ts";
import { type Language, languageOf } from "../../core/function.ts";
import { hashOf } from "../../stdx/hash.ts";
import { collect } from "../body_bytes.ts";
import type { CachedSource } from "./cache.ts";
import type { SourceRules } from "./rules.ts";

/** `fetch`, as far as it is used here. */
export type SourceFetch = (url: string, init: RequestInit) => Promise<Response>;

/** What a fetch needs. */
export interface SourceFetchOptions {
  readonly rules: SourceRules;
  readonly fetch: SourceFetch;
  readonly codeBytesMax: number;
  readonly signal: AbortSignal;
  /** Of the clock by which freshness is measured. */
  readonly now: number;
}

/** A source, and whether it may be remembered. */
export interface FetchedSource extends CachedSource {
  readonly stored: boolean;
}

const REDIRECTS_MAX = 5;
const FRESH_SECONDS_MAX = 300;

/** `fetch` as the platform has it, without the proxies that it would take from the environment. */
export const directFetch: SourceFetch = (url, init) => {
  // Bun reads HTTP_PROXY and its like unless told `false`, which its types do not know.
  const direct = { ...init, proxy: false } as unknown as RequestInit;
  return fetch(url, direct);
};

/**
 * Fetches `start`.
 * @throws {IsopodError} `source_refused`, `source_unavailable`, `code_too_large`; and whatever an abort brings.
 */
export async function fetchSource(
  start: URL,
  known: CachedSource | undefined,
  options: SourceFetchOptions,
): Promise<FetchedSource> {
  let url = start;
  for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
    const asked = known !== undefined && known.url === url.href ? known : undefined;
    const response = await options.fetch(url.href, {
      redirect: "manual",
      signal: options.signal,
      headers: requestHeaders(asked),
    });
    if (response.status === 200) return readSource(start, url, response, options);
    // Nobody reads these bodies; a failure to end one is none of ours.
    response.body?.cancel().catch(() => {});
    if (response.status === 304 && asked !== undefined) {
      return { ...asked, ...freshness(response.headers, options.now) };
    }
    const location = response.headers.get("location");
    if (!isRedirect(response.status) || location === null) throw unavailable(url, `it answered ${response.status}`);
    url = redirectTarget(location, url, options.rules);
  }
  throw unavailable(start, `it redirects more than ${REDIRECTS_MAX} times`);
}

/** A failed fetch as an error for the caller. */
export function unavailable(url: URL, why: string, cause?: unknown): IsopodError {
  return new IsopodError("source_unavailable", {
    message: `Cannot fetch program "${url.href.slice(0, 200)}": ${why}.`,
    cause,
  });
}

/** Whether a URL names a commit by its full SHA, and so never changes. */
export function isImmutable(url: URL): boolean {
  return url.pathname.split("/").some((segment) => /^[0-9a-f]{40}$/i.test(segment));
}

function requestHeaders(known: CachedSource | undefined): Record<string, string> {
  const headers: Record<string, string> = { accept: "*/*", "user-agent": "Isopod" };
  if (known?.etag !== undefined) headers["if-none-match"] = known.etag;
  else if (known?.lastModified !== undefined) headers["if-modified-since"] = known.lastModified;
  return headers;
}

function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

function redirectTarget(location: string, from: URL, rules: SourceRules): URL {
  if (!URL.canParse(location, from.href)) throw unavailable(from, "it redirects to what is no URL");
  return rules.locate(new URL(location, from.href).href);
}

async function readSource(
  start: URL,
  url: URL,
  response: Response,
  options: SourceFetchOptions,
): Promise<FetchedSource> {
  const { headers } = response;
  const bytes = await collect(response.body, { max: options.codeBytesMax, code: "code_too_large" });
  return {
    url: url.href,
    bytes,
    hash: hashOf(bytes),
    immutable: isImmutable(start) && isImmutable(url),
    language: sourceLanguage(url, headers.get("content-type")),
    etag: headers.get("etag") ?? undefined,
    lastModified: headers.get("last-modified") ?? undefined,
    ...freshness(headers, options.now),
  };
}

/** By the path's ending, since TypeScript is often served as a video's type; else by the content type. */
function sourceLanguage(url: URL, contentType: string | null): Language {
  if (/\.[mc]?[jt]sx?$/i.test(url.pathname)) return languageOf(url.pathname);
  return /^(text|application)\/(x-)?(javascript|ecmascript)\b/i.test(contentType ?? "") ? "javascript" : "typescript";
}

/** How long an answer may be used without asking again; a few minutes at most, whatever it says. */
function freshness(headers: Headers, now: number): { freshUntil: number; stored: boolean } {
  const control = headers.get("cache-control")?.toLowerCase() ?? "";
  const stored = !/\bno-store\b/.test(control);
  const maxAge = /(?:^|[\s,])max-age="?(\d{1,9})/.exec(control)?.[1];
  if (!stored || maxAge === undefined || /\bno-cache\b/.test(control)) return { freshUntil: now, stored };
  const age = Number(headers.get("age") ?? 0) || 0;
  const seconds = Math.min(Math.max(0, Number(maxAge) - Math.max(0, age)), FRESH_SECONDS_MAX);
  return { freshUntil: now + seconds * 1000, stored };
}
