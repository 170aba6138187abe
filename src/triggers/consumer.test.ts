/** Queues against a store and a clock that the test turns: when messages are delivered, how often, and at what cost. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IsopodError } from "../core/errors.ts";
import type { FunctionCaller } from "../core/function_caller.ts";
import type { InvocationResponse } from "../core/invocation.ts";
import type { Store } from "../core/store.ts";
import { FakeClock, settle } from "../testing/fake_clock.ts";
import { MemoryContents, MemoryStore } from "../testing/memory_store.ts";
import { openQueueStore } from "../testing/queue_process.ts";
import { seededRandom } from "../testing/seeded_random.ts";
import { callConsumer, type PlacedConsumer } from "./batch_call.ts";
import { TRIGGER_LIMITS } from "./limits.ts";
import { Messages } from "./messages.ts";
import { Queues } from "./queues.ts";

const RULE: PlacedConsumer = {
  ...{ project: "p", functionName: "f", queue: "q", wallMs: 10_000, deadLetter: undefined },
  ...{ batchSize: 10, batchWaitMs: 0, retries: 2, retryDelayMs: 1000, concurrency: 1 },
};
const FIGURES = { wallMs: 0, cpuMs: 0, memoryBytes: 0, responseBytes: 0, logBytes: 0, subrequests: 0, cold: false };

interface Delivered {
  readonly id: string;
  readonly body: string;
  readonly attempts: number;
}

/** What a consumer says of a batch; an error ends the call. */
type Answer = (batch: readonly Delivered[], signal: AbortSignal) => Promise<unknown> | unknown;

const ackAll: Answer = (batch) => Object.fromEntries(batch.map(({ id }) => [id, "ack"]));

class Rig implements AsyncDisposable {
  readonly clock: FakeClock;
  readonly batches: (readonly Delivered[])[] = [];
  readonly reports: string[] = [];
  readonly outcomes: Record<string, number> = {};
  readonly queues: Queues;
  answer: Answer = ackAll;
  bytesMax = 1024 ** 3;

  constructor(store: Store, clock = new FakeClock()) {
    this.clock = clock;
    const caller: FunctionCaller = {
      call: async ({ body, signal }): Promise<InvocationResponse> => {
        const { messages } = JSON.parse(new TextDecoder().decode(body as Uint8Array)) as { messages: Delivered[] };
        this.batches.push(messages);
        const said = new TextEncoder().encode(JSON.stringify(await this.answer(messages, signal)));
        const ended = Promise.resolve({ figures: FIGURES });
        return { status: 200, headers: [], body: new Blob([said]).stream(), script: false, ended };
      },
    };
    this.queues = new Queues({
      ...{ messages: new Messages(store, "queues"), clock, quotas: { bytesMax: () => this.bytesMax } },
      deliver: callConsumer.bind(undefined, caller),
      observer: {
        scheduled() {},
        messages: (_queue, outcome, count) => {
          this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + count;
        },
      },
      report: (message) => this.reports.push(message),
    });
  }

  get bodies(): string[] {
    return this.batches.flat().map(({ body }) => body);
  }

  send(bodies: readonly string[], delayMs = 0, queue = "q"): Promise<string[]> {
    return this.queues.send(
      "p",
      queue,
      bodies.map((body) => ({ type: "text", body, delayMs })),
    );
  }

  async advance(ms: number, step = 1000): Promise<void> {
    for (let passed = 0; passed < ms; passed += step) {
      await this.clock.advance(Math.min(step, ms - passed));
      for (let turn = 0; turn < 4; turn += 1) await settle();
    }
  }

