/** Invocations that nobody waits for, against a store and a clock that the test turns: again, at last, and not twice. */
import { expect, test } from "bun:test";
import type { Deployment, RoutedFunction } from "../core/deployment.ts";
import { type ErrorCode, IsopodError } from "../core/errors.ts";
import type { FunctionCaller, InternalCall } from "../core/function_caller.ts";
import type { QueuedInvocation } from "../core/payload_call.ts";
import type { Store } from "../core/store.ts";
import { FakeClock } from "../testing/fake_clock.ts";
import { MemoryStore } from "../testing/memory_store.ts";
import { AsyncInvocations } from "./async_invocations.ts";

const FIGURES = { wallMs: 0, cpuMs: 0, memoryBytes: 0, responseBytes: 0, logBytes: 0, subrequests: 0, cold: false };
const ONE: QueuedInvocation = {
  ...{ project: "p", functionName: "f", alias: "production", requestId: "r", toldJson: `{"functionName":"f"}` },
  ...{ payload: new TextEncoder().encode(`{"a":1}`), retries: 2, ageMsMax: 3_600_000 },
};
const SECOND = 1000;

function deployed(...names: string[]): Deployment {
  const functions = names.map((name) => {
    return [`p/${name}`, { project: "p", name, aliases: new Map() } as unknown as RoutedFunction] as const;
  });
  return { functions: new Map(functions) } as unknown as Deployment;
}

class Rig {
  readonly clock: FakeClock;
  readonly calls: InternalCall[] = [];
  readonly times: number[] = [];
  readonly reports: string[] = [];
  readonly invocations: AsyncInvocations;
  /** What the calls answer, one after another; 200 from then on. */
  outcomes: (number | ErrorCode)[] = [];
  until: Promise<void> = Promise.resolve();
  running = 0;
  most = 0;

  constructor(store: Store = new MemoryStore(), clock = new FakeClock(), bytesMax = 1_000_000) {
    this.clock = clock;
    const caller: FunctionCaller = {
      call: async (call) => {
        this.calls.push(call);
        this.times.push(Math.round(clock.now() / SECOND));
        this.running += 1;
        this.most = Math.max(this.most, this.running);
        await this.until;
        this.running -= 1;
        const outcome = this.outcomes.shift() ?? 200;
        if (typeof outcome === "string") throw new IsopodError(outcome);
        const ended = Promise.resolve({ figures: FIGURES });
        return { status: outcome, headers: [], body: null, script: false, ended };
      },
    };
    this.invocations = new AsyncInvocations({
      ...{ store, clock, caller, quotas: { bytesMax: () => bytesMax } },
      report: (message) => this.reports.push(message),
    });
  }

  async turn(seconds: number): Promise<void> {
    await settle();
    for (let passed = 0; passed < seconds; passed += 1) {
      await this.clock.advance(SECOND);
      await settle();
    }
  }
}

