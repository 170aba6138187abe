/**
 * A guest's call as a request that may leave: its URL, method and headers checked, and what a redirect makes of it.
 *
 * Framing and routing headers are the host's; a guest's are dropped, as a browser drops forbidden names. Messages name
 * what the guest wrote, which holds placeholders at most, never a secret's value.
 */
import type { BindingCall } from "../../core/binding.ts";
import { IsopodError } from "../../core/errors.ts";
import type { HeaderList } from "../../core/invocation.ts";
import { parseAddress } from "./address.ts";
import { defaultPort, type Target } from "./rule.ts";

/** One request on its way: the call itself, or what a redirect made of it. */
export interface Hop {
  readonly url: URL;
  readonly target: Target;
  /** As the guest wrote them, checked; placeholders stand for secrets. */
  readonly headers: HeaderList;
  /** Whether the call's body goes with it. */
  readonly withBody: boolean;
}

/** Redirects that one call follows. */
export const REDIRECTS_MAX = 20;

/** The longest name that the DNS has. */
const HOST_LENGTH_MAX = 253;
const METHOD_LENGTH_MAX = 32;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const METHODS_REFUSED = new Set(["CONNECT", "TRACE", "TRACK"]);
const HEADERS_DROPPED = new Set([
  "connection",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const REDIRECT_STATUSES = new Set([301, 302, 303, 307, 308]);

/**
 * The call as its first request.
 * @throws {IsopodError} `egress_failed` when it is not a request that can be sent
 */
export function firstHop(call: BindingCall, headBytesMax: number): Hop {
  const isMethod = TOKEN.test(call.method) && call.method.length <= METHOD_LENGTH_MAX;
  if (!isMethod || METHODS_REFUSED.has(call.method.toUpperCase())) {
    throw failed(`Cannot fetch ${show(call.url)}: the method ${show(call.method)} cannot be sent`);
  }
  if (!URL.canParse(call.url)) throw failed(`Cannot fetch ${show(call.url)}: it is not an absolute URL`);
  const url = new URL(call.url);
  const withBody = call.body !== null;
  if (withBody && (call.method === "GET" || call.method === "HEAD")) {
    throw failed(`Cannot fetch ${describe(url)}: a ${call.method} request has no body`);
  }
  const headers = cleanHeaders(call.headers, withBody, url);
  checkHeadSize(url, headers, headBytesMax);
  return { url, target: targetOf(call.method, url), headers, withBody };
}

/** Where a response redirects to, or undefined when it does not. */
export function locationOf(status: number, headers: HeaderList): string | undefined {
  return REDIRECT_STATUSES.has(status) ? headers.find(([name]) => name === "location")?.[1] : undefined;
}

/**
 * What a redirect to `location` makes of a request. Follows the Fetch standard: 303, and a POST that
 * got 301 or 302, become a GET without a body; what identifies the caller stays within its origin.
 * @param holdsSecret whether a header's value holds a placeholder; such headers stay within their origin too
 * @throws {IsopodError} `egress_failed` when the redirect leads nowhere that could be fetched
 */
export function redirectOf(hop: Hop, status: number, location: string, holdsSecret: (value: string) => boolean): Hop {
  if (!URL.canParse(location, hop.url.href)) {
    throw failed(`Cannot follow the redirect of ${describe(hop.url)}: its location is not a URL`);
  }
  const url = new URL(location, hop.url.href);
  if (url.hash === "") url.hash = hop.url.hash;
  const { method } = hop.target;
  const becomesGet = status === 303 ? method !== "GET" && method !== "HEAD" : status < 303 && method === "POST";
  let kept = hop.headers;
  if (becomesGet) kept = kept.filter(([name]) => !name.startsWith("content-"));
  if (url.origin !== hop.url.origin) {
    kept = kept.filter(([name, value]) => name !== "authorization" && name !== "cookie" && !holdsSecret(value));
  }
  const target = targetOf(becomesGet ? "GET" : method, url);
  return { url, target, headers: kept, withBody: hop.withBody && !becomesGet };
}

/** The URL in messages: without user name, query and fragment, and bounded. */
export function describe(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`.slice(0, 200);
}

/** An error of a call that was allowed and did not succeed. */
export function failed(message: string, cause?: unknown): IsopodError {
  return new IsopodError("egress_failed", { message, cause });
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}

/**
 * What a request for `url` wants to reach.
 * @throws {IsopodError} `egress_failed` when the URL is not one of HTTP or holds a password
 */
export function targetOf(method: string, url: URL): Target {
  const scheme = url.protocol;
  if (scheme !== "https:" && scheme !== "http:") {
    throw failed(`Cannot fetch ${describe(url)}: only http and https can be fetched`);
  }
  if (url.username !== "" || url.password !== "") {
    throw failed(`Cannot fetch ${describe(url)}: the URL holds a user name or a password`);
  }
  const host = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  if (host.length > HOST_LENGTH_MAX) {
    throw failed(`Cannot fetch ${describe(url)}: the host name is over ${HOST_LENGTH_MAX} characters`);
  }
  const port = url.port === "" ? defaultPort(scheme) : Number(url.port);
  return { method, scheme, host, port, literal: parseAddress(host) };
}

function cleanHeaders(headers: HeaderList, withBody: boolean, url: URL): HeaderList {
  const kept: [string, string][] = [];
  for (const [given, value] of headers) {
    const name = given.toLowerCase();
    if (!TOKEN.test(name)) throw failed(`Cannot fetch ${describe(url)}: ${show(given)} is not a header name`);
    if (!HEADER_VALUE.test(value)) {
      throw failed(
        `Cannot fetch ${describe(url)}: the value of header ${name.slice(0, 100)} has a character that no header may hold`,
      );
    }
    if (HEADERS_DROPPED.has(name) || name.startsWith("proxy-") || name === "content-length") continue;
    kept.push([name, value]);
  }
  const length = withBody ? bodyLength(headers) : undefined;
  if (length !== undefined) kept.push(["content-length", length]);
  addDefault(kept, "accept", "*/*");
  addDefault(kept, "user-agent", "isopod");
  // A part of an encoded body could not be decoded.
  const ranged = kept.some(([name]) => name === "range");
  addDefault(kept, "accept-encoding", ranged ? "identity" : "gzip, deflate, br, zstd");
  return kept;
}

/** The one length that the guest gave, if it gave just one that is a number; else the body is sent in chunks. */
function bodyLength(headers: HeaderList): string | undefined {
  const given = headers.filter(([name]) => name.toLowerCase() === "content-length");
  const value = given.length === 1 ? given[0]?.[1] : undefined;
  return value !== undefined && /^\d{1,15}$/.test(value) ? value : undefined;
}

function addDefault(headers: [string, string][], name: string, value: string): void {
  if (!headers.some(([other]) => other === name)) headers.push([name, value]);
}

function checkHeadSize(url: URL, headers: HeaderList, headBytesMax: number): void {
  const size = headers.reduce((sum, [name, value]) => sum + name.length + value.length + 4, url.href.length);
  if (size <= headBytesMax) return;
  throw failed(`Cannot fetch ${describe(url)}: the request's head is over ${headBytesMax} bytes`);
}
