/** What one instance does wrong, and who has to pay for it: never anybody but its own invocations. */
import { describe, expect, test } from "bun:test";
import { settle } from "../testing/fake_clock.ts";
import type { FakeGuest } from "../testing/fake_engine.ts";
import { PoolRig } from "../testing/pool_rig.ts";
import { FRAME } from "../wire/frame.ts";

/** A function with two invocations on one instance and one on another. */
async function threeOnTwo(limits = {}) {
  const rig = new PoolRig({ prewarmed: 0 });
  const version = rig.version("f", { concurrencyMax: 2, ...limits }, 2);
  const first = await rig.invoke(version);
  const second = await rig.invoke(version);
  const third = await rig.invoke(version);
  const [bad, good] = rig.guestsOf("f") as [FakeGuest, FakeGuest];
  return { rig, version, first, second, third, bad, good };
}

describe("an instance that dies", () => {
  test("fails its own invocations, and says how it ended", async () => {
    const { rig, version, first, second, third, bad, good } = await threeOnTwo();
    bad.die({ code: 139 });
    await settle();
    expect([first.state(), second.state(), third.state()]).toEqual(["program_ended", "program_ended", "pending"]);
    expect(first.error()?.message).toContain("by signal 11");
    good.answer(0);
    await settle();
    expect(third.state()).toBe("answered");
    expect((await rig.invoke(version)).state()).toBe("pending");
    expect(good.invocations.length).toBe(2);
  });

  test("for want of memory is named so, by its cgroup or by what its allocator says", async () => {
    for (const end of [
      { code: 137, outOfMemory: true },
      { code: 132, stderr: "memory allocation of 8 bytes failed" },
    ]) {
      const rig = new PoolRig({ prewarmed: 0 });
      const call = await rig.run({ memoryBytes: 1000 });
      rig.engine.running[0]?.die(end);
      await settle();
      expect(call.error()).toMatchObject({
        code: "memory_limit",
        details: { limit: { name: "memoryBytes", value: 1000 } },
      });
    }
  });

  test("while it loads fails who waits for it, and the next one is tried anew", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    rig.engine.loads = false;
    const version = rig.version("f");
    const call = await rig.invoke(version);
    rig.engine.running[0]?.die({ code: 137, outOfMemory: true });
    await settle();
    expect(call.state()).toBe("memory_limit");
    rig.engine.loads = true;
    const again = await rig.invoke(version);
    rig.guestsOf("f")[0]?.answer(0);
    await settle();
    expect(again.state()).toBe("answered");
  });

  test("between being taken and being given a program fails the program at once", async () => {
    const rig = new PoolRig({ prewarmed: 1 });
    await rig.pool.warm();
    const running = rig.run();
    rig.engine.running[0]?.die();
    const call = await running;
    await settle();
    expect(["start_failed", "program_ended"]).toContain(call.state());
  });

  test("lets those who wait have another one", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    const version = rig.version("f", { concurrencyMax: 1 }, 1);
    const first = await rig.invoke(version);
    const waiting = await rig.invoke(version);
    rig.guestsOf("f")[0]?.die();
    await settle();
    expect(first.state()).toBe("program_ended");
    rig.guestsOf("f")[0]?.answer(0);
    await settle();
    expect(waiting.state()).toBe("answered");
  });
});