/** Promises of the store settle over several turns. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

async function started(...rest: ConstructorParameters<typeof Rig>): Promise<Rig> {
  const rig = new Rig(...rest);
  await rig.invocations.deployed(deployed("f", "g"));
  return rig;
}

test("is made once, with its payload and its id, and nothing is left", async () => {
  const rig = await started();
  const atRest = rig.clock.pending;
  await rig.invocations.enqueue({ ...ONE, limits: { wallMs: 7 } });
  await settle();
  const [call] = rig.calls;
  expect(rig.calls.length).toBe(1);
  expect(call).toMatchObject({
    project: "p",
    functionName: "f",
    alias: "production",
    requestId: "r",
    limits: { wallMs: 7 },
  });
  expect(new TextDecoder().decode(call?.body as Uint8Array)).toBe(`{"a":1}`);
  expect(call?.argsJson).toBe(`{"lambda":{"functionName":"f"}}`);
  await rig.turn(300);
  expect(rig.calls.length).toBe(1);
  expect(rig.invocations.figures).toEqual({ accepted: 1, succeeded: 1, failed: 0, dead: 0 });
  expect(rig.clock.pending).toBe(atRest);
});

test("is tried again after one minute and after two more, and is then given up and told of", async () => {
  const rig = await started();
  rig.outcomes = ["uncaught_exception", 500, "wall_limit", 200];
  await rig.invocations.enqueue(ONE);
  await rig.turn(400);
  expect(rig.times).toEqual([0, 60, 180]);
  expect(rig.invocations.figures).toEqual({ accepted: 1, succeeded: 0, failed: 3, dead: 1 });
  expect(rig.reports).toEqual(["An asynchronous invocation was given up"]);
});

test("is tried as often as it says, and no more", async () => {
  const rig = await started();
  rig.outcomes = [404, 404];
  await rig.invocations.enqueue({ ...ONE, retries: 0 });
  await rig.turn(100);
  expect([rig.calls.length, rig.invocations.figures.dead]).toEqual([1, 1]);
});

test("what there was no room for is no attempt, and is tried until it is too old", async () => {
  const rig = await started();
  rig.outcomes = Array.from({ length: 100 }, () => "concurrency_limited" as const);
  await rig.invocations.enqueue({ ...ONE, ageMsMax: 60_000 });
  await rig.turn(200);
  expect(rig.times.slice(0, 4)).toEqual([0, 1, 2, 3]);
  expect(rig.calls.length).toBeLessThan(20);
  expect(rig.times.at(-1)).toBeLessThanOrEqual(60);
  expect(rig.invocations.figures).toEqual({ accepted: 1, succeeded: 0, failed: 0, dead: 1 });
  rig.outcomes = ["overloaded", "draining", "start_failed"];
  await rig.invocations.enqueue({ ...ONE, retries: 0 });
  await rig.turn(60);
  expect(rig.invocations.figures.succeeded).toBe(1);
});

test("a slow function holds up no other, and has sixteen at a time", async () => {
  const rig = await started();
  const { promise, resolve } = Promise.withResolvers<void>();
  rig.until = promise;
  for (let n = 0; n < 40; n += 1) await rig.invocations.enqueue({ ...ONE, requestId: `r${n}` });
  await settle();
  expect(rig.running).toBe(16);
  rig.until = Promise.resolve();
  await rig.invocations.enqueue({ ...ONE, functionName: "g" });
  await settle();
  expect(rig.invocations.figures.succeeded).toBe(1);
  resolve();
  await rig.turn(10);
  expect(rig.invocations.figures.succeeded).toBe(41);
  expect(new Set(rig.calls.map(({ requestId }) => requestId)).size).toBe(41);
});

test("survives its server, and is dropped with its function", async () => {
  const store = new MemoryStore();
  const clock = new FakeClock();
  const first = await started(store, clock);
  first.outcomes = [500, 500];
  await first.invocations.enqueue(ONE);
  await first.invocations.enqueue({ ...ONE, functionName: "g" });
  await settle();
  await first.invocations.close(0);
  const second = new Rig(store, clock);
  await second.invocations.deployed(deployed("f"));
  expect(second.invocations.figures.dead).toBe(1);
  await second.turn(100);
  expect(second.calls.map(({ functionName }) => functionName)).toEqual(["f"]);
  second.outcomes = [500];
  await second.invocations.enqueue(ONE);
  await settle();
  await second.invocations.deployed(deployed("g"));
  await second.turn(100);
  expect([second.calls.length, second.invocations.figures.dead]).toEqual([2, 2]);
});

test("a project has a bound, and room again when they are done", async () => {
  const rig = await started(new MemoryStore(), new FakeClock(), 2000);
  const { promise, resolve } = Promise.withResolvers<void>();
  rig.until = promise;
  const large = { ...ONE, payload: new Uint8Array(600) };
  await rig.invocations.enqueue({ ...ONE, payload: new Uint8Array(300) });
  await expect(rig.invocations.enqueue(large)).rejects.toMatchObject({ code: "quota_exceeded" });
  resolve();
  await settle();
  await rig.invocations.enqueue({ ...ONE, payload: new Uint8Array(300) });
  await settle();
  expect(rig.invocations.figures.succeeded).toBe(2);
});

test("a version that is gone is no reason to try again", async () => {
  const rig = await started();
  rig.outcomes = ["version_unknown"];
  await rig.invocations.enqueue(ONE);
  await rig.turn(100);
  expect([rig.calls.length, rig.invocations.figures.dead]).toEqual([1, 1]);
});
