/** Runs of schedules: the call of the function, and what is noted of it. */
import type { Clock } from "../core/clock.ts";
import { IsopodError, toIsopodError } from "../core/errors.ts";
import type { FunctionCaller } from "../core/function_caller.ts";
import { aboutOf, keyOf, type PlacedSchedule, type ScheduleRecords, type StoredSchedule } from "./schedule_records.ts";

/** What running takes. */
export interface ScheduleRunsOptions {
  readonly records: ScheduleRecords;
  readonly clock: Clock;
  readonly caller: FunctionCaller;
  /** Ends what runs. */
  readonly signal: AbortSignal;
  newRequestId(): string;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** The runs. */
export class ScheduleRuns {
  readonly #options: ScheduleRunsOptions;

  constructor(options: ScheduleRunsOptions) {
    this.#options = options;
  }

  /** Runs what was due at a moment, and notes how it went. */
  async run(schedule: PlacedSchedule, due: number): Promise<StoredSchedule> {
    const requestId = this.#options.newRequestId();
    try {
      await this.call(schedule, due, requestId);
      return await this.#note(schedule, requestId, true);
    } catch (error) {
      const { code, message: reason } = toIsopodError(error);
      this.#options.report("A scheduled run has failed", { ...aboutOf(schedule), code, reason, requestId });
      return await this.#note(schedule, requestId, false);
    }
  }

  /** Calls the function; the request's id. @throws {IsopodError} what it failed with */
  async call(schedule: PlacedSchedule, due: number, requestId = this.#options.newRequestId()): Promise<string> {
    const { project, functionName, name, cron } = schedule;
    const { caller, signal } = this.#options;
    const response = await caller.call({
      ...{ project, functionName, source: `schedule:${name}`, requestId, method: "POST", url: "http://schedule/" },
      body: new TextEncoder().encode(JSON.stringify({ cron, scheduledTime: due })),
      ...{ headers: [], entry: "scheduled", depth: 0, signal },
    });
    if (response.body instanceof ReadableStream) await new Response(response.body).arrayBuffer();
    const { error } = await response.ended;
    if (error !== undefined) throw error;
    if (response.status !== 404) return requestId;
    throw new IsopodError("not_found", { message: `Function "${functionName}" has no scheduled handler.` });
  }

  async #note(schedule: PlacedSchedule, requestId: string, isOk: boolean): Promise<StoredSchedule> {
    const { records, clock } = this.#options;
    for (;;) {
      const { record, revision } = await records.read(keyOf(schedule), clock.wallNow());
      const counts = { runs: record.runs + 1, failed: record.failed + (isOk ? 0 : 1) };
      const next = { ...record, ...counts, outcome: isOk ? "ok" : "failed", requestId } as const;
      const written = await records.write(keyOf(schedule), next, revision);
      if (written !== undefined) return written;
    }
  }
}
