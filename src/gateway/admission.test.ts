import { expect, test } from "bun:test";
import type { Clock } from "../core/clock.ts";
import { IsopodError } from "../core/errors.ts";
import { type AdmissionOptions, type AdmissionPlan, createAdmission, type Lease } from "./admission.ts";

/** A clock that stands still until it is turned. */
class TurnedClock implements Clock {
  #now = 0;
  #timers = new Set<{ at: number; callback: () => void }>();
  now(): number {
    return this.#now;
  }
  wallNow(): number {
    return this.#now;
  }
  after(delayMs: number, callback: () => void): () => void {
    const timer = { at: this.#now + delayMs, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }
  every(): () => void {
    return () => {};
  }
  get pending(): number {
    return this.#timers.size;
  }
  turn(ms: number): void {
    this.#now += ms;
    for (const timer of this.#timers) {
      if (timer.at > this.#now) continue;
      this.#timers.delete(timer);
      timer.callback();
    }
  }
}

const never = new AbortController().signal;

function setUp(options: Partial<AdmissionOptions> = {}) {
  const clock = new TurnedClock();
  const admission = createAdmission({
    clock,
    admittedMax: 4,
    waitingMax: 2,
    waitMsMax: 1000,
    idleCallersMax: 100,
    ...options,
  });
  return { clock, admission };
}

function plan(ratePerSecond?: number, concurrencyMax?: number): AdmissionPlan {
  return { name: "p", ratePerSecond, limits: concurrencyMax === undefined ? {} : { concurrencyMax } };
}

function now(lease: Lease | Promise<Lease>): Lease {
  if (lease instanceof Promise) throw new Error("Cannot take the lease at once: it waits");
  return lease;
}

function refusal(act: () => unknown): IsopodError {
  try {
    act();
  } catch (error) {
    if (error instanceof IsopodError) return error;
    throw error;
  }
  throw new Error("Cannot read the refusal: there was none");
}

async function rejection(lease: Lease | Promise<Lease>): Promise<string> {
  try {
    await lease;
    return "admitted";
  } catch (error) {
    return error instanceof IsopodError ? error.code : String(error);
  }
}

test("a bucket lets its burst through, then its rate", () => {
  const { clock, admission } = setUp();
  const take = (): void => now(admission.admit("a", plan(2), { signal: never })).release();
  take();
  take();
  const error = refusal(take);
  expect(error.code).toBe("rate_limited");
  expect(error.details.retryAfterSeconds).toBe(1);
  expect(error.details.limit).toEqual({ name: "rate", value: 2 });
  clock.turn(499);
  expect(refusal(take).code).toBe("rate_limited");
  clock.turn(1);
  take();
  now(admission.admit("b", plan(2), { signal: never })).release();
});

test("a rate below one lets one through and says when to come again", () => {
  const { clock, admission } = setUp();
  const take = (): void => now(admission.admit("a", plan(0.1), { signal: never })).release();
  take();
  expect(refusal(take).details.retryAfterSeconds).toBe(10);
  clock.turn(10_000);
  take();
  expect(
    refusal(
      () =>
        now(admission.admit("z", plan(0), { signal: never })).release() ??
        admission.admit("z", plan(0), { signal: never }),
    ).code,
  ).toBe("rate_limited");
});

test("over a long time exactly the rate gets through", () => {
  const { clock, admission } = setUp();
  let admitted = 0;
  for (let ms = 0; ms < 60_000; ms += 7) {
    try {
      now(admission.admit("a", plan(10), { signal: never })).release();
      admitted += 1;
    } catch {}
    clock.turn(7);
  }
  expect(admitted).toBeGreaterThanOrEqual(600);
  expect(admitted).toBeLessThanOrEqual(611);
});

test("concurrency counts what runs and what waits, and a lease is released once", async () => {
  const { admission } = setUp({ admittedMax: 1 });
  const first = now(admission.admit("a", plan(undefined, 2), { signal: never }));
  const second = admission.admit("a", plan(undefined, 2), { signal: never });
  const error = refusal(() => admission.admit("a", plan(undefined, 2), { signal: never }));
  expect(error.code).toBe("concurrency_limited");
  expect(error.details.retryAfterSeconds).toBe(1);
  first.release();
  first.release();
  const held = await second;
  expect(admission.figures()).toEqual({ admitted: 1, waiting: 0, callers: 1 });
  held[Symbol.dispose]();
  expect(admission.figures()).toEqual({ admitted: 0, waiting: 0, callers: 0 });
});

test("who waits is admitted in turn; a full queue refuses at once", async () => {
  const { clock, admission } = setUp({ admittedMax: 1 });
  const first = now(admission.admit("a", plan(), { signal: never }));
  const order: string[] = [];
  const noted = async (caller: string): Promise<Lease> => {
    const lease = await admission.admit(caller, plan(), { signal: never });
    order.push(caller);
    return lease;
  };
  const second = noted("b");
  const third = noted("c");
  const error = refusal(() => admission.admit("d", plan(), { signal: never }));
  expect([error.code, error.details.retryAfterSeconds]).toEqual(["overloaded", 1]);
  first.release();
  (await second).release();
  (await third).release();
  expect(order).toEqual(["b", "c"]);
  expect(clock.pending).toBe(0);
  expect(admission.figures()).toEqual({ admitted: 0, waiting: 0, callers: 0 });
});

test("nobody waits longer than the longest wait, or after hanging up", async () => {
  const { clock, admission } = setUp({ admittedMax: 1 });
  const first = now(admission.admit("a", plan(), { signal: never }));
  const gone = new AbortController();
  const second = rejection(admission.admit("b", plan(), gone));
  const third = rejection(admission.admit("c", plan(), { signal: never }));
  gone.abort();
  expect(await second).toBe("client_gone");
  clock.turn(1000);
  expect(await third).toBe("overloaded");
  expect(admission.figures()).toEqual({ admitted: 1, waiting: 0, callers: 1 });
  expect(clock.pending).toBe(0);
  expect(await rejection(admission.admit("b", plan(), gone))).toBe("client_gone");
  first.release();
  expect(admission.figures()).toEqual({ admitted: 0, waiting: 0, callers: 0 });
});

test("closing refuses who waits and who comes, and leaves leases good", async () => {
  const { admission } = setUp({ admittedMax: 1 });
  const first = now(admission.admit("a", plan(), { signal: never }));
  const second = rejection(admission.admit("b", plan(), { signal: never }));
  admission.close();
  expect(await second).toBe("draining");
  expect(refusal(() => admission.admit("c", plan(), { signal: never })).code).toBe("draining");
  first.release();
  expect(admission.figures()).toEqual({ admitted: 0, waiting: 0, callers: 0 });
});

test("many addresses do not grow what is remembered", () => {
  const { clock, admission } = setUp({ idleCallersMax: 50 });
  for (let index = 0; index < 10_000; index++) {
    now(admission.admit(`ip${index}`, plan(1), { signal: never })).release();
    expect(admission.figures().callers).toBeLessThanOrEqual(50);
  }
  clock.turn(1000);
  for (let index = 0; index < 30; index++) now(admission.admit("other", plan(1000), { signal: never })).release();
  expect(admission.figures().callers).toBeLessThanOrEqual(1);
});

test("a refused caller stays remembered among others that come", () => {
  const { admission } = setUp({ idleCallersMax: 10 });
  now(admission.admit("loud", plan(1), { signal: never })).release();
  for (let index = 0; index < 100; index++) {
    now(admission.admit(`ip${index}`, plan(1), { signal: never })).release();
    expect(refusal(() => admission.admit("loud", plan(1), { signal: never })).code).toBe("rate_limited");
  }
});

test("whatever happens in whatever order, the bounds hold and everything is given back", async () => {
  const { clock, admission } = setUp({ admittedMax: 5, waitingMax: 7, idleCallersMax: 20 });
  let seed = 7;
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const leases: Lease[] = [];
  const clients: AbortController[] = [];
  for (let round = 0; round < 4000; round++) {
    const action = next(10);
    if (action < 5) {
      const client = new AbortController();
      clients.push(client);
      try {
        const lease = admission.admit(`c${next(30)}`, plan(next(2) === 0 ? undefined : 50, 3), client);
        if (lease instanceof Promise) lease.then((given) => leases.push(given)).catch(() => {});
        else leases.push(lease);
      } catch (error) {
        expect(error).toBeInstanceOf(IsopodError);
      }
    } else if (action < 8) leases.splice(next(leases.length), 1)[0]?.release();
    else if (action === 8) clients.splice(next(clients.length), 1)[0]?.abort();
    else {
      clock.turn(next(300));
      await Promise.resolve();
    }
    const { admitted, waiting, callers } = admission.figures();
    expect(admitted <= 5 && waiting <= 7 && callers <= 20 + 12).toBeTrue();
  }
  clock.turn(10_000);
  await Promise.resolve();
  while (leases.length > 0) {
    for (const lease of leases.splice(0)) lease.release();
    await Promise.resolve();
  }
  expect(admission.figures()).toMatchObject({ admitted: 0, waiting: 0 });
  expect(clock.pending).toBe(0);
});
