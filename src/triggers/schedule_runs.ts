/** Runs of schedules: the call of the function, and what is noted of it. */
import type { Clock } from "../core/clock.ts";
import { IsopodError, toIsopodError } from "../core/errors.ts";
import type { FunctionCaller } from "../core/function_caller.ts";
import type { TriggerObserver } from "../core/triggers.ts";
import { TRIGGER_LIMITS } from "./limits.ts";
import { aboutOf, keyOf, type PlacedSchedule, type RunningRun, type ScheduleRecords } from "./schedule_records.ts";
import { withoutRun } from "./schedule_step.ts";

/** What running takes. */
export interface ScheduleRunsOptions {
  readonly records: ScheduleRecords;
  readonly clock: Clock;
  readonly caller: FunctionCaller;
  readonly observer: TriggerObserver;
  /** Ends what runs. */
  readonly signal: AbortSignal;
  newRequestId(): string;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

const BUSY_WAIT_MS = 1000;

/** The runs. */
export class ScheduleRuns {
  readonly #options: ScheduleRunsOptions;

  constructor(options: ScheduleRunsOptions) {
    this.#options = options;
  }

  /** Runs what was due at a moment and has been claimed, and notes how it went. */
  async run(schedule: PlacedSchedule, run: RunningRun): Promise<void> {
    const { records, clock, observer, report } = this.#options;
    const { at, requestId } = run;
    let outcome: "ok" | "failed" = "ok";
    try {
      await this.#callPatiently(schedule, at, requestId);
    } catch (error) {
      outcome = "failed";
      const { code, message: reason } = toIsopodError(error);
      report("A scheduled run has failed", { ...aboutOf(schedule), code, reason, requestId });
    }
    observer.scheduled(keyOf(schedule).join("/"), outcome);
    await records.update(schedule, clock.wallNow(), (record) => withoutRun(record, run, outcome));
  }

  /** Calls the function; the request's id. @throws {IsopodError} what it failed with */
  async call(schedule: PlacedSchedule, due: number, requestId = this.#options.newRequestId()): Promise<string> {
    const { project, functionName, name, cron } = schedule;
    const { caller, signal } = this.#options;
    const response = await caller.call({
      ...{ project, functionName, source: `schedule:${name}`, requestId, method: "POST", url: "http://localhost/" },
      headers: [
        ["content-type", "application/json"],
        ["isopod-trigger", "schedule"],
      ],
      body: new TextEncoder().encode(JSON.stringify({ cron, scheduledTime: due, name })),
      ...{ entry: "scheduled", depth: 0, signal },
    });
    if (response.body instanceof ReadableStream) await response.body.pipeTo(new WritableStream());
    const { error } = await response.ended;
    if (error !== undefined) throw error;
    if (response.status < 400) return requestId;
    const message = `Function "${functionName}" has answered the schedule "${name}" with the status ${response.status}.`;
    if (response.status !== 404) throw new IsopodError("uncaught_exception", { message });
    throw new IsopodError("not_found", {
      message: `Function "${functionName}" has neither a scheduled handler nor a fetch that answers "POST /".`,
    });
  }

  /** Many are due at the full hour: who finds no room tries again for a while. */
  async #callPatiently(schedule: PlacedSchedule, due: number, requestId: string): Promise<void> {
    const { clock, signal } = this.#options;
    const since = clock.now();
    for (;;) {
      try {
        return void (await this.call(schedule, due, requestId));
      } catch (error) {
        const isBusy = toIsopodError(error).code === "overloaded" && !signal.aborted;
        if (!isBusy || clock.now() - since + BUSY_WAIT_MS > TRIGGER_LIMITS.busyMsMax) throw error;
        await new Promise<void>((resolve) => void clock.after(BUSY_WAIT_MS, resolve));
      }
    }
  }
}
