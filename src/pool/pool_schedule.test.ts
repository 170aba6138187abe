/** What the pool decides: who is given an instance, when there is one more, when one goes. Without processes or time. */

import { describe, expect, test } from "bun:test";
import type { IsopodError } from "../core/errors.ts";
import { settle } from "../testing/fake_clock.ts";
import { PoolRig } from "../testing/pool_rig.ts";

describe("prewarmed instances", () => {
  test("are as many as configured, and never more than there may be", async () => {
    const rig = new PoolRig({ prewarmed: 3 });
    await rig.pool.warm();
    expect(rig.engine.running.length).toBe(3);
    const small = new PoolRig({ prewarmed: 3, instancesMax: 2 });
    await small.pool.warm();
    expect(small.engine.running.length).toBe(2);
  });

  test("are handed out once and never back: every program ends with its instance", async () => {
    const rig = new PoolRig({ prewarmed: 2 });
    await rig.pool.warm();
    const used: number[] = [];
    for (let run = 0; run < 5; run += 1) {
      const call = await rig.run();
      const guest = rig.engine.running.find(({ invocations }) => invocations.length > 0);
      if (guest === undefined) throw new Error("nobody has the program");
      used.push(guest.pid);
      guest.answer(0, "done");
      await settle();
      expect(call.state()).toBe("answered");
      expect(guest.killed).toBeTrue();
      await rig.clock.advance(1000);
    }
    expect(new Set(used).size).toBe(5);
    expect(rig.engine.running.length).toBe(2);
  });

  test("are not refilled while the request that took one is fresh", async () => {
    const rig = new PoolRig({ prewarmed: 1 });
    await rig.pool.warm();
    await rig.run();
    expect(rig.engine.guests.length).toBe(1);
    await rig.clock.advance(20);
    expect(rig.engine.guests.length).toBe(1);
    await rig.clock.advance(30);
    expect(rig.engine.guests.length).toBe(2);
  });

  test("that die while they wait are replaced, with a growing pause", async () => {
    const rig = new PoolRig({ prewarmed: 1 });
    await rig.pool.warm();
    rig.engine.running[0]?.die();
    await settle();
    expect(rig.engine.running.length).toBe(0);
    expect(rig.reports).toContain("A prewarmed instance ended by itself");
    await rig.clock.advance(150);
    expect(rig.engine.running.length).toBe(1);
  });

  test("are tried again after a failed start, and nobody waits for them", async () => {
    const rig = new PoolRig({ prewarmed: 1 });
    rig.engine.failure = new Error("no more processes");
    await rig.pool.warm();
    const call = await rig.run();
    expect(call.state()).toBe("internal");
    rig.engine.failure = undefined;
    await rig.clock.advance(500);
    expect(rig.engine.running.length).toBe(1);
  });

  test("that do not say hello are given up", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    rig.engine.saysHello = false;
    const call = await rig.run();
    expect(call.state()).toBe("pending");
    await rig.clock.advance(10_000);
    expect(call.state()).toBe("start_failed");
    expect(rig.engine.running.length).toBe(0);
  });
});

