/**
 * Which web pages may call the server.
 *
 * A browser sends requests for any page that somebody visits, so a server on a laptop must refuse those of foreign
 * pages, and on loopback also those whose Host is not ours: a name that an attacker lets point to 127.0.0.1 makes
 * the attacker's page look like our own. A plan's `origins` open it to pages (CORS). Requests that no browser sends
 * have neither Origin nor Sec-Fetch-Site and pass. These are pure functions; nothing here knows keys or plans.
 */
import { IsopodError } from "../core/errors.ts";
import type { HeaderList } from "../core/invocation.ts";

/** What the guard reads of a request. */
export interface WebHead {
  readonly method: string;
  /** Whether it came over TLS. */
  readonly secure: boolean;
  readonly headers: { get(name: string): string | null };
}

/** What the guard is to hold the request against. */
export interface WebRules {
  /**
   * Origins of pages that may call, `*` for any. A preflight carries no key: give the origins of all plans for one
   * (`isPreflight`), and the plan's own for any other request.
   */
  readonly origins: readonly string[];
  /** Whether the listener is on a loopback address. */
  readonly loopback: boolean;
  /** Whether routes name a host; those are allowed on loopback too. */
  namesHost(host: string): boolean;
}

/** What the guard says about a request that it does not refuse. */
export type WebVerdict =
  /** To be answered normally, with these headers added to whatever the answer is, errors included. */
  | { readonly kind: "pass"; readonly headers: HeaderList }
  /** To be answered at once with 204 and these headers. */
  | { readonly kind: "preflight"; readonly headers: HeaderList };

const NO_HEADERS: HeaderList = [];
const PLAIN_PASS: WebVerdict = { kind: "pass", headers: NO_HEADERS };
const VARY_PASS: WebVerdict = { kind: "pass", headers: [["vary", "Origin"]] };
/** `*` shows a page what programs answer; it does not cover what needs credentials, which are never allowed here. */
const EXPOSED = "Isopod-Request-Id, Retry-After, *";
const PREFLIGHT_SECONDS = "600";
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;
const REQUESTED_HEADERS_MAX = 128;

/** Whether a request asks what a page may send, and is not the page's request itself. */
export function isPreflight(head: WebHead): boolean {
  return (
    head.method === "OPTIONS" &&
    head.headers.get("access-control-request-method") !== null &&
    head.headers.get("origin") !== null
  );
}

/**
 * Checks Host, Origin and Sec-Fetch-Site.
 * @throws {IsopodError} `host_refused`, `origin_refused`
 */
export function checkWeb(head: WebHead, rules: WebRules): WebVerdict {
  checkHost(head, rules);
  return checkOrigin(head, rules);
}

/**
 * Refuses a Host that is not ours, on a loopback listener; on others every Host is ours.
 * @throws {IsopodError} `host_refused`
 */
export function checkHost(head: WebHead, rules: Pick<WebRules, "loopback" | "namesHost">): void {
  if (!rules.loopback) return;
  const host = head.headers.get("host") ?? "";
  if (isLoopbackHost(host) || rules.namesHost(host)) return;
  throw new IsopodError("host_refused", {
    message: `Cannot answer for host "${host.slice(0, 100)}": this server listens on loopback; use localhost, or name the host in a route.`,
  });
}

/**
 * Refuses foreign pages, answers preflights, and says which headers open an answer to a page.
 * @throws {IsopodError} `origin_refused`
 */
export function checkOrigin(head: WebHead, rules: Pick<WebRules, "origins" | "loopback">): WebVerdict {
  const origin = head.headers.get("origin");
  const { origins } = rules;
  if (origin === null) {
    if (!origins.includes("*") && rules.loopback) checkFetchSite(head);
    return origins.length === 0 ? PLAIN_PASS : VARY_PASS;
  }
  const preflight = isPreflight(head);
  if (!preflight && isOwnOrigin(origin, head)) return origins.length === 0 ? PLAIN_PASS : VARY_PASS;
  const allowed = allowedOrigin(origin, origins);
  if (allowed === undefined) {
    throw new IsopodError("origin_refused", {
      message: `Cannot answer a page of origin "${origin.slice(0, 100)}": it is not among the plan's origins.`,
    });
  }
  if (preflight) return { kind: "preflight", headers: preflightHeaders(head, allowed) };
  return {
    kind: "pass",
    headers: [
      ["access-control-allow-origin", allowed],
      ["access-control-expose-headers", EXPOSED],
      ["vary", "Origin"],
    ],
  };
}

/** The last Host header that meant this machine: nearly every request brings the same one. */
let lastLoopbackHost = "localhost";

/** Whether a Host header means this machine: `localhost`, a name below it, 127.0.0.0/8, `[::1]`; with any port. */
export function isLoopbackHost(host: string): boolean {
  if (host === lastLoopbackHost) return true;
  if (!readsAsLoopback(host)) return false;
  lastLoopbackHost = host;
  return true;
}

function readsAsLoopback(host: string): boolean {
  const name = host.replace(/:\d{0,5}$/, "").toLowerCase();
  if (name === "[::1]" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name)) return true;
  return /^([a-z0-9_-]{1,63}\.)*localhost\.?$/.test(name);
}

/** Pages can load and navigate without an Origin; browsers then still say where the page is from. */
function checkFetchSite(head: WebHead): void {
  const site = head.headers.get("sec-fetch-site");
  if (site === null || site === "none" || site === "same-origin") return;
  throw new IsopodError("origin_refused", {
    message: `Cannot answer a ${site.slice(0, 20)} request of a web page: this server listens on loopback, and the plan has no origins for it.`,
  });
}

function isOwnOrigin(origin: string, head: WebHead): boolean {
  // Set by browsers alone, and right also where somebody before us ends TLS and our own scheme is another.
  if (head.headers.get("sec-fetch-site") === "same-origin") return true;
  const own = `${head.secure ? "https" : "http"}://${head.headers.get("host") ?? ""}`;
  return normalOrigin(origin) === normalOrigin(own);
}

/** What Access-Control-Allow-Origin is to say; undefined when the page may not call. */
function allowedOrigin(origin: string, origins: readonly string[]): string | undefined {
  if (origins.includes("*")) return "*";
  const normal = normalOrigin(origin);
  if (normal === undefined) return undefined;
  return origins.some((entry) => normalOrigin(entry) === normal) ? origin : undefined;
}

/** Scheme, host and port in one spelling; undefined for what is no web origin, such as `null`. */
function normalOrigin(text: string): string | undefined {
  if (!/^https?:\/\/[^/?#@\\\s]+\/?$/i.test(text) || !URL.canParse(text)) return undefined;
  return new URL(text).origin;
}

function preflightHeaders(head: WebHead, allowed: string): HeaderList {
  const method = head.headers.get("access-control-request-method") ?? "";
  const requested = (head.headers.get("access-control-request-headers") ?? "").split(",", REQUESTED_HEADERS_MAX);
  const names = requested.map((name) => name.trim()).filter((name) => TOKEN.test(name));
  const headers: [string, string][] = [
    ["access-control-allow-origin", allowed],
    ["access-control-allow-methods", TOKEN.test(method) ? method : "GET, POST"],
    ["access-control-max-age", PREFLIGHT_SECONDS],
    ["vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"],
  ];
  if (names.length > 0) headers.push(["access-control-allow-headers", names.join(", ")]);
  if (head.headers.get("access-control-request-private-network") === "true") {
    headers.push(["access-control-allow-private-network", "true"]);
  }
  return headers;
}
