/** How runs end before they are complete: callers who hang up, limits, answers that are cut off and say so elsewhere. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { goneAfter, instances } from "../../testing/children.ts";
import { RawClient } from "../../testing/raw_client.ts";
import { recordOf } from "../../testing/records.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

let server: TestServer;
/** Without prewarmed instances, every process below this one belongs to a run. */
beforeAll(async () => {
  server = await startTestServer({ config: "[pool]\nprewarmed = 0\n" });
});
afterAll(() => server[Symbol.asyncDispose]());

const IN = "the program runs";
/** A program's process is gone within this time after its caller, in milliseconds. */
const HANG_UP_MS = 100;
/** And within this after a limit. */
const LIMIT_MS = 250;

/** Sends a program that will not end by itself and waits until it has written; its connection and its processes. */
async function started(
  code: string,
  headers: readonly string[] = [],
): Promise<{ client: RawClient; pids: number[]; id: string }> {
  await goneAfter(instances(), 5000);
  const { client, id } = await begun(code, headers);
  const pids = instances();
  expect(pids.length).toBeGreaterThan(0);
  return { client, pids, id };
}

/** Sends a program and waits until it has written; it may have ended meanwhile. */
async function begun(code: string, headers: readonly string[] = []): Promise<{ client: RawClient; id: string }> {
  const client = await RawClient.connect(server.port);
  client.request(
    ["POST /run HTTP/1.1", "host: localhost", `content-length: ${Buffer.byteLength(code)}`, ...headers],
    code,
  );
  await client.until(() => client.received.includes(IN), "the program's first words");
  return { client, id: /isopod-request-id: (\w+)/i.exec(client.received)?.[1] ?? "" };
}

const envelopeOf = (code: string, limits: object): [string, string[]] => [
  JSON.stringify({ code, limits }),
  ["content-type: application/json"],
];

/** Programs that will not end by themselves, each in its own way. */
const ENDLESS: Readonly<Record<string, string>> = {
  "waits for a timer": `console.log("${IN}"); setTimeout(() => {}, 60_000)`,
  "burns the processor": `console.log("${IN}"); for (;;);`,
  "floods microtasks": `console.log("${IN}"); const f = () => queueMicrotask(f); f()`,
  "writes without end": `console.log("${IN}"); for (;;) console.log("x".repeat(10_000))`,
  "catches every error": `console.log("${IN}"); process.on("SIGTERM", () => {}); for (;;) try { await Bun.sleep(1) } catch {}`,
  "streams as a module": `export default async function* () { yield "${IN}"; for (;;) { await Bun.sleep(1); yield "x" } }`,
  "ignores request.signal": `export default (r) => { r.signal.onabort = () => { for (;;); }; return new Response(new ReadableStream({ start(c) { c.enqueue("${IN}") } })) }`,
};

/** Tries until the time is within `HANG_UP_MS`, thrice at the most: a busy machine adds time of its own to a try. */
async function fastest(attempt: () => Promise<[elapsedMs: number, id: string]>): Promise<string> {
  const times: number[] = [];
  for (;;) {
    const [elapsedMs, id] = await attempt();
    times.push(elapsedMs);
    if (elapsedMs < HANG_UP_MS) return id;
    if (times.length === 3)
      throw new Error(`Processes ran for ${times.map(Math.round).join(", ")} ms after their caller had gone`);
  }
}

for (const [what, code] of Object.entries(ENDLESS)) {
  test(`whoever hangs up kills a program that ${what}`, async () => {
    const id = await fastest(async () => {
      const { client, pids, id } = await started(code);
      client.socket.destroy();
      return [await goneAfter(pids, 2000), id];
    });
    expect((await recordOf(server, id)).error?.code).toBe("client_gone");
  });
}

test("whoever closes only their own direction is still there", async () => {
  using client = await RawClient.connect(server.port);
  const code = "console.log('first'); setTimeout(() => console.log('second'), 50)";
  client.request(
    ["POST /run HTTP/1.1", "host: localhost", `content-length: ${code.length}`, "connection: close"],
    code,
  );
  client.halfClose();
  const received = await client.untilClosed();
  // Either is a choice that a server may make; what counts is that nothing of it runs on.
  expect(received === "" || received.includes("second")).toBe(true);
  await goneAfter(instances(), 5000);
});

test("whoever hangs up before the answer begins kills the program as well", async () => {
  const code = "await new Promise((resolve) => setTimeout(resolve, 60_000))";
  await fastest(async () => {
    await goneAfter(instances(), 5000);
    const client = await RawClient.connect(server.port);
    client.request(["POST /run HTTP/1.1", "host: localhost", `content-length: ${code.length}`], code);
    await until(() => instances().length > 0, "the program's processes");
    const pids = instances();
    client.socket.destroy();
    return [await goneAfter(pids, 2000), ""];
  });
});

