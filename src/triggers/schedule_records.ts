/** What stands in the store of a schedule: the last time that was dealt with, and how it went. */
import { Conflict, type Store } from "../core/store.ts";
import type { ScheduleOutcome, ScheduleRule } from "../core/triggers.ts";

/** A schedule of a function of a project. */
export interface PlacedSchedule extends ScheduleRule {
  readonly project: string;
  readonly functionName: string;
}

/** Where the record of a schedule stands. */
export function keyOf({ project, functionName, name }: PlacedSchedule): string[] {
  return [project, functionName, name];
}

/** What the log says of a schedule. */
export function aboutOf({ project, functionName, name }: PlacedSchedule): Readonly<Record<string, unknown>> {
  return { project, function: functionName, schedule: name };
}

/** The record. Times are milliseconds since the Unix epoch. */
export interface ScheduleRecord {
  /** The last time that it was due and somebody saw to it: nobody does so again. */
  readonly due: number;
  readonly lastAt?: number;
  readonly outcome?: ScheduleOutcome;
  readonly requestId?: string;
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
  async read(key: readonly string[], now: number): Promise<StoredSchedule> {
    const entry = await this.#store.get([PREFIX, ...key], { fresh: true });
    if (entry === undefined) return { record: { ...NOTHING, due: now }, revision: 0 };
    const record = JSON.parse(new TextDecoder().decode(entry.value)) as ScheduleRecord;
    return { record, revision: entry.revision };
  }

  /** Writes in the place of what was read; undefined when somebody else has written meanwhile. */
  async write(key: readonly string[], record: ScheduleRecord, ifRevision: number): Promise<StoredSchedule | undefined> {
    const value = new TextEncoder().encode(JSON.stringify(record));
    try {
      return { record, revision: await this.#store.put([PREFIX, ...key], value, { ifRevision }) };
    } catch (error) {
      if (error instanceof Conflict) return undefined;
      throw error;
    }
  }

  async removeProject(project: string): Promise<void> {
    for (;;) {
      const entries = await this.#store.list([PREFIX, project]);
      if (entries.length === 0) return;
      for (const { key } of entries) await this.#store.delete(key);
    }
  }
}
