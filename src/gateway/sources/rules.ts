/**
 * Which URLs programs may come from: `codeless.sources`, and whether an address is under one.
 *
 * An address is compared as it will be asked for: parsed, its host in lower case, its path cut into segments. What
 * servers are known to read in more than one way (dot segments, encoded or doubled slashes, backslashes, user names)
 * is refused wherever it stands, so that no spelling leads out of a prefix.
 */
import { IsopodError } from "../../core/errors.ts";

/** An allowed source: a scheme, and a host with an optional port and path, such as `raw.githubusercontent.com/acme/`. */
export interface SourceRule {
  readonly scheme: "http" | "https";
  readonly prefix: string;
}

/** Decides about addresses. */
export interface SourceRules {
  /**
   * The URL of an allowed address, without a fragment; `//host/path` takes https where a rule allows it, else http.
   * @throws {IsopodError} `source_refused`
   */
  locate(address: string): URL;
}

interface Allowed {
  /** With the port, unless it is the scheme's own. */
  readonly origin: string;
  readonly segments: readonly string[];
}

const DECODE_ROUNDS_MAX = 4;
const ADDRESS_LENGTH_MAX = 8192;

/**
 * Reads an entry of the configuration: `host/path`, which is https, or the same with `https://` or `http://`.
 * @throws {Error} naming what was expected.
 */
export function parseSourceRule(text: string): SourceRule {
  const [, scheme = "https", prefix = ""] = /^(?:(https?):\/\/)?(.*)$/is.exec(text.trim()) ?? [];
  const rule: SourceRule = { scheme: scheme.toLowerCase() === "http" ? "http" : "https", prefix };
  compile(rule);
  return rule;
}

/**
 * Compiles the rules.
 * @throws {Error} naming the rule that cannot be read.
 */
export function createSourceRules(rules: readonly SourceRule[]): SourceRules {
  const allowed = rules.map(compile);
  return {
    locate(address) {
      const candidates = address.startsWith("//") ? [`https:${address}`, `http:${address}`] : [address];
      let why = "it is not under an allowed source";
      for (const candidate of candidates) {
        const parsed = parseAddress(candidate);
        if (typeof parsed === "string") why = parsed;
        else if (allowed.some((rule) => covers(rule, parsed))) return parsed.url;
      }
      throw new IsopodError("source_refused", {
        message: `Cannot fetch program "${address.slice(0, 200)}": ${why}.`,
      });
    },
  };
}

interface Address {
  readonly url: URL;
  readonly segments: readonly string[];
}

function compile(rule: SourceRule): Allowed {
  const fail = (expected: string): never => {
    throw new Error(`Cannot read source "${rule.prefix}": ${expected}`);
  };
  if (!/^[^/]/.test(rule.prefix)) fail('expected a host, such as "raw.githubusercontent.com/acme/"');
  if (/[?#]/.test(rule.prefix)) fail("expected no query and no fragment");
  const address = parseAddress(`${rule.scheme}://${rule.prefix}`);
  if (typeof address === "string") return fail(address);
  const segments = address.segments.at(-1) === "" ? address.segments.slice(0, -1) : address.segments;
  return { origin: address.url.origin, segments };
}

/** Whether `address` is at or below the rule's path, whole segments compared. */
function covers(rule: Allowed, address: Address): boolean {
  if (address.url.origin !== rule.origin || address.segments.length < rule.segments.length) return false;
  return rule.segments.every((segment, index) => segment === address.segments[index]);
}

/** The address in parts, or what is wrong with it. */
function parseAddress(text: string): Address | string {
  if (text.length > ADDRESS_LENGTH_MAX) return "it is too long";
  if (/[\\\s\u0000-\u001f\u007f]/.test(text)) return "it holds a backslash, a space or a control character";
  if (!/^https?:\/\/[^/]/i.test(text)) return "expected https:// and a host";
  const [path = ""] = text.slice(text.indexOf("//") + 2).split(/[?#]/, 1);
  if (/\/(\.|%2e){1,2}(\/|$)/i.test(path)) return "its path holds a dot segment";
  if (!URL.canParse(text)) return "it is not a URL";
  const url = new URL(text);
  if (url.username !== "" || url.password !== "" || /^[^/]*@/.test(path)) return "it holds a user name";
  url.hash = "";
  const raw = url.pathname.slice(1).split("/");
  const segments: string[] = [];
  for (const [index, segment] of raw.entries()) {
    if (segment === "" && index < raw.length - 1) return "its path holds an empty segment";
    const decoded = decodeSegment(segment);
    if (decoded === undefined) return "its path holds an encoded separator or dot segment";
    segments.push(decoded);
  }
  return { url, segments };
}

/** `segment` decoded once; undefined when it, decoded however often, is a dot segment or holds a separator. */
function decodeSegment(segment: string): string | undefined {
  let once: string | undefined;
  let text = segment;
  for (let round = 0; round < DECODE_ROUNDS_MAX; round++) {
    if (text === "." || text === ".." || /[/\\\u0000-\u001f]/.test(text)) return undefined;
    if (round === 1) once = text;
    if (!text.includes("%")) return once ?? text;
    try {
      text = decodeURIComponent(text);
    } catch {
      // A server might still decode the escapes that are right; those of separators are looked for by themselves.
      return /%(25)*(2e|2f|5c|00)/i.test(text) ? undefined : (once ?? text);
    }
  }
  return undefined;
}
