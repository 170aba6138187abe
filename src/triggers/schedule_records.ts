/** What stands in the store of a schedule: the last time that was dealt with, how it went, and what runs now. */
import { Conflict, type Store } from "../core/store.ts";
import type { ScheduleOutcome, ScheduleRule } from "../core/triggers.ts";

/** A schedule of a function of a project. */
export interface PlacedSchedule extends ScheduleRule {
  readonly project: string;
  readonly functionName: string;
  /** How long a run may take. */
  readonly wallMs: number;
}

/** What names a schedule: its project, its function, and its name among the function's. */
export type ScheduleId = Pick<PlacedSchedule, "project" | "functionName" | "name">;

/** Where the record of a schedule stands. */
export function keyOf({ project, functionName, name }: ScheduleId): string[] {
  return [project, functionName, name];
}

/** What the log says of a schedule. */
export function aboutOf({ project, functionName, name }: ScheduleId): Readonly<Record<string, unknown>> {
  return { project, function: functionName, schedule: name };
}

/** A run that goes on somewhere. Its server has died with it when `until` is over. */
export interface RunningRun {
  readonly at: number;
  readonly until: number;
  readonly requestId: string;
}

/** The record. Times are milliseconds since the Unix epoch. */
export interface ScheduleRecord {
  /** Which times it is about. */
  readonly cron: string;
  readonly timezone: string;
  /** The last time that it was due and somebody saw to it: nobody does so again. */
  readonly due: number;
  readonly lastAt?: number;
  readonly outcome?: ScheduleOutcome;
  readonly requestId?: string;
  /** The latest run that has not come to its end. */
  readonly running?: RunningRun | undefined;
  readonly runs: number;
  readonly failed: number;
  readonly missed: number;
  readonly skipped: number;
}

/** A record as it stood at a revision; 0 for none. */
export interface StoredSchedule {
  readonly record: ScheduleRecord;
  readonly revision: number;
}

const PREFIX = "schedules";
const NOTHING = { runs: 0, failed: 0, missed: 0, skipped: 0 };

/** The records of all schedules. */
export class ScheduleRecords {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** The record of a schedule; one that begins at `now` when there is none. */
  async read(schedule: PlacedSchedule, now: number): Promise<StoredSchedule> {
    const entry = await this.#store.get([PREFIX, ...keyOf(schedule)], { fresh: true });
    const { cron, timezone } = schedule;
    if (entry === undefined) return { record: { ...NOTHING, cron, timezone, due: now }, revision: 0 };
    const record = JSON.parse(new TextDecoder().decode(entry.value)) as ScheduleRecord;
    // Records of the first version did not say which times they are about.
    const times = { cron: record.cron ?? cron, timezone: record.timezone ?? timezone };
    return { record: { ...record, ...times }, revision: entry.revision };
  }

  /** Writes in the place of what was read; false when somebody else has written meanwhile. */
  async write(schedule: ScheduleId, record: ScheduleRecord, ifRevision: number): Promise<boolean> {
    const value = new TextEncoder().encode(JSON.stringify(record));
    try {
      await this.#store.put([PREFIX, ...keyOf(schedule)], value, { ifRevision });
      return true;
    } catch (error) {
      if (error instanceof Conflict) return false;
      throw error;
    }
  }

  /** Changes what stands, if anything does. */
  async update(schedule: PlacedSchedule, now: number, change: (record: ScheduleRecord) => ScheduleRecord) {
    for (;;) {
      const { record, revision } = await this.read(schedule, now);
      if (revision === 0 || (await this.write(schedule, change(record), revision))) return;
    }
  }

  async remove(schedule: ScheduleId): Promise<void> {
    await this.#store.delete([PREFIX, ...keyOf(schedule)]);
  }

  async removeProject(project: string): Promise<void> {
    for (;;) {
      const entries = await this.#store.list([PREFIX, project]);
      if (entries.length === 0) return;
      for (const { key } of entries) await this.#store.delete(key);
    }
  }
}
