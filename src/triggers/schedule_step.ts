/**
 * What is to be done about a schedule at a moment, from what stands of it in the store: nothing, a run, or noting that
 * a time was missed or skipped. Who carries it out writes the new record first, by compare-and-set.
 *
 * Nothing here reads a clock or a store.
 */
import { dueBetween } from "./cron.ts";
import { TRIGGER_LIMITS } from "./limits.ts";
import type { PlacedSchedule, RunningRun, ScheduleRecord } from "./schedule_records.ts";

/** When somebody looks. */
export interface StepMoment {
  readonly now: number;
  /** Whether nobody here has looked before: what was due until now was due while no server ran. */
  readonly isStart: boolean;
  /** What a run would be called. */
  readonly requestId: string;
}

/** What is to be done. */
export interface ScheduleStep {
  /** What is to stand in the store; the very record that stood there when nothing is to be done. */
  readonly record: ScheduleRecord;
  /** When to look again; undefined for never. */
  readonly next: number | undefined;
  readonly run: RunningRun | undefined;
  /** Times that were missed. */
  readonly missed: number;
  readonly isSkipped: boolean;
  /** Whether the clock was set back so far that the record cannot be true. */
  readonly isFromFuture: boolean;
}

/** Decides. */
export function stepOf(schedule: PlacedSchedule, stood: ScheduleRecord, moment: StepMoment): ScheduleStep {
  const { cron, timezone, catchUp, overlap, wallMs } = schedule;
  const { now, isStart, requestId } = moment;
  const settled = withoutDeadRun(stood, now);
  const isFromFuture = stood.due - now > TRIGGER_LIMITS.aheadMsMax;
  const isOther = stood.cron !== cron || stood.timezone !== timezone;
  const record = isOther || isFromFuture ? { ...settled, cron, timezone, due: now } : settled;
  const { count, last, next } = dueBetween(schedule, record.due, now);
  const nothing = { record, next, run: undefined, missed: 0, isSkipped: false, isFromFuture };
  if (last === undefined) return nothing;
  const isLate = isStart || now - last > TRIGGER_LIMITS.lateMsMax;
  const missed = isLate ? count : count - 1;
  const isSkipped = !(isLate && !catchUp) && overlap === "skip" && record.running !== undefined;
  const isRun = !isSkipped && (catchUp || !isLate);
  const { leaseSlackMs, busyMsMax } = TRIGGER_LIMITS;
  const run = isRun ? { at: last, until: now + busyMsMax + wallMs + leaseSlackMs, requestId } : undefined;
  const changed: ScheduleRecord = {
    ...{ ...record, due: last, lastAt: last, outcome: isRun ? "running" : isSkipped ? "skipped" : "missed" },
    ...(run && { running: run, requestId }),
    missed: record.missed + missed,
    skipped: record.skipped + (isSkipped ? 1 : 0),
  };
  return { ...nothing, record: changed, run, missed, isSkipped };
}

/** A run whose server has died with it has failed. */
export function withoutDeadRun(record: ScheduleRecord, now: number): ScheduleRecord {
  const { running } = record;
  return running === undefined || now <= running.until ? record : withoutRun(record, running, "failed");
}

/** A run is over. */
export function withoutRun(record: ScheduleRecord, run: RunningRun, outcome: "ok" | "failed"): ScheduleRecord {
  const counted = { ...record, runs: record.runs + 1, failed: record.failed + (outcome === "failed" ? 1 : 0) };
  return {
    ...counted,
    // What came after it says more of how the schedule fares.
    ...(record.lastAt === run.at && { outcome }),
    ...(record.running?.requestId === run.requestId && { running: undefined }),
  };
}
