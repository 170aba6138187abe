/**
 * A process that keeps a schedule of every second until it is killed, by a clock that runs as fast as it can: it tells of
 * each second, and of each run before it begins.
 */
import { writeSync } from "node:fs";
import type { FunctionCaller } from "../core/function_caller.ts";
import { openSqliteStore } from "../store/sqlite/store.ts";
import { type PlacedSchedule, ScheduleRecords } from "../triggers/schedule_records.ts";
import { Scheduler } from "../triggers/scheduler.ts";
import { FakeClock } from "./fake_clock.ts";

/** Its path: tests start it as a process. */
export const SCHEDULE_KEEPER = import.meta.path;

/** What it tells: a second that has begun, or a time that runs. In seconds of its clock. */
export type ToldSecond = { readonly second: number } | { readonly run: number };

/** The schedule. */
export const EVERY_SECOND: PlacedSchedule = {
  ...{ project: "p", functionName: "f", name: "default", cron: "* * * * * *", timezone: "UTC", catchUp: false },
  ...{ overlap: "allow", enabled: true, wallMs: 1000 },
};

const FIGURES = { wallMs: 0, cpuMs: 0, memoryBytes: 0, responseBytes: 0, logBytes: 0, subrequests: 0, cold: false };

/** A scheduler on the store of a folder, from a second on. */
export async function openScheduler(directory: string, second: number, run: (second: number) => void) {
  const clock = new FakeClock();
  const zero = clock.wallNow();
  await clock.advance(second * 1000);
  const store = openSqliteStore({ directory });
  const caller: FunctionCaller = {
    async call({ body }) {
      const { scheduledTime } = JSON.parse(new TextDecoder().decode(body as Uint8Array)) as { scheduledTime: number };
      run((scheduledTime - zero) / 1000);
      return { status: 200, headers: [], body: null, script: false, ended: Promise.resolve({ figures: FIGURES }) };
    },
  };
  let id = 0;
  const scheduler = new Scheduler({
    ...{ records: new ScheduleRecords(store), clock, caller, newRequestId: () => `${process.pid}-${id++}` },
    ...{ observer: { scheduled() {}, messages() {} }, report() {} },
  });
  return { clock, scheduler, store };
}

async function keep(directory: string, from: number): Promise<void> {
  const tell = (told: ToldSecond) => writeSync(1, `${JSON.stringify(told)}\n`);
  const { clock, scheduler } = await openScheduler(directory, from, (run) => tell({ run }));
  await scheduler.replace([EVERY_SECOND]);
  for (let second = from + 1; ; second += 1) {
    await clock.advance(1000);
    tell({ second });
  }
}

if (import.meta.main) {
  const [, , , directory = "", from = "0"] = process.argv;
  await keep(directory, Number(from));
}