test("whoever hangs up at any point of a request leaves nothing behind", async () => {
  const code = `console.log("${IN}"); setTimeout(() => {}, 60_000)`;
  const whole = `POST /run HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${code.length}\r\n\r\n${code}`;
  for (let length = 0; length <= whole.length; length += 13) {
    const client = await RawClient.connect(server.port);
    client.send(whole.slice(0, length));
    client.socket.destroy();
  }
  await until(
    () => (server.server.status() as { pool: { invocations: number } }).pool.invocations === 0,
    "the end of all invocations",
  );
  await goneAfter(instances(), 5000);
  expect(await (await server.run("console.log('well')")).text()).toBe("well\n");
});

test("a fetch that is aborted kills the program", async () => {
  const id = await fastest(async () => {
    await goneAfter(instances(), 5000);
    const abort = new AbortController();
    const response = await server.run(`console.log("${IN}"); for (;;) await Bun.sleep(1)`, { signal: abort.signal });
    const pids = instances();
    abort.abort();
    return [await goneAfter(pids, 2000), response.headers.get("isopod-request-id") as string];
  });
  expect((await recordOf(server, id)).error?.code).toBe("client_gone");
});

test("nothing runs past its wall limit with the socket held open, and the answer is cut off", async () => {
  for (const code of [ENDLESS["waits for a timer"], ENDLESS["streams as a module"], ENDLESS["floods microtasks"]]) {
    const startedAt = performance.now();
    const { client, pids, id } = await started(...envelopeOf(code as string, { wall_ms: 300 }));
    await goneAfter(pids, 5000);
    expect(performance.now() - startedAt).toBeLessThan(300 + LIMIT_MS + 250);
    const received = await client.untilClosed();
    expect([received.includes("200 OK"), received.includes("\r\n0\r\n\r\n")]).toEqual([true, false]);
    expect((await recordOf(server, id)).error).toMatchObject({
      code: "wall_limit",
      message: expect.stringContaining("wall_ms = 300"),
    });
    client.socket.destroy();
  }
});

test("a program whose caller reads nothing ends at its wall limit", async () => {
  const { client, pids } = await started(
    ...envelopeOf(ENDLESS["writes without end"] as string, { wall_ms: 400, response_mb: 1000 }),
  );
  client.socket.pause();
  await goneAfter(pids, 400 + LIMIT_MS + 500);
  client.socket.destroy();
});

/** Programs that fail once their answer has begun: why, and how. */
const FAILURES: readonly [code: string, expected: string, program: string, limits: object][] = [
  ["uncaught_exception", "late", `console.log("${IN}"); await Bun.sleep(20); throw new Error("late")`, {}],
  [
    "uncaught_exception",
    "late",
    `export default async function* () { yield "${IN}"; await Bun.sleep(20); throw new Error("late") }`,
    {},
  ],
  ["uncaught_exception", "code 3", `console.log("${IN}"); await Bun.sleep(20); process.exit(3)`, {}],
  ["cpu_limit", "cpu_ms = 100", `console.log("${IN}"); for (;;);`, { cpu_ms: 100 }],
  [
    "memory_limit",
    "memory_mb = 40",
    `console.log("${IN}"); const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1))`,
    { memory_mb: 40 },
  ],
  [
    "response_limit",
    "response_mb = 1",
    `console.log("${IN}"); for (;;) console.log("x".repeat(1000))`,
    { response_mb: 1 },
  ],
  [
    "log_limit",
    "log_kb = 1",
    `console.log("${IN}"); await Bun.sleep(20); for (;;) console.error("x".repeat(100))`,
    { log_kb: 1 },
  ],
];

for (const [code, expected, program, limits] of FAILURES) {
  test(`an answer that has begun is cut off before its last chunk: ${code}, ${expected}`, async () => {
    const { client, id } = await begun(...envelopeOf(program, limits));
    const received = await client.untilClosed();
    expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(received.endsWith("0\r\n\r\n")).toBe(false);
    expect((await recordOf(server, id)).error).toMatchObject({ code, message: expect.stringContaining(expected) });
    client.socket.destroy();
  });
}

test("a client library sees that an answer was cut off", async () => {
  const response = await server.run(`console.log("${IN}"); await Bun.sleep(20); throw new Error("late")`);
  expect(response.status).toBe(200);
  await expect(response.text()).rejects.toThrow();
});

test("a whole answer has its last chunk, and its record has no error", async () => {
  using client = await RawClient.connect(server.port);
  const code = `console.log("${IN}"); await Bun.sleep(20); console.log("end")`;
  client.request(["POST /run HTTP/1.1", "host: localhost", `content-length: ${code.length}`], code);
  await client.until(() => client.received.endsWith("0\r\n\r\n"), "the last chunk");
  const id = /isopod-request-id: (\w+)/i.exec(client.received)?.[1] ?? "";
  const record = await recordOf(server, id);
  expect([record.status, record.error]).toEqual([200, undefined]);
  expect(record.programHash).toBe(`sha256-${new Bun.CryptoHasher("sha256").update(code).digest("hex")}`);
});

/** Waits for `done`, looking again in every turn. */
async function until(done: () => boolean, what: string): Promise<void> {
  const giveUpAt = performance.now() + 5000;
  while (!done()) {
    if (performance.now() > giveUpAt) throw new Error(`Cannot wait for ${what}: it did not come in time`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
