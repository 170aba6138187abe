/**
 * Runs functions when their schedules are due. A time is claimed in the store before it runs, so that it never runs twice,
 * whoever else is on the store and whatever crashes; what nobody claimed in time is counted as missed and not run late.
 *
 * All schedules share one timer. What is to be done about one is decided in `schedule_step.ts`, from what stands in the
 * store at that moment.
 */
import type { Clock } from "../core/clock.ts";
import { IsopodError } from "../core/errors.ts";
import type { FunctionCaller } from "../core/function_caller.ts";
import type { ScheduleView, TriggerObserver } from "../core/triggers.ts";
import { TRIGGER_LIMITS } from "./limits.ts";
import { ScheduleClaims } from "./schedule_claims.ts";
import { aboutOf, keyOf, type PlacedSchedule, type ScheduleRecords } from "./schedule_records.ts";
import { ScheduleRuns } from "./schedule_runs.ts";

/** What scheduling takes. */
export interface SchedulerOptions {
  readonly records: ScheduleRecords;
  readonly clock: Clock;
  readonly caller: FunctionCaller;
  readonly observer: TriggerObserver;
  newRequestId(): string;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

interface Planned {
  schedule: PlacedSchedule;
  next: number | undefined;
  isSeenTo: boolean;
}

/** The scheduler. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #planned = new Map<string, Planned>();
  readonly #working = new Set<Promise<void>>();
  readonly #claims: ScheduleClaims;
  readonly #ender = new AbortController();
  readonly #runs: ScheduleRuns;
  #cancel: () => void = () => {};
  #replacing: Promise<void> = Promise.resolve();
  #lookedAt = 0;
  #wakeAt = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#claims = new ScheduleClaims(options);
    this.#runs = new ScheduleRuns({ ...options, signal: this.#ender.signal });
  }

  /** Goes by these schedules from now on. */
  async replace(schedules: readonly PlacedSchedule[]): Promise<void> {
    this.#replacing = this.#replacing.then(() => this.#replace(schedules));
    await this.#replacing;
  }

