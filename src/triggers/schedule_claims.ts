/** Claims what is to be done about schedules in the store, a few at a time: thousands may be due at the full hour. */
import type { Clock } from "../core/clock.ts";
import type { TriggerObserver } from "../core/triggers.ts";
import { Lanes } from "../stdx/lanes.ts";
import { TRIGGER_LIMITS } from "./limits.ts";
import { aboutOf, keyOf, type PlacedSchedule, type ScheduleRecord, type ScheduleRecords } from "./schedule_records.ts";
import { type ScheduleStep, stepOf, withoutDeadRun } from "./schedule_step.ts";

/** What claiming takes. */
export interface ScheduleClaimsOptions {
  readonly records: ScheduleRecords;
  readonly clock: Clock;
  readonly observer: TriggerObserver;
  newRequestId(): string;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** What has been claimed, and by which form of the schedule. */
export interface ScheduleClaim {
  readonly schedule: PlacedSchedule;
  readonly step: ScheduleStep;
}

/** Claims. */
export class ScheduleClaims {
  readonly #options: ScheduleClaimsOptions;
  readonly #lanes = new Lanes(TRIGGER_LIMITS.claimsAtATime);

  constructor(options: ScheduleClaimsOptions) {
    this.#options = options;
  }

  /** How a schedule stands. */
  async read(schedule: PlacedSchedule): Promise<ScheduleRecord> {
    const now = this.#options.clock.wallNow();
    const { record } = await this.#lanes.run(() => this.#options.records.read(schedule, now));
    return withoutDeadRun(record, now);
  }

  /**
   * Decides what is to be done, and has it to itself; undefined when nothing is to be done any more.
   * @param current the schedule as it is by then
   */
  async claim(current: () => PlacedSchedule | undefined, isStart: boolean): Promise<ScheduleClaim | undefined> {
    const claimed = await this.#lanes.run(() => this.#claim(current, isStart));
    if (claimed !== undefined) this.#tell(claimed);
    return claimed;
  }

  async #claim(current: () => PlacedSchedule | undefined, isStart: boolean): Promise<ScheduleClaim | undefined> {
    const { records, clock, newRequestId } = this.#options;
    for (;;) {
      const schedule = current();
      if (schedule === undefined) return undefined;
      const now = clock.wallNow();
      const { record, revision } = await records.read(schedule, now);
      const step = stepOf(schedule, record, { now, isStart, requestId: newRequestId() });
      // A new schedule is noted, so that what it misses from now on is known.
      if (step.record === record && revision > 0) return { schedule, step };
      if (await records.write(schedule, step.record, revision)) return { schedule, step };
    }
  }

  #tell({ schedule, step: { missed, isSkipped, isFromFuture, record } }: ScheduleClaim): void {
    const { observer, report } = this.#options;
    const name = keyOf(schedule).join("/");
    const about = { ...aboutOf(schedule), due: record.lastAt };
    if (missed > 0) {
      observer.scheduled(name, "missed", missed);
      report("A schedule was missed: it was due while no server saw to it", { ...about, missed });
    }
    if (isSkipped) {
      observer.scheduled(name, "skipped");
      report("A schedule was skipped: its last run goes on", about);
    }
    if (isFromFuture) report("The clock was set back by far: a schedule begins anew", aboutOf(schedule));
  }
}