describe("instances of a function", () => {
  test("grow with load to the maximum and not beyond", async () => {
    const rig = new PoolRig({ prewarmed: 0, instancesMax: 8 });
    const version = rig.version("f", { concurrencyMax: 1 }, 2);
    const calls = [
      await rig.invoke(version),
      await rig.invoke(version),
      await rig.invoke(version),
      await rig.invoke(version),
    ];
    expect(rig.guestsOf("f").length).toBe(2);
    for (const guest of rig.guestsOf("f")) guest.answer(0);
    await settle();
    for (const guest of rig.guestsOf("f")) guest.answer(1);
    await settle();
    expect(calls.map((call) => call.state())).toEqual(["answered", "answered", "answered", "answered"]);
    expect(rig.engine.guests.length).toBe(2);
  });

  test("are told to have been started for the requests that waited for them, and for no other", async () => {
    const rig = new PoolRig({ prewarmed: 1 });
    const version = rig.version("f", { concurrencyMax: 1 }, 2);
    const colds: boolean[] = [];
    const first = await rig.invoke(version);
    const second = await rig.invoke(version);
    // Waits for whoever is free.
    const third = await rig.invoke(version);
    for (const guest of rig.guestsOf("f")) guest.answer(0);
    await settle();
    rig
      .guestsOf("f")
      .find(({ invocations }) => invocations.length === 2)
      ?.answer(1);
    for (const { response } of [first, second, third]) colds.push((await (await response).ended).figures.cold);
    expect(colds).toEqual([true, true, false]);
    const prepared = rig.version("g");
    await rig.pool.prepare(prepared);
    const ready = await rig.invoke(prepared);
    rig.guestsOf("g")[0]?.answer(0);
    expect((await (await ready.response).ended).figures.cold).toBeFalse();
  });

  test("are not more than a burst can use", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    rig.engine.loads = false;
    const version = rig.version("f", { concurrencyMax: 64 }, 4);
    for (let index = 0; index < 4; index += 1) await rig.invoke(version);
    expect(rig.engine.guests.length).toBe(1);
  });

  test("grow when one is using a whole core", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    const version = rig.version("f", { cpuMs: 60_000, wallMs: 60_000 });
    await rig.invoke(version);
    const [guest] = rig.guestsOf("f");
    for (let tick = 0; tick < 6; tick += 1) {
      if (guest !== undefined) guest.cpuMs += 20;
      await rig.clock.advance(20);
    }
    await rig.invoke(version);
    expect(rig.guestsOf("f").length).toBe(2);
  });

  test("share the load: the least loaded is chosen", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    const version = rig.version("f", { concurrencyMax: 2 }, 2);
    for (let index = 0; index < 4; index += 1) await rig.invoke(version);
    expect(rig.guestsOf("f").map(({ invocations }) => invocations.length)).toEqual([2, 2]);
  });

  test("the queue has an end: one more is overloaded, and when to try again is said", async () => {
    const rig = new PoolRig({ prewarmed: 0, queueMax: 2 });
    const version = rig.version("f", { concurrencyMax: 1 }, 1);
    const calls = [];
    for (let index = 0; index < 4; index += 1) calls.push(await rig.invoke(version));
    expect(calls.map((call) => call.state())).toEqual(["pending", "pending", "pending", "overloaded"]);
    expect(calls[3]?.error()?.details.retryAfterSeconds).toBe(1);
    expect(calls[3]?.error()?.status).toBe(503);
  });

  test("one that has answered is waited for, however many do so one after the other", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    const version = rig.version("f", { concurrencyMax: 1 });
    await rig.invoke(version);
    const [guest] = rig.guestsOf("f");
    for (let index = 0; index < 20; index += 1) {
      guest?.answer(index, "", true);
      await settle();
      const next = await rig.invoke(version);
      await rig.clock.advance(2);
      guest?.finish(index);
      await settle();
      expect([next.state(), guest?.invocations.length]).toEqual(["pending", index + 2]);
    }
    expect(rig.guestsOf("f").length).toBe(1);
  });

  test("one that is not free soon after its answer is joined by another", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    const version = rig.version("f", { concurrencyMax: 1, wallMs: 500 });
    await rig.invoke(version);
    rig.guestsOf("f")[0]?.answer(0, "", true);
    await settle();
    const [gone, next] = [await rig.invoke(version), await rig.invoke(version)];
    gone.abort.abort();
    await rig.clock.advance(5);
    expect(gone.state()).toBe("client_gone");
    expect(rig.guestsOf("f").length).toBe(2);
    rig.guestsOf("f")[1]?.answer(0);
    await settle();
    expect(next.state()).toBe("answered");
  });

  test("a burst beside one at its after-work has as many as it needs", async () => {
    const rig = new PoolRig({ prewarmed: 0, instancesMax: 20, queueMax: 20 });
    const version = rig.version("f", { concurrencyMax: 1 }, 10);
    await rig.invoke(version);
    rig.guestsOf("f")[0]?.answer(0, "", true);
    await settle();
    for (let index = 0; index < 9; index += 1) await rig.invoke(version);
    await rig.clock.advance(100);
    expect(rig.guestsOf("f").length).toBe(10);
  });

  test("who waits for one that is being prepared is told when that fails", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    rig.engine.loads = false;
    const version = rig.version("f", { concurrencyMax: 1 }, 1);
    const prepared = rig.pool.prepare(version).catch((error: IsopodError) => error.code);
    await settle();
    const call = await rig.invoke(version);
    rig.guestsOf("f")[0]?.die();
    await settle();
    expect([await prepared, call.state()]).toEqual(["program_ended", "program_ended"]);
  });

  test("who waits leaves by hanging up, or at the wall limit", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    const version = rig.version("f", { concurrencyMax: 1, wallMs: 500 }, 1);
    await rig.invoke(version);
    const gone = await rig.invoke(version);
    const patient = await rig.invoke(version);
    gone.abort.abort();
    await settle();
    expect(gone.state()).toBe("client_gone");
    await rig.clock.advance(550);
    expect(patient.state()).toBe("wall_limit");
    expect(patient.error()?.details.limit).toEqual({ name: "wallMs", value: 500 });
  });

  test("that are idle for long enough go", async () => {
    const rig = new PoolRig({ prewarmed: 0, idleMs: 5000 });
    await rig.invoke(rig.version("f"));
    rig.guestsOf("f")[0]?.answer(0);
    await settle();
    await rig.clock.advance(4000);
    expect(rig.guestsOf("f").length).toBe(1);
    await rig.clock.advance(2500);
    expect(rig.guestsOf("f").length).toBe(0);
    expect(rig.pool.stats().functions).toBe(0);
  });

  test("of a version that is routed to no more go when their invocations are over", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    const call = await rig.invoke(rig.version("old"));
    rig.pool.keepOnly(({ name }) => name === "new");
    await settle();
    const [guest] = rig.guestsOf("old");
    expect(guest?.over).toBeFalse();
    guest?.answer(0);
    await settle();
    expect(call.state()).toBe("answered");
    expect(guest?.over).toBeTrue();
  });
});

