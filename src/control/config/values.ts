/**
 * The single values of a configuration file: each reads what TOML gave and says what it expected instead.
 *
 * Every schema here ends in at most one issue for its value, whose message is a reason that can stand after
 * `Cannot read KEY of SUBJECT: `.
 */
import { z } from "zod";
import type { LimitRule } from "../../core/limits.ts";
import { parseNewRoute, type RoutePattern } from "../../core/route.ts";
import type { Address, SourceRule } from "./config.ts";

const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;
const HOST_NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;
const TEXT_LENGTH_MAX = 4096;

/** Names of functions and plans. */
export const NAME_EXPECTED = 'a name of "a" to "z", "0" to "9" and "-", at most 63 long';

/** Whether `name` may name a function or a plan. */
export function isName(name: string): boolean {
  return NAME.test(name);
}

/** A value that `read` understands: undefined means that it does not, and an error thrown says why. */
export function leaf<T>(expected: string, read: (value: unknown) => T | undefined): z.ZodType<T> {
  return z.unknown().transform((value, context): T => {
    let reason = `expected ${expected}`;
    try {
      const result = read(value);
      if (result !== undefined) return result;
    } catch (error) {
      reason = reasonOf(error);
    }
    context.addIssue({ code: "custom", message: reason });
    return z.NEVER;
  });
}

/** What a parser's error says after its own `Cannot read … "…": `. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const end = /^(Cannot|Can't) /.test(message) ? message.indexOf('": ') : -1;
  return end < 0 ? message : message.slice(end + 3);
}

/** Text of at most 4096 characters. */
export function text(expected: string, accept: (value: string) => boolean = () => true): z.ZodType<string> {
  return parsed(expected, (value) => (accept(value) ? value : undefined));
}

/** Text that `parse` makes something of. */
function parsed<T>(expected: string, parse: (value: string) => T | undefined): z.ZodType<T> {
  return leaf(expected, (value) =>
    typeof value === "string" && value !== "" && value.length <= TEXT_LENGTH_MAX && !value.includes("\0")
      ? parse(value)
      : undefined,
  );
}

/** One of a few words. */
export function oneOf<const Word extends string>(words: readonly Word[]): z.ZodType<Word> {
  const quoted = words.map((word) => `"${word}"`);
  const expected = [quoted.slice(0, -1).join(", "), quoted.at(-1)].filter(Boolean).join(" or ");
  return leaf(expected, (value) => words.find((word) => word === value));
}

const UNITS: Readonly<Record<string, string>> = { ms: "milliseconds", mb: "MiB", kb: "KiB", hours: "hours" };

/** The unit that a key says it is in. */
function unitOf(key: string): string {
  const unit = UNITS[key.split("_").at(-1) ?? ""];
  return unit === undefined ? "a whole number" : `a whole number of ${unit}`;
}

/** A number in the unit of the rule's key; read into the rule's own unit. */
export function setting({ key, scale, floor, ceiling }: LimitRule): z.ZodType<number> {
  return leaf(`${unitOf(key)} from ${floor / scale} to ${ceiling / scale}`, (value) => {
    const fits = typeof value === "number" && Number.isInteger(value);
    return fits && value * scale >= floor && value * scale <= ceiling ? value * scale : undefined;
  });
}

/** `host:port`. */
export const address: z.ZodType<Address> = parsed('a host and a port, such as "127.0.0.1:8080"', (value) => {
  const [, ipv6, name, portText] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(value) ?? [];
  const host = (ipv6 ?? name)?.toLowerCase();
  const port = Number(portText);
  if (host === undefined || port > 65_535) return undefined;
  if (ipv6 === undefined ? !HOST_NAME.test(host) : !URL.canParse(`http://[${host}]/`)) return undefined;
  if (/^[\d.]+$/.test(host) && !/^(\d{1,3}\.){3}\d{1,3}$/.test(host)) return undefined;
  return URL.canParse(`http://${ipv6 === undefined ? host : `[${host}]`}/`) ? { host, port } : undefined;
});

/** The path of the codeless endpoint. */
export const codelessPath: z.ZodType<string> = parsed('a path that begins with "/", such as "/run"', (value) =>
  /^\/[A-Za-z0-9._~/-]*$/.test(value) && !value.includes("//") && !/(^|\/)\.\.?(\/|$)/.test(value)
    ? value.replace(/(.)\/$/, "$1")
    : undefined,
);

