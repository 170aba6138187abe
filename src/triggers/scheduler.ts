/**
 * Runs functions when their schedules are due. A time is claimed in the store before it runs, so that it never runs twice,
 * whoever else is on the store and whatever crashes; what nobody claimed in time is counted as missed and not run late.
 */
import type { Clock } from "../core/clock.ts";
import { IsopodError } from "../core/errors.ts";
import type { FunctionCaller } from "../core/function_caller.ts";
import type { ScheduleView } from "../core/triggers.ts";
import { missedBetween, nextAfter } from "./cron.ts";
import { TRIGGER_LIMITS } from "./limits.ts";
import {
  aboutOf,
  keyOf,
  type PlacedSchedule,
  type ScheduleRecord,
  type ScheduleRecords,
  type StoredSchedule,
} from "./schedule_records.ts";
import { ScheduleRuns } from "./schedule_runs.ts";

/** What scheduling takes. */
export interface SchedulerOptions {
  readonly records: ScheduleRecords;
  readonly clock: Clock;
  readonly caller: FunctionCaller;
  newRequestId(): string;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

interface Planned {
  readonly schedule: PlacedSchedule;
  stored: StoredSchedule;
  next: number | undefined;
  running: boolean;
}

/** The scheduler. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #planned = new Map<string, Planned>();
  readonly #running = new Set<Promise<void>>();
  readonly #ender = new AbortController();
  readonly #runs: ScheduleRuns;
  #cancel: () => void = () => {};
  #replacing: Promise<void> = Promise.resolve();

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#runs = new ScheduleRuns({ ...options, signal: this.#ender.signal });
  }

  /** Goes by these schedules from now on. */
  async replace(schedules: readonly PlacedSchedule[]): Promise<void> {
    const replacing = this.#replacing.then(() => this.#replace(schedules));
    this.#replacing = replacing;
    await replacing;
  }

  /** How the schedules of a project fare. */
  views(project: string): ScheduleView[] {
    const own = [...this.#planned.values()].filter(({ schedule }) => schedule.project === project);
    return own.map(({ schedule, stored: { record }, next }) => ({
      ...{ function: schedule.functionName, name: schedule.name, cron: schedule.cron, timezone: schedule.timezone },
      ...{ nextAt: next, lastAt: record.lastAt, lastOutcome: record.outcome, lastRequestId: record.requestId },
      ...{ runs: record.runs, failed: record.failed, missed: record.missed, skipped: record.skipped },
    }));
  }

  /** Runs one now, beside its times; the request's id. @throws {IsopodError} `not_found`, or what it failed with */
  async runNow(project: string, functionName: string, name: string): Promise<string> {
    const planned = this.#planned.get([project, functionName, name].join("\n"));
    if (planned === undefined) {
      throw new IsopodError("not_found", { message: `Function "${functionName}" has no schedule "${name}".` });
    }
    return await this.#runs.call(planned.schedule, this.#options.clock.wallNow());
  }

  /** Lets what runs go on for up to `drainMs`, then ends it. */
  async close(drainMs: number): Promise<void> {
    this.#cancel();
    this.#planned.clear();
    const end = this.#options.clock.after(drainMs, () => this.#ender.abort());
    if (drainMs === 0) this.#ender.abort();
    await Promise.all(this.#running);
    end();
  }

  async #replace(schedules: readonly PlacedSchedule[]): Promise<void> {
    const before = new Map(this.#planned);
    this.#planned.clear();
    for (const schedule of schedules) {
      const key = keyOf(schedule).join("\n");
      const known = before.get(key);
      if (
        known !== undefined &&
        known.schedule.cron === schedule.cron &&
        known.schedule.timezone === schedule.timezone
      ) {
        this.#planned.set(key, { ...known, schedule });
      } else await this.#plan(key, schedule, known === undefined).catch((error) => this.#complain(schedule, error));
    }
    this.#look();
  }

  /** A schedule that is new here: what was due while nobody looked was missed, unless it has other times now. */
  async #plan(key: string, schedule: PlacedSchedule, sameTimes: boolean): Promise<void> {
    const { records, clock } = this.#options;
    const now = clock.wallNow();
    let stored = await records.read(keyOf(schedule), now);
    const missed = sameTimes ? missedBetween(schedule, stored.record.due, now) : [];
    const last = missed.at(-1);
    const planned: Planned = { schedule, stored, next: undefined, running: false };
    if (stored.revision === 0 || last !== undefined) {
      const outcome = last === undefined ? {} : ({ lastAt: last, outcome: "missed" } as const);
      const record = { ...stored.record, ...outcome, due: now, missed: stored.record.missed + missed.length };
      stored =
        (await records.write(keyOf(schedule), record, stored.revision)) ?? (await records.read(keyOf(schedule), now));
      planned.stored = stored;
      if (last !== undefined)
        this.#report("A schedule was due while no server ran", schedule, { missed: missed.length });
      if (last !== undefined && schedule.catchUp) this.#start(planned, last);
    }
    planned.next = nextAfter(schedule.cron, schedule.timezone, Math.max(stored.record.due, now));
    this.#planned.set(key, planned);
  }

  /** Looks which are due, and when to look again. */
  #look(): void {
    this.#cancel();
    const { clock } = this.#options;
    const now = clock.wallNow();
    let wait: number = TRIGGER_LIMITS.lookMsMax;
    for (const planned of this.#planned.values()) {
      if (planned.next === undefined) continue;
      if (planned.next <= now) this.#due(planned, planned.next, now);
      if (planned.next !== undefined) wait = Math.min(wait, Math.max(1, planned.next - now));
    }
    if (this.#planned.size > 0) this.#cancel = clock.after(wait, () => this.#look());
  }

  #due(planned: Planned, due: number, now: number): void {
    const { schedule } = planned;
    planned.next = nextAfter(schedule.cron, schedule.timezone, Math.max(due, now));
    this.#track(this.#claim(planned, due, now).catch((error) => this.#complain(schedule, error)));
  }

