/** Cron expressions: checked, and asked when they are due next. Fields, ranges and time zones are croner's. */
import { Cron } from "croner";
import type { ScheduleRule } from "../core/triggers.ts";
import { TRIGGER_LIMITS } from "./limits.ts";

/** Checks an expression and its time zone. @throws {Error} that says what is wrong */
export function checkCron(cron: string, timezone: string): void {
  try {
    new Intl.DateTimeFormat("en", { timeZone: timezone });
  } catch {
    throw new Error(`expected the name of a time zone, such as "Europe/Berlin", not "${timezone}"`);
  }
  open(cron, timezone).stop();
}

/** When it is due next after a moment, in milliseconds since the Unix epoch; undefined when never again. */
export function nextAfter(cron: string, timezone: string, after: number): number | undefined {
  const job = open(cron, timezone);
  try {
    return job.nextRun(new Date(after))?.getTime();
  } finally {
    job.stop();
  }
}

/** The times after `since` that are over, the first of many. */
export function missedBetween(
  { cron, timezone }: Pick<ScheduleRule, "cron" | "timezone">,
  since: number,
  now: number,
): number[] {
  const missed: number[] = [];
  for (let at = nextAfter(cron, timezone, since); at !== undefined && at <= now; at = nextAfter(cron, timezone, at)) {
    missed.push(at);
    if (missed.length >= TRIGGER_LIMITS.missedMax) break;
  }
  return missed;
}

function open(cron: string, timezone: string): Cron {
  const fields = cron.trim().split(/\s+/).length;
  if (!cron.startsWith("@") && fields !== 5 && fields !== 6) {
    throw new Error(`expected five fields, or six with seconds, such as "0 6 * * 1-5", not ${fields}`);
  }
  try {
    return new Cron(cron, { timezone, paused: true });
  } catch (error) {
    throw new Error(error instanceof Error ? error.message.replace(/^CronPattern: /, "") : String(error));
  }
}
