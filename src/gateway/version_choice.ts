/**
 * Which version of a function answers a request: the one that the caller named, or one of those that the route's alias
 * stands for, by their weights.
 *
 * A caller stays on its side where the alias says by what: the same cookie, header or key always has the same hash, and
 * the hash alone decides. Changing weights moves as few callers as it must.
 */
import type { AliasTargets, RoutedFunction, Sticky } from "../core/deployment.ts";
import { IsopodError } from "../core/errors.ts";
import type { FunctionVersion } from "../core/function.ts";
import type { HeaderList } from "../core/invocation.ts";

/** What the choice is made by. */
export interface ChoiceHead {
  readonly headers: { get(name: string): string | null };
  /** The hash of the caller's API key. */
  readonly keyHash: string | undefined;
}

/** A version, and what the answer has to say so that the caller stays with it. */
export interface VersionChoice {
  readonly version: FunctionVersion;
  readonly headers: HeaderList;
}

/** Digits of a version's hash that people are shown. */
export const SHORT_DIGITS = 12;
const COOKIE_NAME = "isopod-side";
const COOKIE_SECONDS = 30 * 24 * 3600;
const NO_HEADERS: HeaderList = [];

/** The beginning of a version's hash, as people are shown it. */
export function shortVersion(version: string): string {
  return version.slice("sha256-".length, "sha256-".length + SHORT_DIGITS);
}

/** @throws {IsopodError} `not_found` when the function has no such alias */
export function aliasOf(fn: RoutedFunction, alias: string): AliasTargets {
  const found = fn.aliases.get(alias);
  if (found !== undefined) return found;
  throw new IsopodError("not_found", { message: `Function "${fn.name}" has no alias "${alias}".` });
}

/** Chooses among what an alias stands for. */
export function chooseVersion(alias: AliasTargets, head: ChoiceHead): VersionChoice {
  const { targets, sticky } = alias;
  const [first] = targets;
  if (first === undefined) throw new IsopodError("internal", { cause: "an alias without versions" });
  if (targets.length === 1) return { version: first.version, headers: NO_HEADERS };
  const side = sticky === undefined ? undefined : sideOf(sticky, head);
  if (sticky?.by === "cookie" && side === undefined) {
    const fresh = crypto.randomUUID();
    const cookie = `${sticky.name ?? COOKIE_NAME}=${fresh}; Path=/; Max-Age=${COOKIE_SECONDS}; HttpOnly; SameSite=Lax`;
    return { version: pick(alias, unitHash(fresh)), headers: [["set-cookie", cookie]] };
  }
  return { version: pick(alias, side === undefined ? Math.random() : unitHash(side)), headers: NO_HEADERS };
}

function pick({ targets }: AliasTargets, point: number): FunctionVersion {
  let left = point * targets.reduce((sum, { weight }) => sum + weight, 0);
  for (const { version, weight } of targets) {
    left -= weight;
    if (left < 0) return version;
  }
  const last = targets.findLast(({ weight }) => weight > 0) ?? targets[0];
  return (last as AliasTargets["targets"][number]).version;
}

/** A number from 0 to below 1 that is the same for the same text. */
function unitHash(text: string): number {
  return Number(BigInt(Bun.hash(text)) & 0xffff_ffffn) / 2 ** 32;
}

function sideOf(sticky: Sticky, { headers, keyHash }: ChoiceHead): string | undefined {
  if (sticky.by === "key") return keyHash;
  if (sticky.by === "header") return headers.get(sticky.name ?? COOKIE_NAME) ?? undefined;
  return cookieOf(headers.get("cookie"), sticky.name ?? COOKIE_NAME);
}

function cookieOf(header: string | null, name: string): string | undefined {
  for (const pair of header?.split(";", 128) ?? []) {
    const at = pair.indexOf("=");
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim() || undefined;
  }
  return undefined;
}

/** What a host of the form `VERSION--FUNCTION[--PROJECT].DOMAIN` names. */
export interface PreviewName {
  readonly version: string;
  readonly name: string;
  readonly project: string | undefined;
}

const LABEL =
  /^([0-9a-f]{4,64}|[a-z0-9]+(?:-[a-z0-9]+)*)--([a-z0-9]+(?:-[a-z0-9]+)*)(?:--([a-z0-9]+(?:-[a-z0-9]+)*))?$/;

/** Reads a preview's host; undefined for every other. `domains` are in lower case, without a dot in front. */
export function readPreviewHost(host: string, domains: readonly string[]): PreviewName | undefined {
  const dot = host.indexOf(".");
  if (dot < 0 || !host.includes("--")) return undefined;
  const domain = host
    .slice(dot + 1)
    .replace(/:\d*$/, "")
    .replace(/\.$/, "")
    .toLowerCase();
  if (domain !== "localhost" && !domains.includes(domain)) return undefined;
  const [, version, name, project] = LABEL.exec(host.slice(0, dot).toLowerCase()) ?? [];
  return version === undefined || name === undefined ? undefined : { version, name, project };
}
