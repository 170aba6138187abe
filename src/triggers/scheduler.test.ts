/** Schedules against a store and a clock that the test turns: when they run, and that they never run twice. */
import { expect, test } from "bun:test";
import { IsopodError } from "../core/errors.ts";
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
  ...{ overlap: "skip", enabled: true, wallMs: 10_000 },
};
const FIGURES = { wallMs: 0, cpuMs: 0, memoryBytes: 0, responseBytes: 0, logBytes: 0, subrequests: 0, cold: false };

class Rig {
  readonly clock: FakeClock;
  readonly calls: InternalCall[] = [];
  readonly reports: string[] = [];
  readonly scheduler: Scheduler;
  readonly outcomes: Record<string, number> = {};
  status = 200;
  /** How many calls find no room. */
  busy = 0;
  /** Holds calls up until it is resolved. */
  until: Promise<void> = Promise.resolve();

  constructor(store: Store, clock = new FakeClock()) {
    this.clock = clock;
    const caller: FunctionCaller = {
      call: async (call): Promise<InvocationResponse> => {
        this.calls.push(call);
        await this.until;
        this.busy -= 1;
        if (this.busy >= 0) throw new IsopodError("overloaded");
        const ended = Promise.resolve({ figures: FIGURES });
        return { status: this.status, headers: [], body: null, script: false, ended };
      },
    };
    let id = 0;
    this.scheduler = new Scheduler({
      ...{ records: new ScheduleRecords(store), clock, caller, newRequestId: () => `r${id++}` },
      observer: { scheduled: (_name, outcome, count = 1) => this.count(outcome, count), messages() {} },
      report: (message) => this.reports.push(message),
    });
  }

  count(outcome: string, count: number): void {
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + count;
  }

  async view() {
    return (await this.scheduler.views("p"))[0];
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
  expect(await rig.view()).toMatchObject({ runs: 0, nextAt: 1_700_000_040_000 });
  await advance(rig, 3 * MINUTE);
  expect(rig.calls).toHaveLength(3);
  expect(JSON.parse(new TextDecoder().decode(rig.calls[0]?.body as Uint8Array))).toEqual({
    cron: "* * * * *",
    scheduledTime: 1_700_000_040_000,
    name: "default",
  });
  expect(await rig.view()).toMatchObject({ runs: 3, failed: 0, missed: 0, lastOutcome: "ok" });
  expect((await rig.view())?.lastRequestId).toBe(rig.calls[2]?.requestId ?? "none");
  rig.status = 404;
  await advance(rig, MINUTE);
  expect(await rig.view()).toMatchObject({ runs: 4, failed: 1, lastOutcome: "failed" });
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
  expect([after.calls.length, (await after.view())?.missed, (await after.view())?.lastOutcome]).toEqual([
    0,
    10,
    "missed",
  ]);
  await after.scheduler.close(0);
  await clock.advance(5 * MINUTE);
  const last = new Rig(store, clock);
  await last.scheduler.replace([{ ...EVERY_MINUTE, catchUp: true }]);
  await settle();
  expect([last.calls.length, (await last.view())?.missed, (await last.view())?.runs]).toEqual([1, 15, 1]);
  await last.scheduler.close(0);
});

test("a clock that jumps ahead misses, one that jumps by a little does not", async () => {
  const rig = new Rig(new MemoryStore());
  await rig.scheduler.replace([{ ...EVERY_MINUTE, cron: "0 0 * * *" }]);
  const jump = Object.getPrototypeOf(rig.clock).wallNow.call(rig.clock) as number;
  rig.clock.wallNow = () => jump + 3 * 86_400_000 + rig.clock.now();
  await advance(rig, MINUTE);
  expect([rig.calls.length, (await rig.view())?.missed]).toEqual([0, 3]);
  await rig.scheduler.close(0);
});

const LONG: PlacedSchedule = { ...EVERY_MINUTE, wallMs: 60 * MINUTE };

test("a run that goes on skips the next times, also on another server, and whatever is deployed meanwhile", async () => {
  const store = new MemoryStore();
  const rig = new Rig(store);
  const other = new Rig(store, rig.clock);
  const { promise, resolve } = Promise.withResolvers<void>();
  rig.until = promise;
  other.until = promise;
  await rig.scheduler.replace([LONG]);
  await advance(rig, MINUTE);
  await rig.scheduler.replace([{ ...LONG }]);
  await other.scheduler.replace([{ ...LONG }]);
  await advance(rig, 2 * MINUTE);
  expect([rig.calls.length + other.calls.length, (await rig.view())?.skipped]).toEqual([1, 2]);
  expect(await rig.view()).toMatchObject({ lastOutcome: "skipped", runs: 0 });
  resolve();
  await advance(rig, MINUTE);
  expect([rig.calls.length + other.calls.length, (await rig.view())?.runs]).toEqual([2, 2]);
  for (const each of [rig, other]) await each.scheduler.close(0);
});