  async view(name = "q") {
    return (await this.queues.views("p")).find((view) => view.name === name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.queues.close(0);
  }
}

async function rigOf(rule: Partial<PlacedConsumer> = {}, store: Store = new MemoryStore(), clock?: FakeClock) {
  const rig = new Rig(store, clock);
  await rig.queues.replace([{ ...RULE, ...rule }], 0);
  return rig;
}

test("messages come in the order in which they were sent, in batches that are neither too many nor too large", async () => {
  await using rig = await rigOf({ batchSize: 4 });
  for (let n = 0; n < 10; n += 1) await rig.send([`m${n}`]);
  await rig.advance(1);
  expect(rig.bodies).toEqual(Array.from({ length: 10 }, (_, n) => `m${n}`));
  expect(Math.max(...rig.batches.map((batch) => batch.length))).toBeLessThanOrEqual(4);
  await rig.queues.replace([], 0);
  rig.batches.length = 0;
  for (let n = 0; n < 12; n += 1) await rig.send(["x".repeat(120_000)]);
  await rig.queues.replace([{ ...RULE, batchSize: 100 }], 0);
  await rig.advance(1);
  expect(rig.bodies).toHaveLength(12);
  expect(rig.batches.map((batch) => batch.length)).toEqual([8, 4]);
  expect(await rig.view()).toMatchObject({ messages: 0, bytes: 0, inFlight: 0 });
});

test("a batch waits for more messages, but not for ever", async () => {
  await using rig = await rigOf({ batchSize: 3, batchWaitMs: 5000 });
  await rig.send(["a"]);
  await rig.advance(4000);
  expect(rig.batches).toEqual([]);
  await rig.advance(1500);
  expect(rig.batches.map((batch) => batch.length)).toEqual([1]);
  await rig.send(["b", "c", "d"]);
  await rig.advance(1);
  expect(rig.batches.map((batch) => batch.length)).toEqual([1, 3]);
});

test("waits between attempts double, and what fails for the last time goes to the dead letters once", async () => {
  await using rig = await rigOf({ deadLetter: "dead" });
  const times: number[] = [];
  rig.answer = () => {
    times.push(rig.clock.now());
    throw new IsopodError("uncaught_exception");
  };
  await rig.send(["poison"]);
  await rig.advance(10_000);
  const [first = 0, second = 0, third = 0] = times;
  expect([times.length, Math.round((second - first) / 100), Math.round((third - second) / 100)]).toEqual([3, 10, 20]);
  expect(await rig.queues.peek("p", "dead", 10)).toMatchObject([{ body: "poison", attempts: 0 }]);
  expect(rig.outcomes).toEqual({ sent: 1, retried: 2, dead: 1 });
  expect(await rig.view()).toMatchObject({ messages: 0, deadLetter: "dead", consumer: "f" });
  rig.answer = ackAll;
  expect(await rig.queues.empty("p", "dead", "q")).toBe(1);
  await rig.advance(1);
  expect(await rig.queues.views("p")).toMatchObject([{ name: "q", messages: 0, bytes: 0 }]);
  await expect(rig.queues.empty("p", "q", "q")).rejects.toThrow("is where they are already");
});

test("dead letters that fail again at once are moved once a call", async () => {
  await using rig = await rigOf({ deadLetter: "dead", retries: 0 });
  rig.answer = () => ({});
  await rig.send(Array.from({ length: 50 }, (_, n) => `m${n}`));
  await rig.advance(10);
  expect((await rig.view("dead"))?.messages).toBe(50);
  expect(await rig.queues.empty("p", "dead", "q")).toBe(50);
  await rig.advance(10);
  expect((await rig.view("dead"))?.messages).toBe(50);
});

test("a function may say how long to wait, and nonsense is its queue's own delay", async () => {
  await using rig = await rigOf({ retries: 100, retryDelayMs: 1000 });
  const answers: unknown[] = [0, 30, -5, "soon", 1e300, null];
  const times: number[] = [];
  rig.answer = ([message]) => {
    times.push(rig.clock.now());
    return { [message?.id ?? ""]: answers[times.length - 1] };
  };
  await rig.send(["m"]);
  await rig.advance(120_000);
  const waits = times.slice(1).map((time, at) => Math.round((time - (times[at] ?? 0)) / 1000));
  expect(waits).toEqual([0, 30, 4, 8]);
  await rig.advance(TRIGGER_LIMITS.delayMsMax - 120_000, 600_000);
  expect(times).toHaveLength(5);
});

test("what a function has never seen is no attempt of it", async () => {
  await using rig = await rigOf({ retries: 0 });
  rig.answer = () => {
    throw new IsopodError("overloaded");
  };
  await rig.send(["m"]);
  await rig.advance(10_000);
  expect(rig.batches.length).toBeGreaterThan(5);
  rig.answer = ackAll;
  await rig.advance(2000);
  expect(rig.batches.at(-1)).toMatchObject([{ attempts: 1 }]);
  expect((await rig.view())?.messages).toBe(0);
});

test("a server that ends gives back what it has not finished", async () => {
  const [store, clock] = [new MemoryContents(), new FakeClock()];
  const ending = await rigOf({ retries: 0 }, new MemoryStore(store), clock);
  ending.answer = (_batch, signal) =>
    new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new IsopodError("client_gone"))));
  await ending.send(["m"]);
  await ending.advance(10);
  expect(await ending.view()).toMatchObject({ messages: 1, inFlight: 1 });
  await ending.queues.close(0);
  await using heir = await rigOf({ retries: 0 }, new MemoryStore(store), clock);
  await heir.advance(2000);
  expect(heir.batches).toMatchObject([[{ body: "m", attempts: 1 }]]);
});

