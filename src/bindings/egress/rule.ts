/**
 * The grammar of an entry of an egress allow-list, and what an entry allows.
 *
 *     [METHOD[,METHOD] ][scheme://]host[:port]
 *
 * - `METHOD`: one or more, such as `GET` or `GET,HEAD`; left out, or `ANY`: every method.
 * - `scheme`: `http` or `https`; left out: https, and either one when the entry names a port.
 * - `host`: a name (`api.example.com`); `*.example.com`, every name below it at any depth, itself not; `*`, every public
 *   host; `localhost`, by that name alone; or an IP address or network (`10.1.2.3`, `10.0.0.0/8`, `[fd00::1]`, `fd00::/8`).
 * - `port`: a number, or `*` for any; left out: the scheme's, 443 or 80.
 *
 * Only an entry with an address, a network or `localhost` names addresses that are not public. A host name whose
 * address is private therefore needs two entries: one for the name, one for the address.
 */
import { methodMistake } from "../../core/http_methods.ts";
import { type Address, contains, isIPv4, isLoopback, type Network, parseAddress, parseNetwork } from "./address.ts";

/** What one request wants to reach. */
export interface Target {
  readonly method: string;
  readonly scheme: "http:" | "https:";
  /** In lower case, without brackets and without a trailing dot. */
  readonly host: string;
  readonly port: number;
  /** Set when the host is an address. */
  readonly literal: Address | undefined;
}

/** Which hosts an entry is about. */
export type HostPattern =
  | { readonly kind: "any" }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "below"; readonly suffix: string }
  | { readonly kind: "localhost" }
  | { readonly kind: "network"; readonly network: Network };

/** A parsed entry. */
export interface EgressRule {
  /** Undefined for every method. */
  readonly methods: ReadonlySet<string> | undefined;
  /** Undefined for both. */
  readonly scheme: "http:" | "https:" | undefined;
  readonly host: HostPattern;
  /** Undefined for the scheme's own. */
  readonly port: number | "any" | undefined;
}

/** The widest networks that an entry may name; a wider one would name loopback and metadata services by accident. */
const NETWORK_BITS_MIN = { ipv4: 8, ipv6: 7 } as const;

/**
 * Parses one entry of an allow-list.
 * @throws {Error} that names the entry and what is wrong with it
 * @example parseEgressRule("GET,HEAD *.example.org:8443")
 */
export function parseEgressRule(text: string): EgressRule {
  const words = text
    .trim()
    .replace(/\s*,\s*/g, ",")
    .split(/\s+/);
  if (words.length > 2) throw refuse(text, 'it is not of the form "[METHOD[,METHOD] ][scheme://]host[:port]"');
  const place = words.at(-1) ?? "";
  const methods = words.length === 2 ? parseMethods(text, words[0] ?? "") : undefined;
  const [, schemeText, rest = ""] = /^(?:([^/]*):\/\/)?(.*)$/s.exec(place) ?? [];
  const scheme = schemeText === undefined ? undefined : parseScheme(text, schemeText);
  const [hostText, portText] = splitPort(rest);
  const port = portText === undefined ? undefined : parsePort(text, portText);
  return {
    methods,
    scheme: scheme ?? (port === undefined ? "https:" : undefined),
    host: parseHost(text, hostText),
    port,
  };
}

/** Whether `rule` is about `target`, its addresses aside. A network is about hosts that are addresses in it. */
export function allowsTarget(rule: EgressRule, target: Target): boolean {
  return allowsManner(rule, target) && matchesHost(rule.host, target);
}

/** Whether `rule` names `address`, so that `target` may be reached there though it is not public. */
export function namesAddress(rule: EgressRule, target: Target, address: Address): boolean {
  if (!allowsManner(rule, target)) return false;
  if (rule.host.kind === "network") return contains(rule.host.network, address);
  return rule.host.kind === "localhost" && target.host === "localhost" && isLoopback(address);
}

/**
 * Checks an entry that somebody has just written: a word in front that is no method would allow nothing.
 * @throws {Error} saying what is wrong with it
 */
export function checkEgressRule(text: string): void {
  for (const method of parseEgressRule(text).methods ?? []) {
    const mistake = methodMistake(method);
    if (mistake !== undefined) throw refuse(text, mistake);
  }
}

/**
 * Parses a host alone, as the hosts of a secret are given: no method, scheme or port.
 * @throws {Error} that names the host and what is wrong with it
 */
