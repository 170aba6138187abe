/** Schedules against a store and a clock that the test turns: when they run, and that they never run twice. */
import { expect, test } from "bun:test";
import type { FunctionCaller, InternalCall } from "../core/function_caller.ts";
import type { InvocationResponse } from "../core/invocation.ts";
import type { Store } from "../core/store.ts";
import { FakeClock } from "../testing/fake_clock.ts";
import { MemoryStore } from "../testing/memory_store.ts";
import { type PlacedSchedule, ScheduleRecords } from "./schedule_records.ts";
import { Scheduler } from "./scheduler.ts";

const MINUTE = 60_000;
const EVERY_MINUTE: PlacedSchedule = {
  ...{ project: "p", functionName: "f", name: "default", cron: "* * * * *", timezone: "UTC", catchUp: false },
};
const FIGURES = { wallMs: 0, cpuMs: 0, memoryBytes: 0, responseBytes: 0, logBytes: 0, subrequests: 0, cold: false };

class Rig {
  readonly clock: FakeClock;
  readonly calls: InternalCall[] = [];
  readonly reports: string[] = [];
  readonly scheduler: Scheduler;
  status = 200;
  /** Holds calls up until it is resolved. */
  until: Promise<void> = Promise.resolve();

  constructor(store: Store, clock = new FakeClock()) {
    this.clock = clock;
    const caller: FunctionCaller = {
      call: async (call): Promise<InvocationResponse> => {
        this.calls.push(call);
        await this.until;
        const ended = Promise.resolve({ figures: FIGURES });
        return { status: this.status, headers: [], body: null, script: false, ended };
      },
    };
    let id = 0;
    this.scheduler = new Scheduler({
      ...{ records: new ScheduleRecords(store), clock, caller, newRequestId: () => `r${id++}` },
      report: (message) => this.reports.push(message),
    });
  }

  get view() {
    return this.scheduler.views("p")[0];
  }
}

/** Promises of the store settle over several turns. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

async function advance(rig: Rig, ms: number, step = 10_000): Promise<void> {
  for (let passed = 0; passed < ms; passed += step) {
    await rig.clock.advance(Math.min(step, ms - passed));
    await settle();
  }
}

test("runs at its times, and says how it went", async () => {
  const rig = new Rig(new MemoryStore());
  await rig.scheduler.replace([EVERY_MINUTE]);
  expect(rig.view).toMatchObject({ runs: 0, nextAt: 1_700_000_040_000 });
  await advance(rig, 3 * MINUTE);
  expect(rig.calls).toHaveLength(3);
  expect(JSON.parse(new TextDecoder().decode(rig.calls[0]?.body as Uint8Array))).toEqual({
    cron: "* * * * *",
    scheduledTime: 1_700_000_040_000,
  });
  expect(rig.view).toMatchObject({ runs: 3, failed: 0, missed: 0, lastOutcome: "ok", lastRequestId: "r2" });
  rig.status = 404;
  await advance(rig, MINUTE);
  expect(rig.view).toMatchObject({ runs: 4, failed: 1, lastOutcome: "failed" });
  await rig.scheduler.close(0);
});

test("two servers on one store never run a time twice", async () => {
  const [store, clock] = [new MemoryStore(), new FakeClock()];
  const rigs = [new Rig(store, clock), new Rig(store, clock)];
  for (const rig of rigs) await rig.scheduler.replace([EVERY_MINUTE]);
  await advance(rigs[0] as Rig, 20 * MINUTE);
  const times = rigs.flatMap((rig) =>
    rig.calls.map(({ body }) => JSON.parse(new TextDecoder().decode(body as Uint8Array)).scheduledTime as number),
  );
  expect(times).toHaveLength(20);
  expect(new Set(times).size).toBe(20);
  for (const rig of rigs) await rig.scheduler.close(0);
});

test("what was due while no server ran is missed, or made up for once", async () => {
  const [store, clock] = [new MemoryStore(), new FakeClock()];
  const before = new Rig(store, clock);
  await before.scheduler.replace([EVERY_MINUTE]);
  await before.scheduler.close(0);
  await clock.advance(10 * MINUTE);
  const after = new Rig(store, clock);
  await after.scheduler.replace([EVERY_MINUTE]);
  await settle();
  expect([after.calls.length, after.view?.missed, after.view?.lastOutcome]).toEqual([0, 10, "missed"]);
  await after.scheduler.close(0);
  await clock.advance(5 * MINUTE);
  const last = new Rig(store, clock);
  await last.scheduler.replace([{ ...EVERY_MINUTE, catchUp: true }]);
  await settle();
  expect([last.calls.length, last.view?.missed, last.view?.runs]).toEqual([1, 15, 1]);
  await last.scheduler.close(0);
});

test("a clock that jumps ahead misses, one that jumps by a little does not", async () => {
  const rig = new Rig(new MemoryStore());
  await rig.scheduler.replace([{ ...EVERY_MINUTE, cron: "0 0 * * *" }]);
  const jump = Object.getPrototypeOf(rig.clock).wallNow.call(rig.clock) as number;
  rig.clock.wallNow = () => jump + 3 * 86_400_000 + rig.clock.now();
  await advance(rig, MINUTE);
  expect([rig.calls.length, rig.view?.missed]).toEqual([0, 1]);
  await rig.scheduler.close(0);
});

test("a run that goes on skips the next times", async () => {
  const rig = new Rig(new MemoryStore());
  const { promise, resolve } = Promise.withResolvers<void>();
  rig.until = promise;
  await rig.scheduler.replace([EVERY_MINUTE]);
  await advance(rig, 3 * MINUTE);
  expect([rig.calls.length, rig.view?.skipped]).toEqual([1, 2]);
  resolve();
  await advance(rig, MINUTE);
  expect([rig.calls.length, rig.view?.runs]).toEqual([2, 2]);
  await rig.scheduler.close(0);
});

test("what is taken away stops, and what changes begins anew", async () => {
  const rig = new Rig(new MemoryStore());
  await rig.scheduler.replace([EVERY_MINUTE]);
  await advance(rig, MINUTE);
  await rig.scheduler.replace([]);
  await advance(rig, 5 * MINUTE);
  expect(rig.calls).toHaveLength(1);
  await rig.scheduler.replace([{ ...EVERY_MINUTE, cron: "*/5 * * * *" }]);
  await advance(rig, 10 * MINUTE);
  expect(rig.calls).toHaveLength(3);
  await rig.scheduler.close(0);
});

test("a thousand schedules share one timer", async () => {
  const rig = new Rig(new MemoryStore());
  const all = Array.from({ length: 1000 }, (_, n) => ({
    ...EVERY_MINUTE,
    functionName: `f${n}`,
    cron: `${n % 60} * * * *`,
  }));
  await rig.scheduler.replace(all);
  expect(rig.clock.pending).toBe(1);
  await advance(rig, 60 * MINUTE, MINUTE);
  expect(rig.calls).toHaveLength(1000);
  await rig.scheduler.close(0);
  expect(rig.clock.pending).toBe(0);
});