test("what a dead server had in hand is delivered when its lease is over, or buried when that was the last attempt", async () => {
  const contents = new MemoryContents();
  const dead = await rigOf({}, new MemoryStore(contents));
  const last = await rigOf({ queue: "last", retries: 0 }, new MemoryStore(contents), dead.clock);
  for (const each of [dead, last]) each.answer = () => new Promise(() => {});
  await dead.send(["m"]);
  await last.send(["n"], 0, "last");
  await dead.advance(10);
  expect([dead.batches.length, last.batches.length]).toEqual([1, 1]);
  // Their clock stands still from here on.
  await using heir = new Rig(new MemoryStore(contents));
  await heir.clock.advance(10);
  await heir.queues.replace([RULE, { ...RULE, queue: "last", retries: 0, deadLetter: "dead" }], 0);
  await heir.advance(19_000);
  expect(heir.batches).toEqual([]);
  await heir.advance(6000);
  expect(heir.batches).toMatchObject([[{ body: "m", attempts: 2 }]]);
  expect(await heir.queues.peek("p", "dead", 10)).toMatchObject([{ body: "n" }]);
});

test("three servers deliver each of 2000 messages once, whatever delays they were sent with", async () => {
  const [contents, clock, random] = [new MemoryContents(), new FakeClock(), seededRandom(7)];
  const rule = { batchSize: 25, concurrency: 4 };
  const rigs = await Promise.all([1, 2, 3].map(() => rigOf(rule, new MemoryStore(contents), clock)));
  for (let n = 0; n < 200; n += 1) {
    const bodies = Array.from({ length: 10 }, (_, at) => `${n}.${at}`);
    await rigs[n % 3]?.send(bodies, random.below(20) * 1000);
    if (n % 50 === 0) await rigs[0]?.advance(500);
  }
  await rigs[0]?.advance(60_000);
  const seen = rigs.flatMap(({ bodies }) => bodies);
  expect([seen.length, new Set(seen).size]).toEqual([2000, 2000]);
  for (const rig of rigs) await rig.queues.close(0);
});

/** A store that counts the entries that are read by listing. */
function counted(store: Store): { readonly store: Store; listed: number } {
  const list: Store["list"] = async (...args) => {
    const found = await store.list(...args);
    counts.listed += found.length;
    return found;
  };
  const get = (target: Store, name: string | symbol) => {
    const member = name === "list" ? list : Reflect.get(target, name, target);
    return typeof member === "function" ? member.bind(target) : member;
  };
  const counts = { listed: 0, store: new Proxy(store, { get }) };
  return counts;
}

