/** Cron expressions: checked, and asked when they are due. Fields, ranges and time zones are croner's. */
import { Cron } from "croner";
import type { ScheduleRule } from "../core/triggers.ts";
import { TRIGGER_LIMITS } from "./limits.ts";

/** What makes two schedules due at the same times. */
export type CronTimes = Pick<ScheduleRule, "cron" | "timezone">;

/** What was due in a span of time. */
export interface DueTimes {
  /** Up to `missedMax` are counted. */
  readonly count: number;
  /** The last of them; undefined when there are none. */
  readonly last: number | undefined;
  /** The first one after the span; undefined when it is never due again. */
  readonly next: number | undefined;
}

/** Checks an expression and its time zone. @throws {Error} that says what is wrong */
export function checkCron(cron: string, timezone: string): void {
  try {
    new Intl.DateTimeFormat("en", { timeZone: timezone });
  } catch {
    throw new Error(`expected the name of a time zone, such as "Europe/Berlin", not "${timezone}"`);
  }
  open({ cron, timezone }).stop();
}

/** When it is due next after a moment, in milliseconds since the Unix epoch; undefined when never again. */
export function nextAfter(times: CronTimes, after: number): number | undefined {
  return nextOf(open(times), after);
}

/** What was due after `since`, up to `now`. */
export function dueBetween(times: CronTimes, since: number, now: number): DueTimes {
  const job = open(times);
  let count = 0;
  let last: number | undefined;
  let next = nextOf(job, since);
  while (next !== undefined && next <= now && count < TRIGGER_LIMITS.missedMax) {
    count += 1;
    last = next;
    next = nextOf(job, next);
  }
  if (last === undefined || next === undefined || next > now) return { count, last, next };
  return { count, last: lastBefore(job, last, now), next: nextOf(job, now) };
}

/** The last time up to `now`, of which `known` is one: looked for in spans that grow towards it. */
function lastBefore(job: Cron, known: number, now: number): number {
  for (let span = 1000; now - span > known; span *= 2) {
    let last: number | undefined;
    for (let at = nextOf(job, now - span); at !== undefined && at <= now; at = nextOf(job, at)) last = at;
    if (last !== undefined) return last;
  }
  return known;
}

function nextOf(job: Cron, after: number): number | undefined {
  try {
    return job.nextRun(new Date(after))?.getTime();
  } catch {
    // A clock at the end of all calendars.
    return undefined;
  }
}

function open({ cron, timezone }: CronTimes): Cron {
  const fields = cron.trim().split(/\s+/).length;
  if (!cron.startsWith("@") && fields !== 5 && fields !== 6) {
    throw new Error(`expected five fields, or six with seconds, such as "0 6 * * 1-5", not ${fields}`);
  }
  try {
    return new Cron(cron, { timezone, paused: true });
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^CronPattern: /, "") : String(error);
    throw new Error(`expected times such as "0 6 * * 1-5", not "${cron}": ${why}`);
  }
}
