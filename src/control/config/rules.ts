/**
 * The numbers of a server itself, beside those of an invocation in `core/limits.ts`: how many instances and clients
 * there may be, how much they may hold and for how long, each with its default, floor and ceiling.
 */
import { totalmem } from "node:os";
import { type LimitRule, limitRule } from "../../core/limits.ts";

export { CONSUMER_RULES } from "../../core/trigger_rules.ts";

/** How many instances there are, and how long they live. */
export interface PoolConfig {
  /** Instances kept ready that hold no code yet. */
  readonly prewarmed: number;
  /** The most instances of the server at a time, prewarmed ones included. */
  readonly instancesMax: number;
  /** An instance without work for this long is ended. */
  readonly idleMs: number;
  /** An instance this old takes no more work and ends. */
  readonly ageMs: number;
  /** An instance that has handled this many invocations takes no more work and ends. */
  readonly invocationsMax: number;
  /** Invocations that wait for an instance; more are refused. */
  readonly queueMax: number;
  /** On shutdown, how long running invocations may take to end. */
  readonly drainMs: number;
}

/** What a client of the data plane may hold, and for how long. */
export interface ServerConfig {
  /** A connection that says nothing for this long, in or between requests, is closed. */
  readonly idleMs: number;
  /** The longest pause between two pieces of a request's body. */
  readonly bodyIdleMs: number;
  readonly webSocketMessageBytesMax: number;
  readonly webSocketIdleMs: number;
}

/** How much of the log is kept, and for how long. */
export interface LogsConfig {
  readonly bytesMax: number;
  readonly ageMs: number;
}

const KB = 1024;
const HOUR_MS = 3_600_000;
const INSTANCE_BYTES_GUESS = 64 * KB * KB;

/** Instances that half of the machine's memory holds at 64 MiB each, from 8 to 1000. */
export function instancesForMemory(machineBytes: number): number {
  return Math.min(1000, Math.max(8, Math.floor(machineBytes / 2 / INSTANCE_BYTES_GUESS)));
}

/** The settings of `[pool]`. The default of `instances` depends on the machine's memory. */
export const POOL_RULES: Readonly<Record<keyof PoolConfig, LimitRule>> = {
  prewarmed: limitRule("prewarmed", 1, 4, 0, 256, "Instances kept ready that hold no code yet."),
  instancesMax: limitRule(
    "instances",
    1,
    instancesForMemory(totalmem()),
    1,
    10_000,
    "Instances of the server at a time, prewarmed ones included.",
  ),
  idleMs: limitRule("idle_ms", 1, 60_000, 100, 86_400_000, "How long an instance without work is kept."),
  ageMs: limitRule("age_ms", 1, 3_600_000, 1000, 604_800_000, "Age at which an instance takes no more work and ends."),
  invocationsMax: limitRule(
    "invocations",
    1,
    1_000_000,
    1,
    1_000_000_000,
    "Invocations after which an instance takes no more work and ends.",
  ),
  queueMax: limitRule("queue", 1, 1000, 0, 100_000, "Invocations that wait for an instance; more are refused."),
  drainMs: limitRule("drain_ms", 1, 10_000, 0, 900_000, "On shutdown, how long running invocations may take to end."),
};

/** The settings of `[server]`. */
export const SERVER_RULES: Readonly<Record<keyof ServerConfig, LimitRule>> = {
  idleMs: limitRule(
    "idle_ms",
    1,
    15_000,
    1000,
    240_000,
    "How long a connection may carry nothing, in or between requests, before it is closed; up to 7 s later.",
  ),
  bodyIdleMs: limitRule(
    "body_idle_ms",
    1,
    10_000,
    100,
    240_000,
    "The longest pause between two pieces of a request's body.",
  ),
  webSocketMessageBytesMax: limitRule(
    "websocket_message_kb",
    KB,
    1024,
    1,
    1024,
    "Size of one message of a WebSocket, in either direction.",
  ),
  webSocketIdleMs: limitRule(
    "websocket_idle_ms",
    1,
    120_000,
    1000,
    900_000,
    "How long a WebSocket may carry nothing before it is closed; up to 7 s later.",
  ),
};

/** The settings of `[logs]`. */
export const LOGS_RULES: Readonly<Record<keyof LogsConfig, LimitRule>> = {
  bytesMax: limitRule("max_mb", KB * KB, 512, 1, 1_048_576, "Size of the log store; the oldest records leave first."),
  ageMs: limitRule("retention_hours", HOUR_MS, 168, 1, 87_600, "Age at which records leave the log store."),
};

/** What the gateway keeps of answers. */
export interface CacheConfig {
  readonly bytesMax: number;
}

/** The settings of `[cache]`. */
export const CACHE_RULES: Readonly<Record<keyof CacheConfig, LimitRule>> = {
  bytesMax: limitRule("max_mb", KB * KB, 128, 0, 65_536, "Memory for cached answers of all projects; 0 keeps none."),
};

/** The setting of a function for the instances that it may have. */
export const FUNCTION_INSTANCES_RULE: LimitRule = limitRule(
  "instances",
  1,
  16,
  1,
  10_000,
  "Instances of the function at a time.",
);

/** The defaults of `rules`. */
export function defaultsOf<Name extends string>(rules: Readonly<Record<Name, LimitRule>>): Record<Name, number> {
  const entries = Object.entries<LimitRule>(rules).map(([name, { default: standard }]) => [name, standard]);
  return Object.fromEntries(entries) as Record<Name, number>;
}
