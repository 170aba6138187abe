/** How triggers are declared: keys, defaults and bounds, for the configuration and for deploys alike. */
import { isResourceName } from "./binding_kinds.ts";
import { type LimitRule, limitRule } from "./limits.ts";
import type { ConsumerRule, ScheduleRule } from "./triggers.ts";

/** What a consumer may set, as numbers. */
export const CONSUMER_RULES: Readonly<
  Record<"batchSize" | "batchWaitMs" | "retries" | "retryDelayMs" | "concurrency", LimitRule>
> = {
  batchSize: limitRule("batch_size", 1, 10, 1, 100, "Messages of one call."),
  batchWaitMs: limitRule(
    "batch_wait_ms",
    1,
    1000,
    0,
    60_000,
    "How long a call waits for more messages than there are.",
  ),
  retries: limitRule("retries", 1, 3, 0, 100, "Attempts after the first."),
  retryDelayMs: limitRule(
    "retry_delay_ms",
    1,
    1000,
    0,
    43_200_000,
    "Before the second attempt; twice as long before each further one.",
  ),
  concurrency: limitRule("concurrency", 1, 1, 1, 100, "Calls at a time."),
};

/** A schedule as it is said. */
export interface SaidSchedule {
  readonly name?: string | undefined;
  readonly cron: string;
  readonly timezone?: string | undefined;
  readonly catchUp?: boolean | undefined;
  readonly overlap?: ScheduleRule["overlap"] | undefined;
  readonly enabled?: boolean | undefined;
}

/** A consumer as it is said. */
export type SaidConsumer = { readonly [Key in keyof typeof CONSUMER_RULES]?: number | undefined } & {
  readonly queue: string;
  readonly deadLetter?: string | undefined;
};

/** The most schedules, and consumed queues, of a function. */
export const TRIGGERS_MAX = 32;
const NAME = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;

/**
 * Reads schedules.
 * @param check throws what is wrong with an expression or a time zone
 * @param fail is told the index, the key and why; must throw
 */
export function readSchedules(
  said: readonly SaidSchedule[],
  check: (cron: string, timezone: string) => void,
  fail: (index: number, key: string, why: string) => never,
): ScheduleRule[] {
  const names = new Set<string>();
  return said.map(({ name = "default", cron, timezone = "UTC", catchUp = false, ...more }, index) => {
    const { overlap = "skip", enabled = true } = more;
    if (!NAME.test(name)) fail(index, "name", 'expected letters "a" to "z", digits and "-", at most 40');
    if (names.has(name)) fail(index, "name", `two schedules of the function are called "${name}"; give each a name`);
    names.add(name);
    try {
      check(cron, timezone);
    } catch (error) {
      fail(index, "cron", error instanceof Error ? error.message : String(error));
    }
    return { name, cron, timezone, catchUp, overlap, enabled };
  });
}

/** Reads consumers. @param fail is told the index, the key and why; must throw */
export function readConsumers(
  said: readonly SaidConsumer[],
  fail: (index: number, key: string, why: string) => never,
): ConsumerRule[] {
  return said.map((consumer, index) => {
    const { queue, deadLetter } = consumer;
    const expected = 'expected letters, digits, "_" and "-", at most 63, beginning with a letter or digit';
    if (!isResourceName(queue)) fail(index, "queue", expected);
    if (deadLetter !== undefined && !isResourceName(deadLetter)) fail(index, "deadLetter", expected);
    if (deadLetter === queue) fail(index, "deadLetter", "a queue cannot be its own dead letters'");
    if (said.some((other, at) => at < index && other.queue === queue)) fail(index, "queue", `"${queue}" stands twice`);
    const numbers = Object.entries(CONSUMER_RULES).map(([name, { default: standard }]) => {
      return [name, consumer[name as keyof typeof CONSUMER_RULES] ?? standard] as const;
    });
    return { queue, deadLetter, ...(Object.fromEntries(numbers) as Omit<ConsumerRule, "queue" | "deadLetter">) };
  });
}