export function parseHostPattern(text: string): HostPattern {
  return parseHost(text, text.trim().replace(/^\[|\]$/g, ""));
}

/** Whether `pattern` is about the host, the rest of the target aside. */
export function matchesHost(pattern: HostPattern, target: Pick<Target, "host" | "literal">): boolean {
  switch (pattern.kind) {
    case "any":
      return true;
    case "name":
      return target.host === pattern.name;
    case "below":
      return target.host.endsWith(pattern.suffix) && target.host.length > pattern.suffix.length;
    case "localhost":
      return target.host === "localhost";
    case "network":
      return target.literal !== undefined && contains(pattern.network, target.literal);
  }
}

function allowsManner(rule: EgressRule, target: Target): boolean {
  if (rule.methods !== undefined && !rule.methods.has(target.method)) return false;
  if (rule.scheme !== undefined && rule.scheme !== target.scheme) return false;
  return rule.port === "any" || target.port === (rule.port ?? defaultPort(target.scheme));
}

/** The port of a URL that names none. */
export function defaultPort(scheme: Target["scheme"]): number {
  return scheme === "https:" ? 443 : 80;
}

function refuse(text: string, why: string): Error {
  return new Error(`Cannot parse egress entry ${JSON.stringify(text.slice(0, 200))}: ${why}`);
}

function parseMethods(text: string, list: string): ReadonlySet<string> | undefined {
  const methods = list.toUpperCase().split(",");
  const wrong = methods.find((method) => !/^[A-Z][A-Z-]{0,31}$/.test(method));
  if (wrong !== undefined) throw refuse(text, `${JSON.stringify(wrong)} is not a method`);
  return methods.includes("ANY") ? undefined : new Set(methods);
}

function parseScheme(text: string, scheme: string): "http:" | "https:" {
  const name = scheme.toLowerCase();
  if (name === "http" || name === "https") return `${name}:`;
  throw refuse(text, `the scheme must be http or https, not ${JSON.stringify(scheme)}`);
}

/** Cuts the port off; `fd00::1` has none, since an IPv6 address with a port stands in brackets. */
function splitPort(place: string): [host: string, port: string | undefined] {
  const bracketed = /^\[([^\]]*)\](?:(\/\d+))?(?::(.*))?$/s.exec(place);
  if (bracketed) return [`${bracketed[1]}${bracketed[2] ?? ""}`, bracketed[3]];
  const colon = place.indexOf(":");
  if (colon < 0 || colon !== place.lastIndexOf(":")) return [place, undefined];
  return [place.slice(0, colon), place.slice(colon + 1)];
}

function parsePort(text: string, port: string): number | "any" {
  if (port === "*") return "any";
  const value = Number(port);
  if (/^\d{1,5}$/.test(port) && value >= 1 && value <= 65_535) return value;
  throw refuse(text, `the port must be a number from 1 to 65535 or *, not ${JSON.stringify(port)}`);
}

function parseHost(text: string, host: string): HostPattern {
  if (host === "") throw refuse(text, "the host is missing");
  if (host === "*") return { kind: "any" };
  const network = parseNetwork(host);
  if (network !== undefined) return { kind: "network", network: checkWidth(text, network) };
  if (host.includes("/")) throw refuse(text, "an entry names a host or a network, never a path");
  if (host.startsWith("*.")) return { kind: "below", suffix: `.${parseName(text, host.slice(2))}` };
  const name = parseName(text, host);
  const literal = parseAddress(name.replace(/^\[|\]$/g, ""));
  if (literal !== undefined) return { kind: "network", network: { base: literal, bits: 128 } };
  return name === "localhost" ? { kind: "localhost" } : { kind: "name", name };
}

function checkWidth(text: string, network: Network): Network {
  const ipv4 = isIPv4(network.base);
  const least = ipv4 ? NETWORK_BITS_MIN.ipv4 : NETWORK_BITS_MIN.ipv6;
  if (network.bits >= (ipv4 ? 96 + least : least)) return network;
  throw refuse(text, `a network is named with at least /${least}; for every public host write *`);
}

/** The name as a URL spells it: lower case, punycode, no trailing dot. */
function parseName(text: string, name: string): string {
  if (name.includes("*")) throw refuse(text, "a * stands alone or as the first label, as in *.example.org");
  if (/[\s/@?#\\:%]/.test(name) || !URL.canParse(`http://${name}/`)) {
    throw refuse(text, `${JSON.stringify(name)} is not a host name`);
  }
  return new URL(`http://${name}/`).hostname.replace(/\.$/, "");
}