  /** Claims the time `due`; who does not get it leaves it to who has. */
  async #claim(planned: Planned, due: number, now: number): Promise<void> {
    const { schedule } = planned;
    const { records } = this.#options;
    const isLate = now - due > TRIGGER_LIMITS.lateMsMax;
    const outcome = isLate ? "missed" : planned.running ? "skipped" : "running";
    const current = await records.read(keyOf(schedule), now);
    if (current.record.due >= due) {
      planned.stored = current;
      return;
    }
    const record: ScheduleRecord = {
      ...{ ...current.record, due, lastAt: due, outcome },
      missed: current.record.missed + (isLate ? 1 : 0),
      skipped: current.record.skipped + (outcome === "skipped" ? 1 : 0),
    };
    const claimed = await records.write(keyOf(schedule), record, current.revision);
    planned.stored = claimed ?? (await records.read(keyOf(schedule), now));
    if (claimed === undefined) return;
    if (outcome === "running") this.#start(planned, due);
    else
      this.#report(isLate ? "A schedule was missed" : "A schedule was skipped: its last run goes on", schedule, {
        due,
      });
  }

  #start(planned: Planned, due: number): void {
    planned.running = true;
    const work = this.#runs
      .run(planned.schedule, due)
      .then((stored) => {
        planned.stored = stored;
      })
      .catch((error) => this.#complain(planned.schedule, error))
      .finally(() => {
        planned.running = false;
      });
    this.#track(work);
  }

  #track(work: Promise<void>): void {
    this.#running.add(work);
    work.finally(() => this.#running.delete(work));
  }

  #complain(schedule: PlacedSchedule, error: unknown): void {
    if (!this.#ender.signal.aborted) this.#report("A schedule cannot be kept", schedule, { cause: String(error) });
  }

  #report(message: string, schedule: PlacedSchedule, more: Readonly<Record<string, unknown>>): void {
    this.#options.report(message, { ...aboutOf(schedule), ...more });
  }
}
