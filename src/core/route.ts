/**
 * Routes: which requests belong to which function.
 *
 * A pattern is written `METHOD [host]/path`: the method or `ANY`; an optional host, which may begin with `*.`; a path
 * whose segments may be `:name`, and whose last may be `*` for any rest, the empty one included.
 */
import { methodMistake } from "./http_methods.ts";

/** A parsed pattern. */
export interface RoutePattern {
  /** Upper case; undefined for any method. */
  readonly method: string | undefined;
  /** Lower case, without a port; `*.example.org` matches every name below; undefined for any host. */
  readonly host: string | undefined;
  /** Begins with `/`. */
  readonly path: string;
}

const METHOD = /^[A-Z][A-Z0-9-]{0,31}$/;
const HOST = /^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
const SEGMENT = /^(:[A-Za-z_][A-Za-z0-9_]*|[^:*?#\s]*)$/;

/**
 * Parses `text`, such as `GET /hello/:name` or `ANY api.example.com/v1/*`.
 * @throws {Error} naming what was expected.
 */
export function parseRoute(text: string): RoutePattern {
  const fail = (expected: string): never => {
    throw new Error(`Cannot read route "${text}": ${expected}`);
  };
  const parts = text.trim().split(/\s+/);
  const [method, address] = parts;
  if (parts.length !== 2 || method === undefined || address === undefined) {
    return fail('expected a method (or ANY) and a path, such as "GET /hello/:name"');
  }
  if (!METHOD.test(method)) fail("expected the method in upper case, or ANY");
  const slash = address.indexOf("/");
  if (slash < 0) fail('expected a path that begins with "/"');
  const host = address.slice(0, slash).toLowerCase();
  if (host !== "" && !HOST.test(host)) fail(`expected a host name without a port, or "*." before one, not "${host}"`);
  const path = address.slice(slash);
  const segments = path.slice(1).split("/");
  const names = new Set<string>();
  segments.forEach((segment, index) => {
    if (segment === "*" && index === segments.length - 1) return;
    if (!SEGMENT.test(segment)) fail(`expected a plain segment, ":name", or "*" at the very end, not "${segment}"`);
    if (segment.startsWith(":") && names.size === names.add(segment).size) fail(`"${segment}" stands twice`);
  });
  return { method: method === "ANY" ? undefined : method, host: host === "" ? undefined : host, path };
}

/**
 * Parses a route that somebody has just written: what can never match, since its method is none, is refused.
 * @throws {Error} naming what was expected.
 */
export function parseNewRoute(text: string): RoutePattern {
  const pattern = parseRoute(text);
  const mistake = pattern.method === undefined ? undefined : methodMistake(pattern.method);
  if (mistake !== undefined) throw new Error(`Cannot read route "${text}": ${mistake}`);
  return pattern;
}

/** The pattern as it is written. */
export function formatRoute(route: RoutePattern): string {
  return `${route.method ?? "ANY"} ${route.host ?? ""}${route.path}`;
}