describe("an instance in which a limit is broken", () => {
  test("is given nothing more, and ends when its other invocation is over", async () => {
    const { rig, version, first, second, bad, good } = await threeOnTwo({ logBytesMax: 100 });
    const [one] = bad.invocations;
    bad.log(one?.stream.id ?? 0, "x".repeat(200));
    await settle();
    expect(first.error()).toMatchObject({ code: "log_limit", details: { limit: { name: "logBytesMax", value: 100 } } });
    expect(second.state()).toBe("pending");
    await rig.invoke(version);
    expect([bad.invocations.length, good.invocations.length]).toEqual([2, 2]);
    await rig.clock.advance(500);
    expect(bad.over).toBeFalse();
    bad.answer(1);
    await settle();
    expect([second.state(), bad.over]).toEqual(["answered", true]);
  });

  test("is not given to who waits, in the moment in which there is room", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    const version = rig.version("f", { concurrencyMax: 1, logBytesMax: 100 }, 1);
    await rig.invoke(version);
    const waiting = await rig.invoke(version);
    const [bad] = rig.guestsOf("f") as [FakeGuest];
    bad.log(bad.invocations[0]?.stream.id ?? 0, "x".repeat(200));
    await settle();
    expect(bad.invocations.length).toBe(1);
    expect(bad.over).toBeTrue();
    rig.guestsOf("f")[0]?.answer(0);
    await settle();
    expect(waiting.state()).toBe("answered");
  });

  test("ends at once when its event loop does not turn any more", async () => {
    const { rig, first, second, third, bad } = await threeOnTwo({ wallMs: 1000 });
    bad.stick();
    await rig.clock.advance(990);
    expect([first.state(), second.state(), third.state()]).toEqual(["pending", "pending", "pending"]);
    await rig.clock.advance(260);
    expect(first.state()).toBe("wall_limit");
    expect([second.state(), bad.over]).toEqual(["wall_limit", true]);
  });

  test("ends as a whole at its memory limit, whoever used it", async () => {
    const { rig, first, second, third, bad } = await threeOnTwo({ memoryBytes: 1000 * 1000 * 10 });
    bad.memoryBytes = 1000 * 1000 * 10 + 1;
    await rig.clock.advance(20);
    expect([first.state(), second.state(), third.state()]).toEqual(["memory_limit", "memory_limit", "pending"]);
  });

  test("burning time in a loop that does not turn, ends as a whole at one invocation's processor time", async () => {
    const { rig, first, second, third, bad } = await threeOnTwo({ cpuMs: 200 });
    bad.stick();
    for (let tick = 0; tick < 13; tick += 1) {
      bad.cpuMs += 20;
      await rig.clock.advance(20);
    }
    expect([first.state(), second.state(), third.state()]).toEqual(["cpu_limit", "cpu_limit", "pending"]);
  });
});

describe("an invocation whose caller has hung up", () => {
  test("in a loop that does not turn: nobody else is given the instance, and it ends", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    const version = rig.version("f", {}, 2);
    const gone = await rig.invoke(version);
    const [stuck] = rig.guestsOf("f") as [FakeGuest];
    stuck.stick();
    gone.abort.abort();
    await rig.clock.advance(40);
    const next = await rig.invoke(version);
    expect(stuck.invocations.length).toBe(1);
    // Most turn at once, and another is not needed.
    await rig.clock.advance(5);
    rig
      .guestsOf("f")
      .find((guest) => guest !== stuck)
      ?.answer(0);
    await settle();
    expect(next.state()).toBe("answered");
    await rig.clock.advance(250);
    expect(stuck.over).toBeTrue();
  });

  test("does not make more instances of those that turn", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    const version = rig.version("f", { concurrencyMax: 1 });
    for (let round = 0; round < 5; round += 1) {
      const gone = await rig.invoke(version);
      await rig.clock.advance(40);
      gone.abort.abort();
      const next = await rig.invoke(version);
      await settle();
      rig.guestsOf("f")[0]?.answer(2 * round + 1);
      await settle();
      expect([next.state(), rig.guestsOf("f").length]).toEqual(["answered", 1]);
    }
  });

  test("is told, and the instance goes on being used when its loop turns", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    const version = rig.version("f", {}, 2);
    const gone = await rig.invoke(version);
    gone.abort.abort();
    await rig.clock.advance(40);
    const [guest] = rig.guestsOf("f") as [FakeGuest];
    expect(guest.invocations[0]?.reset).toBeTrue();
    await rig.invoke(version);
    expect(guest.invocations.length).toBe(2);
    await rig.clock.advance(1000);
    expect(guest.over).toBeFalse();
    expect(rig.engine.guests.length).toBe(1);
  });

  test("does not have its later lines charged to another", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    const version = rig.version("f", { logBytesMax: 100 });
    const gone = await rig.invoke(version);
    const other = await rig.invoke(version);
    gone.abort.abort();
    await rig.clock.advance(40);
    const [guest] = rig.guestsOf("f") as [FakeGuest];
    guest.log(guest.invocations[0]?.stream.id ?? 0, "x".repeat(200));
    await settle();
    expect([other.state(), other.lines.length]).toEqual(["pending", 0]);
  });
});