test("what waits for its time, and has no room in memory, comes all the same", async () => {
  const directory = mkdtempSync(join(tmpdir(), "isopod-queue-"));
  const sqlite = openQueueStore(directory);
  const counts = counted(sqlite);
  const { store } = counts;
  const sender = new Rig(store);
  const { windowMax } = TRIGGER_LIMITS;
  const count = windowMax + 500;
  // The last ones are the first that are due.
  for (let n = 0; n < count; n += 100) {
    await sender.send(
      Array.from({ length: 100 }, (_, at) => `${n + at}`),
      3_600_000 - 100 * n,
    );
  }
  const rig = await rigOf({ batchSize: 100, concurrency: 10 }, store, sender.clock);
  for (let turn = 0; turn < 50; turn += 1) await settle();
  counts.listed = 0;
  await rig.advance(60_000);
  // Nothing is due: it is looked at from time to time, and not all of it at every turn.
  expect(rig.batches).toEqual([]);
  expect(counts.listed).toBeLessThanOrEqual(13 * count);
  await rig.advance(3_600_000, 60_000);
  await rig.advance(60_000);
  expect([rig.bodies.length, new Set(rig.bodies).size]).toEqual([count, count]);
  for (const each of [rig, sender]) await each.queues.close(0);
  await sqlite.close();
  rmSync(directory, { recursive: true });
}, 60_000);

test("what is too old is dropped, consumed or not", async () => {
  const store = new MemoryStore();
  await using rig = new Rig(store);
  await rig.send(["a"]);
  await rig.send(["b"], 0, "other");
  await rig.clock.advance(TRIGGER_LIMITS.retentionMs + TRIGGER_LIMITS.sweepMs);
  await settle();
  expect(await rig.queues.views("p")).toEqual([]);
  expect(rig.outcomes).toEqual({ sent: 2, expired: 2 });
});

test("a project's quota counts what it keeps, and what others have taken out", async () => {
  const [contents, clock] = [new MemoryContents(), new FakeClock()];
  await using rig = new Rig(new MemoryStore(contents), clock);
  rig.bytesMax = 5 * (TRIGGER_LIMITS.entryBytes + 1);
  for (let n = 0; n < 5; n += 1) await rig.send(["x"]);
  await expect(rig.send(["x"])).rejects.toThrow("queueBytesMax");
  await using other = new Rig(new MemoryStore(contents), clock);
  expect(await other.queues.empty("p", "q", undefined)).toBe(5);
  await clock.advance(TRIGGER_LIMITS.countAgeMsMax + 1);
  expect(await rig.send(["x"])).toHaveLength(1);
});

test("a project's quota holds while many send at once, also while it is counted anew", async () => {
  await using rig = new Rig(new MemoryStore());
  rig.bytesMax = 50 * (TRIGGER_LIMITS.entryBytes + 1);
  const sent = async (count: number) => {
    const sends = Array.from({ length: count }, (_, n) => rig.send(["x"], 0, `q${n % 3}`));
    return (await Promise.allSettled(sends)).filter(({ status }) => status === "fulfilled").length;
  };
  expect(await sent(30)).toBe(30);
  await rig.clock.advance(TRIGGER_LIMITS.countAgeMsMax + 1);
  expect(await sent(200)).toBe(20);
  expect(await rig.queues.empty("p", "q0", undefined)).toBeGreaterThan(10);
  await rig.clock.advance(TRIGGER_LIMITS.countAgeMsMax + 1);
  await sent(200);
  expect((await rig.queues.views("p")).reduce((sum, { messages }) => sum + messages, 0)).toBe(50);
});

test("what a crash has left of handing a queue on is finished by asking again, and makes no two of a message", async () => {
  const contents = new MemoryContents();
  await using rig = new Rig(new MemoryStore(contents));
  await rig.send(["a", "b", "c"]);
  // One is there already, and still where it was.
  const messages = new Messages(new MemoryStore(contents), "queues");
  const [first] = await messages.list("p", "q", undefined, 1);
  if (first === undefined) throw new Error("There is no message");
  await messages.move("p", "to", first, rig.clock.wallNow());
  expect(await rig.queues.empty("p", "q", "to")).toBe(3);
  const bodies = (await rig.queues.peek("p", "to", 10)).map(({ body }) => body);
  expect(bodies.sort()).toEqual(["a", "b", "c"]);
  expect(await rig.queues.peek("p", "q", 10)).toEqual([]);
});
