/**
 * Every limit on an invocation: its unit (in its name), default, floor and ceiling.
 *
 * A plan sets what a caller gets, a function what it gets; the lower wins (`combineLimits`). Limits of the server
 * itself (connections, header bytes, pool sizes) stand with the configuration, not here.
 */

/** What one invocation may use. */
export interface Limits {
  /** Time from admission to the last byte, in milliseconds. */
  readonly wallMs: number;
  /** Processor time, in milliseconds. */
  readonly cpuMs: number;
  /** Private and shared memory of the instance, in bytes, without the files that it maps. */
  readonly memoryBytes: number;
  /** Request body, in bytes. */
  readonly bodyBytesMax: number;
  /** Response body or script output, in bytes. */
  readonly responseBytesMax: number;
  /** Console and stderr output, in bytes. */
  readonly logBytesMax: number;
  /** Outgoing requests. */
  readonly subrequestsMax: number;
  /** Bytes received by outgoing requests, all of them together. */
  readonly subrequestBytesMax: number;
  /** Invocations at the same time. */
  readonly concurrencyMax: number;
}

/** How one limit is bounded and explained. */
export interface LimitRule {
  readonly default: number;
  readonly floor: number;
  readonly ceiling: number;
  /** The key in a configuration file, and how many of the limit's unit one of the key's unit is. */
  readonly key: string;
  readonly scale: number;
  readonly meaning: string;
}

const MB = 1024 * 1024;

/** The rules, by limit. `docs/configuration.md` lists them; a test keeps both the same. */
export const LIMIT_RULES: Readonly<Record<keyof Limits, LimitRule>> = {
  wallMs: limitRule("wall_ms", 1, 10_000, 1, 900_000, "Time from admission to the last byte, in milliseconds."),
  cpuMs: limitRule("cpu_ms", 1, 5_000, 1, 900_000, "Processor time, in milliseconds."),
  memoryBytes: limitRule(
    "memory_mb",
    MB,
    128,
    16,
    4096,
    "Memory of the instance, in MiB, without the files that it maps.",
  ),
  bodyBytesMax: limitRule("body_mb", MB, 10, 0, 1024, "Size of the request body, in MiB."),
  responseBytesMax: limitRule("response_mb", MB, 100, 0, 16_384, "Size of the response body or script output, in MiB."),
  logBytesMax: limitRule("log_kb", 1024, 1024, 0, 1_048_576, "Console and stderr output of one invocation, in KiB."),
  subrequestsMax: limitRule(
    "subrequests",
    1,
    50,
    0,
    10_000,
    "Outgoing requests of one invocation, redirects included.",
  ),
  subrequestBytesMax: limitRule(
    "subrequest_mb",
    MB,
    100,
    0,
    16_384,
    "Bytes received by all outgoing requests of one invocation, in MiB.",
  ),
  concurrencyMax: limitRule(
    "concurrency",
    1,
    64,
    1,
    10_000,
    "Invocations at the same time: of a caller in a plan, of an instance in a function.",
  ),
};

/** A rule whose bounds are given in the unit of its key. */
export function limitRule(
  key: string,
  scale: number,
  standard: number,
  floor: number,
  ceiling: number,
  meaning: string,
): LimitRule {
  return { key, scale, default: standard * scale, floor: floor * scale, ceiling: ceiling * scale, meaning };
}

/** The names of all limits. */
export const LIMIT_NAMES = Object.keys(LIMIT_RULES) as (keyof Limits)[];

/** The limits of a caller and a function that set none. */
export const DEFAULT_LIMITS: Limits = fromRules((name) => LIMIT_RULES[name].default);

/** The lower of both for every limit; a missing one does not count. */
export function combineLimits(first: Limits, second: Partial<Limits>): Limits {
  return fromRules((name) => Math.min(first[name], second[name] ?? Number.POSITIVE_INFINITY));
}

/** `limits` on top of the defaults: what a function or a plan that names some of them gets. */
export function completeLimits(limits: Partial<Limits>): Limits {
  return fromRules((name) => limits[name] ?? LIMIT_RULES[name].default);
}

function fromRules(value: (name: keyof Limits) => number): Limits {
  const entries = LIMIT_NAMES.map((name) => [name, value(name)]);
  return Object.fromEntries(entries) as unknown as Limits;
}