/** A domain below which there are hosts of ours. */
export const domain: z.ZodType<string> = parsed('a domain, such as "preview.example.com"', (value) =>
  HOST_NAME.test(value) && value.length <= 200 ? value.toLowerCase() : undefined,
);

/** An allowed source of programs. A host alone gets a `/`, so that it is not the beginning of another host's name. */
export function sourceRule(check: ((value: string) => void) | undefined): z.ZodType<SourceRule> {
  const expected =
    'a host and the beginning of a path, such as "raw.githubusercontent.com/acme/"; "http://" before it where https is not meant';
  return parsed(expected, (value) => {
    const [, scheme = "https", rest = ""] = /^(?:(https?):\/\/)?([^/?#@\\\s][^?#@\\\s]*)$/.exec(value) ?? [];
    if (rest === "" || /^[^/]*:(\/|$)/.test(rest) || !URL.canParse(`${scheme}://${rest}`)) return undefined;
    const { host, pathname } = new URL(`${scheme}://${rest}`);
    const plain = HOST_NAME.test(host.replace(/:\d+$/, "")) || host.startsWith("[");
    if (plain) check?.(value);
    return plain ? { scheme: scheme === "http" ? "http" : "https", prefix: host + pathname } : undefined;
  });
}

const RATE_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** Requests a second, a minute or an hour; read into requests a second. */
export const rate: z.ZodType<number> = parsed(
  'a number of requests a second, minute or hour, such as "100/s", "90/m" or "500/h"',
  (value) => {
    const [, count, unit = ""] = /^(\d{1,7})\s*\/\s*([smh])$/.exec(value) ?? [];
    const requests = Number(count);
    return requests >= 1 && requests <= 1_000_000 ? requests / (RATE_SECONDS[unit] ?? 1) : undefined;
  },
);

/** The origin of web pages, or `*` for all of them. */
export const origin: z.ZodType<string> = parsed(
  'the origin of a web page without a path, such as "https://app.example.com", or "*"',
  (value) => {
    if (value === "*") return value;
    if (!/^https?:\/\/[^/?#@\\\s*]+$/i.test(value) || !URL.canParse(value)) return undefined;
    return new URL(value).origin;
  },
);

/** The hash of an API key. */
export const keyHash: z.ZodType<string> = parsed(
  '"sha256-" and 64 hexadecimal digits, the SHA-256 of the key',
  (value) => (/^sha256-[0-9a-f]{64}$/i.test(value) ? value.toLowerCase() : undefined),
);

/** A route. */
export const route: z.ZodType<RoutePattern> = parsed(
  'a method (or ANY) and a path, such as "GET /hello/:name"',
  parseNewRoute,
);

/** Text that a check from another room accepts: it throws when it does not. */
export function checked(expected: string, check: ((value: string) => void) | undefined): z.ZodType<string> {
  return parsed(expected, (value) => {
    check?.(value);
    return value;
  });
}

const ENV_ENTRIES_MAX = 256;
const ENV_NAME = /^[A-Za-z_./-][A-Za-z0-9_./-]{0,255}$/;
/** What is expected of the name of a variable. */
export const ENV_NAME_EXPECTED = 'a name of letters, digits, "_", "-", "." and "/", no digit first, at most 256 long';

/** Whether `name` may name a variable of a program's environment. */
export function isEnvName(name: string): boolean {
  return ENV_NAME.test(name);
}

const ENV_VALUE_MAX = 32_768;

/** Environment variables. */
export const environment: z.ZodType<Readonly<Record<string, string>>> = z.unknown().transform((value, context) => {
  const issue = (message: string, path: string[] = []) => context.addIssue({ code: "custom", message, path });
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    issue('expected a table of names and texts, such as { GREETING = "hi" }');
    return z.NEVER;
  }
  const entries = Object.entries(value);
  if (entries.length > ENV_ENTRIES_MAX) issue(`expected at most ${ENV_ENTRIES_MAX} variables`);
  for (const [name, item] of entries.slice(0, ENV_ENTRIES_MAX)) {
    if (!isEnvName(name)) {
      issue(`expected ${ENV_NAME_EXPECTED}`, [name]);
    } else if (typeof item !== "string" || item.length > ENV_VALUE_MAX || item.includes("\0")) {
      issue(`expected a text in quotes, at most ${ENV_VALUE_MAX} characters long`, [name]);
    }
  }
  return Object.fromEntries(entries) as Record<string, string>;
});