describe("instances are replaced", () => {
  test("after so many invocations", async () => {
    const rig = new PoolRig({ prewarmed: 0, invocationsMax: 3 });
    const version = rig.version("f");
    for (let index = 0; index < 6; index += 1) {
      await rig.invoke(version);
      rig.guestsOf("f")[0]?.answer(index % 3);
      await settle();
    }
    expect(rig.engine.guests.length).toBe(2);
    expect(rig.engine.running.length).toBe(0);
  });

  test("at their age, which begins with their function and not with their wait for one", async () => {
    const rig = new PoolRig({ prewarmed: 1, ageMs: 10_000 });
    await rig.pool.warm();
    await rig.clock.advance(20_000);
    const version = rig.version("f");
    const once = async (index: number) => {
      await rig.invoke(version);
      const [guest] = rig.guestsOf("f");
      guest?.answer(index);
      await settle();
      return guest;
    };
    expect((await once(0))?.over).toBeFalse();
    await rig.clock.advance(9000);
    expect((await once(1))?.over).toBeFalse();
    await rig.clock.advance(1500);
    expect(rig.guestsOf("f").length).toBe(0);
  });

  test("when they keep three quarters of their memory", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    const version = rig.version("f", { memoryBytes: 100 });
    await rig.invoke(version);
    const [guest] = rig.guestsOf("f");
    if (guest !== undefined) guest.memoryBytes = 76;
    await rig.clock.advance(20);
    guest?.answer(0);
    await settle();
    expect(guest?.over).toBeTrue();
  });
});

describe("the server's maximum of instances", () => {
  test("the instance that has been idle for longest makes room", async () => {
    const rig = new PoolRig({ prewarmed: 0, instancesMax: 2 });
    for (const name of ["a", "b"]) {
      await rig.invoke(rig.version(name));
      rig.guestsOf(name)[0]?.answer(0);
      await rig.clock.advance(100);
    }
    await rig.invoke(rig.version("c"));
    expect(["a", "b", "c"].map((name) => rig.guestsOf(name).length)).toEqual([0, 1, 1]);
    await rig.invoke(rig.version("d"));
    expect(["b", "c", "d"].map((name) => rig.guestsOf(name).length)).toEqual([0, 1, 1]);
  });

  test("without an idle one, a function and a program are refused, and told when to try again", async () => {
    const rig = new PoolRig({ prewarmed: 0, instancesMax: 1 });
    await rig.invoke(rig.version("a"));
    for (const call of [await rig.invoke(rig.version("b")), await rig.run()]) {
      expect(call.state()).toBe("overloaded");
      expect(call.error()?.details.retryAfterSeconds).toBe(1);
    }
    expect(rig.engine.guests.length).toBe(1);
  });

  test("holds when many come in the same turn", async () => {
    const rig = new PoolRig({ prewarmed: 0, instancesMax: 3 });
    const calls = await Promise.all(Array.from({ length: 10 }, () => rig.run()));
    expect(rig.engine.guests.length).toBe(3);
    expect(calls.filter((call) => call.state() === "overloaded").length).toBe(7);
  });
});

describe("drain", () => {
  test("what runs ends well, what comes is refused, then everything is gone and no timer is left", async () => {
    const rig = new PoolRig({ prewarmed: 2 });
    await rig.pool.warm();
    const version = rig.version("f", { concurrencyMax: 1 }, 1);
    const running = await rig.invoke(version);
    const waiting = await rig.invoke(version);
    const closed = rig.pool.close(1000);
    expect((await rig.invoke(version)).state()).toBe("draining");
    expect((await rig.run()).state()).toBe("draining");
    rig.guestsOf("f")[0]?.answer(0);
    await settle();
    rig.guestsOf("f")[0]?.answer(1);
    await closed;
    expect([running.state(), waiting.state()]).toEqual(["answered", "answered"]);
    expect(rig.engine.running.length).toBe(0);
    await rig.clock.advance(100);
    expect(rig.clock.pending).toBe(0);
  });

  test("ends what takes longer than it may, those that wait included, and starts nothing for them", async () => {
    const rig = new PoolRig({ prewarmed: 1 });
    await rig.pool.warm();
    const version = rig.version("f", { concurrencyMax: 1, wallMs: 60_000 }, 1);
    const running = await rig.invoke(version);
    const waiting = await rig.invoke(version);
    const closed = rig.pool.close(1000);
    await rig.clock.advance(1000);
    await closed;
    await rig.clock.advance(1000);
    expect([running.state(), waiting.state()]).toEqual(["draining", "draining"]);
    expect(rig.engine.running.length).toBe(0);
    expect(rig.clock.pending).toBe(0);
  });

  test("ends a start that is under way", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    rig.engine.saysHello = false;
    const call = await rig.run();
    const closed = rig.pool.close(0);
    await rig.clock.advance(1);
    await closed;
    await settle();
    expect(call.state()).toBe("draining");
    expect(rig.engine.running.length).toBe(0);
    expect(rig.clock.pending).toBe(0);
  });
});