describe("after-work", () => {
  test("keeps its place and its instance until it is over, and is held to the wall limit", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    const version = rig.version("f", { concurrencyMax: 1, wallMs: 1000 }, 1);
    const call = await rig.invoke(version);
    const [guest] = rig.guestsOf("f") as [FakeGuest];
    guest.answer(0, "answer", true);
    await settle();
    expect(call.state()).toBe("answered");
    expect(rig.pool.stats().invocations).toBe(1);
    await rig.clock.advance(1300);
    const { body, ended } = await call.response;
    expect(new TextDecoder().decode(body as Uint8Array)).toBe("answer");
    expect((await ended).error?.code).toBe("wall_limit");
    expect(rig.pool.stats().invocations).toBe(0);
  });

  test("said to be over, ends the invocation", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    const call = await rig.invoke(rig.version("f"));
    const [guest] = rig.guestsOf("f") as [FakeGuest];
    guest.answer(0, "", true);
    await settle();
    guest.connection.sendBytes(FRAME.ready, guest.invocations[0]?.stream.id ?? 0);
    expect((await (await call.response).ended).error).toBeUndefined();
  });
});

describe("a guest that breaks the protocol", () => {
  const breaches: Record<string, (guest: FakeGuest) => void> = {
    "sends garbage": (guest) => guest.send(new Uint8Array(64).fill(255)),
    "answers a stream that there is not": (guest) => guest.connection.sendText(FRAME.head, 99, "{}"),
    "sends a head that is none": (guest) => guest.invocations[0]?.stream.head("null"),
    "is not ready as JSON": (guest) => guest.connection.sendText(FRAME.ready, 0, "{"),
    "answers a ping that nobody sent": (guest) => guest.connection.sendBytes(FRAME.pong, 0, new Uint8Array(8)),
    "is ready with null": (guest) => guest.connection.sendText(FRAME.ready, 0, "null"),
  };
  for (const [name, breach] of Object.entries(breaches)) {
    test(`${name}: it ends, and only it`, async () => {
      const { first, second, third, bad } = await threeOnTwo();
      breach(bad);
      await settle();
      expect([first.state(), second.state(), third.state()]).toEqual(["protocol_error", "protocol_error", "pending"]);
      expect(bad.over).toBeTrue();
    });
  }
});

describe("between invocations", () => {
  test("an instance that burns time is ended", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    await rig.invoke(rig.version("f"));
    const [guest] = rig.guestsOf("f") as [FakeGuest];
    guest.answer(0);
    await settle();
    for (let second = 0; second < 3 && !guest.over; second += 1) {
      guest.cpuMs += 900;
      await rig.clock.advance(1000);
    }
    expect(guest.over).toBeTrue();
  });

  test("an instance that grows over its memory is ended", async () => {
    const rig = new PoolRig({ prewarmed: 0 });
    await rig.invoke(rig.version("f", { memoryBytes: 10_000_000 }));
    const [guest] = rig.guestsOf("f") as [FakeGuest];
    guest.answer(0);
    await settle();
    guest.memoryBytes = 10_000_001;
    await rig.clock.advance(1100);
    expect(guest.over).toBeTrue();
  });
});