  /** How the schedules of a project fare. */
  async views(project: string): Promise<ScheduleView[]> {
    const own = [...this.#planned.values()].filter(({ schedule }) => schedule.project === project);
    return await Promise.all(
      own.map(async ({ schedule, next }) => {
        const record = await this.#claims.read(schedule);
        const { functionName, name, cron, timezone, enabled } = schedule;
        return {
          ...{ function: functionName, name, cron, timezone, enabled, nextAt: next },
          ...{ lastAt: record.lastAt, lastOutcome: record.outcome, lastRequestId: record.requestId },
          ...{ runs: record.runs, failed: record.failed, missed: record.missed, skipped: record.skipped },
        };
      }),
    );
  }

  /** Runs one now, beside its times; the request's id. @throws {IsopodError} `not_found`, or what it failed with */
  async runNow(project: string, functionName: string, name: string): Promise<string> {
    const planned = this.#planned.get(keyOf({ project, functionName, name }).join("\n"));
    if (planned === undefined) {
      throw new IsopodError("not_found", { message: `There is no schedule "${name}" of function "${functionName}".` });
    }
    const call = this.#runs.call(planned.schedule, this.#options.clock.wallNow());
    this.#track(call.then(() => {}));
    return await call;
  }

  /** Lets what runs go on for up to `drainMs`, then ends it. */
  async close(drainMs: number): Promise<void> {
    this.#closed = true;
    this.#cancel();
    this.#planned.clear();
    const end = this.#options.clock.after(drainMs, () => this.#ender.abort());
    if (drainMs === 0) this.#ender.abort();
    await this.#replacing;
    while (this.#working.size > 0) await Promise.allSettled(this.#working);
    end();
  }

  async #replace(schedules: readonly PlacedSchedule[]): Promise<void> {
    if (this.#closed) return;
    const before = new Map(this.#planned);
    const begun: Promise<void>[] = [];
    for (const schedule of schedules) {
      const key = keyOf(schedule).join("\n");
      const known = before.get(key);
      before.delete(key);
      begun.push(known === undefined ? this.#plan(key, schedule) : this.#change(known, schedule));
    }
    for (const [key, { schedule }] of before) {
      this.#planned.delete(key);
      begun.push(this.#forget(schedule));
    }
    await Promise.all(begun);
    this.#look();
  }

  /** A schedule that is new here: what was due while nobody looked was missed. */
  async #plan(key: string, schedule: PlacedSchedule): Promise<void> {
    const planned: Planned = { schedule, next: undefined, isSeenTo: false };
    this.#planned.set(key, planned);
    await (schedule.enabled ? this.#see(planned, true) : this.#forget(schedule));
  }

  async #change(planned: Planned, schedule: PlacedSchedule): Promise<void> {
    const { cron, timezone, enabled } = planned.schedule;
    planned.schedule = schedule;
    if (schedule.enabled && enabled && cron === schedule.cron && timezone === schedule.timezone) return;
    planned.next = undefined;
    await (schedule.enabled ? this.#see(planned, false) : this.#forget(schedule));
  }

  /** What it had been due at is of no account if it ever comes back. */
  #forget(schedule: PlacedSchedule): Promise<void> {
    return this.#options.records.remove(schedule).catch((error) => this.#complain(schedule, error));
  }

  /** Sees to those that are due, and says when to look again. */
  #look(): void {
    const now = this.#options.clock.wallNow();
    // A clock that was set back: what is next has to be worked out anew.
    const isBack = now < this.#lookedAt;
    this.#lookedAt = now;
    this.#wakeAt = Number.POSITIVE_INFINITY;
    this.#wakeBy(now + TRIGGER_LIMITS.lookMsMax);
    for (const planned of this.#planned.values()) {
      if (planned.isSeenTo || !planned.schedule.enabled) continue;
      if (isBack || (planned.next !== undefined && planned.next <= now)) {
        planned.isSeenTo = true;
        const seen = this.#see(planned, false).finally(() => {
          planned.isSeenTo = false;
        });
        this.#track(seen);
      } else if (planned.next !== undefined) this.#wakeBy(planned.next);
    }
  }

  /** Looks again at a moment, or before it. */
  #wakeBy(at: number): void {
    if (this.#closed || at >= this.#wakeAt) return;
    this.#cancel();
    this.#wakeAt = at;
    if (this.#planned.size === 0) return;
    this.#cancel = this.#options.clock.after(Math.max(1, at - this.#options.clock.wallNow()), () => this.#look());
  }

  /** Does what is to be done about a schedule now. */
  async #see(planned: Planned, isStart: boolean): Promise<void> {
    try {
      const claimed = await this.#claims.claim(() => this.#current(planned), isStart);
      if (claimed === undefined) return;
      const { schedule, step } = claimed;
      if (step.run !== undefined) {
        this.#track(this.#runs.run(schedule, step.run).catch((error) => this.#complain(schedule, error)));
      }
      const { cron, timezone } = planned.schedule;
      if (cron === schedule.cron && timezone === schedule.timezone) planned.next = step.next;
    } catch (error) {
      this.#complain(planned.schedule, error);
      planned.next = this.#options.clock.wallNow() + TRIGGER_LIMITS.pollMs;
    }
    if (planned.next !== undefined) this.#wakeBy(planned.next);
  }

  /** What a plan comes down to by now; undefined when it is none any more. */
  #current(planned: Planned): PlacedSchedule | undefined {
    const { schedule } = planned;
    const isPlanned = this.#planned.get(keyOf(schedule).join("\n")) === planned;
    return !this.#closed && schedule.enabled && isPlanned ? schedule : undefined;
  }

  #track(work: Promise<void>): void {
    this.#working.add(work);
    const gone = () => void this.#working.delete(work);
    work.then(gone, gone);
  }

  #complain(schedule: PlacedSchedule, error: unknown): void {
    if (this.#ender.signal.aborted) return;
    this.#options.report("A schedule cannot be kept", { ...aboutOf(schedule), cause: String(error) });
  }
}