test("runs may overlap where they are to", async () => {
  const rig = new Rig(new MemoryStore());
  const { promise, resolve } = Promise.withResolvers<void>();
  rig.until = promise;
  await rig.scheduler.replace([{ ...LONG, overlap: "allow" }]);
  await advance(rig, 3 * MINUTE);
  expect([rig.calls.length, (await rig.view())?.skipped]).toEqual([3, 0]);
  resolve();
  await settle();
  expect(await rig.view()).toMatchObject({ runs: 3, lastOutcome: "ok" });
  await rig.scheduler.close(0);
});

test("a run that died with its server has failed, and holds the next ones up no longer than it could have run", async () => {
  const store = new MemoryStore();
  const dead = new Rig(store);
  dead.until = new Promise(() => {});
  await dead.scheduler.replace([EVERY_MINUTE]);
  await advance(dead, MINUTE);
  // Its clock stands still from here on, and it is heard of no more.
  expect([dead.calls.length, (await dead.view())?.lastOutcome]).toEqual([1, "running"]);
  const heir = new Rig(store);
  await heir.clock.advance(MINUTE);
  await heir.scheduler.replace([EVERY_MINUTE]);
  expect([heir.calls.length, (await heir.view())?.runs]).toEqual([0, 0]);
  await advance(heir, 20_000);
  expect(await heir.view()).toMatchObject({ lastOutcome: "failed", runs: 1, failed: 1 });
  await advance(heir, 20_000);
  expect(heir.calls).toHaveLength(1);
  await heir.scheduler.close(0);
});

test("what is made up for is made up for once, by whichever server is the first", async () => {
  const [store, clock] = [new MemoryStore(), new FakeClock()];
  const before = new Rig(store, clock);
  await before.scheduler.replace([{ ...EVERY_MINUTE, catchUp: true }]);
  await before.scheduler.close(0);
  await clock.advance(10 * MINUTE);
  const rigs = Array.from({ length: 5 }, () => new Rig(store, clock));
  await Promise.all(rigs.map((rig) => rig.scheduler.replace([{ ...EVERY_MINUTE, catchUp: true }])));
  await settle();
  expect(rigs.reduce((sum, rig) => sum + rig.calls.length, 0)).toBe(1);
  for (const rig of rigs) await rig.scheduler.close(0);
});

test("a clock that is set back neither doubles a run nor stops the schedule for good", async () => {
  const rig = new Rig(new MemoryStore());
  let aheadMs = 0;
  const trueNow = rig.clock.wallNow.bind(rig.clock);
  rig.clock.wallNow = () => trueNow() + aheadMs;
  await rig.scheduler.replace([EVERY_MINUTE]);
  await advance(rig, 5 * MINUTE);
  expect(rig.calls).toHaveLength(5);
  aheadMs = -3 * MINUTE;
  await advance(rig, 3 * MINUTE);
  expect(rig.calls).toHaveLength(5);
  await advance(rig, 2 * MINUTE);
  expect(rig.calls).toHaveLength(7);
  // Into the far future, where it runs, and back.
  aheadMs = 365 * 86_400_000;
  await advance(rig, 2 * MINUTE);
  const ahead = rig.calls.length;
  expect(ahead).toBeGreaterThan(7);
  aheadMs = 0;
  await advance(rig, 3 * MINUTE);
  expect(rig.calls.length).toBeGreaterThan(ahead);
  expect(rig.reports.filter((line) => /set back by far/.test(line))).toHaveLength(1);
  const times = rig.calls.map(({ body }) => JSON.parse(new TextDecoder().decode(body as Uint8Array)).scheduledTime);
  expect(new Set(times).size).toBe(times.length);
  await rig.scheduler.close(0);
});

test("who finds no room tries again, and what is switched off is not called", async () => {
  const rig = new Rig(new MemoryStore());
  rig.busy = 2;
  await rig.scheduler.replace([EVERY_MINUTE, { ...EVERY_MINUTE, name: "off", enabled: false }]);
  await advance(rig, MINUTE + 5000, 1000);
  expect([rig.calls.length, (await rig.view())?.lastOutcome]).toEqual([3, "ok"]);
  expect(rig.calls.every(({ source }) => source === "schedule:default")).toBe(true);
  expect((await rig.scheduler.views("p"))[1]).toMatchObject({ name: "off", enabled: false, nextAt: undefined });
  expect(rig.outcomes).toEqual({ ok: 1 });
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
