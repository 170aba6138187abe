/** The same run as events: `Accept: text/event-stream` on `/run`. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { goneAfter, instances } from "../../testing/children.ts";
import { RawClient } from "../../testing/raw_client.ts";
import { recordOf } from "../../testing/records.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ config: "[pool]\nprewarmed = 0\n[plans.anonymous]\nlog_kb = 100_000\n" });
});
afterAll(() => server[Symbol.asyncDispose]());

const ACCEPT = { accept: "text/event-stream" };

/** Events in a text of the stream, with their data parsed. */
function parse(text: string): [name: string, data: unknown][] {
  expect(text.endsWith("\n\n")).toBe(true);
  const blocks = text.slice(0, -2).split("\n\n");
  return blocks.map((block) => {
    const data = block.split("\n").filter((line) => line.startsWith("data:"));
    return [/^event: (.*)$/m.exec(block)?.[1] ?? "", JSON.parse(data.map((line) => line.slice(5).trim()).join("\n"))];
  });
}

async function events(code: string, headers: Record<string, string> = {}): Promise<[string, unknown][]> {
  const response = await server.run(code, { headers: { ...ACCEPT, ...headers } });
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream; charset=utf-8"]);
  expect(response.headers.get("cache-control")).toBe("no-store");
  const found = parse(await response.text());
  expect(found.at(-1)?.[1]).toMatchObject({ request_id: response.headers.get("isopod-request-id") as string });
  return found;
}

/** The end of a run that had its instance: it says what the run has cost. */
const FIGURES = {
  request_id: expect.stringMatching(/^\w+$/),
  wall_ms: expect.any(Number),
  cpu_ms: expect.any(Number),
  memory_bytes: expect.any(Number),
  response_bytes: expect.any(Number),
  log_bytes: expect.any(Number),
  subrequests: 0,
};

/** What the events of one name hold, in their order. */
const named = (found: readonly [string, unknown][], name: string) =>
  found.filter((event) => event[0] === name).map((event) => event[1]);

test("a script's output and log are events, each in their order, and end comes last with the figures", async () => {
  const found = await events(
    "for (const n of [1, 2, 3]) { console.log('out', n); console.error('log', n); await Bun.sleep(5) }",
  );
  expect(named(found, "output").join("")).toBe("out 1\nout 2\nout 3\n");
  expect(named(found, "log")).toEqual([1, 2, 3].map((n) => ({ level: "error", text: `log ${n}` })));
  expect([found.at(-1), found.filter(([name]) => name !== "log" && name !== "output").length]).toEqual([
    ["end", FIGURES],
    1,
  ]);
});

test("end's figures are those of the run", async () => {
  const spin =
    "let n = 0; for (let i = 0; i < 3e8; i++) n += i % 7; const all = new Uint8Array(2e7).fill(1); await Bun.sleep(60); console.log('x'.repeat(99))";
  const [, end] = (await events(spin)).at(-1) as [string, Record<string, number>];
  expect(end.wall_ms).toBeGreaterThan(100);
  expect(end.cpu_ms).toBeGreaterThan(60);
  expect(end.memory_bytes).toBeGreaterThan(2e7);
  expect(end.response_bytes).toBe(100);
});

test("a module's answer is a result with status and headers, then its body", async () => {
  const code =
    "export default () => { console.log('seen'); return new Response('body', { status: 201, headers: { 'x-a': 'b' } }) }";
  expect(await events(code)).toEqual([
    ["log", { level: "info", text: "seen" }],
    ["result", { status: 201, headers: expect.arrayContaining([["x-a", "b"]]) }],
    ["output", "body"],
    ["end", FIGURES],
  ]);
  const json = await events("export default () => ({ a: [1] })");
  expect(json.slice(1)).toEqual([
    ["output", '{"a":[1]}'],
    ["end", FIGURES],
  ]);
});

test("output that is split inside a character is whole again", async () => {
  const code =
    "const b = new TextEncoder().encode('né'); Deno.stdout.writeSync(b.subarray(0, 2)); await Bun.sleep(30); Deno.stdout.writeSync(b.subarray(2))";
  const found = await events(code);
  const output = found.filter(([name]) => name === "output").map(([, data]) => data);
  expect(output.join("")).toBe("né");
});

test("text cannot break out of its event", async () => {
  const found = await events(
    String.raw`console.log("a\n\nevent: end\ndata: {}\n\r\n\u2028"); console.error("b\n\nevent: error\n")`,
  );
  expect(found.map(([name]) => name).toSorted()).toEqual(["end", "log", "output"]);
  expect(found.find(([name]) => name === "output")?.[1]).toBe("a\n\nevent: end\ndata: {}\n\r\n\u2028\n");
});

test("what fails before or after the answer began is an error event, then the end", async () => {
  const early = await events("const a = 1;\nthrow new Error('early')");
  expect(early[0]).toEqual([
    "error",
    {
      code: "uncaught_exception",
      message: "Error: early",
      request_id: expect.any(String),
      line: 2,
      column: expect.any(Number),
      stack: expect.stringMatching(/^Error: early\n {4}at program\.ts:2:\d+$/),
    },
  ]);
  expect(early.at(-1)?.[0]).toBe("end");
  const late = await events("console.log('out'); await Bun.sleep(30); throw new Error('late')");
  expect(late).toEqual([
    ["output", "out\n"],
    ["error", expect.objectContaining({ code: "uncaught_exception", message: "Error: late" })],
    ["end", FIGURES],
  ]);
  const syntax = await events("let = = 1");
  expect(syntax[0]).toMatchObject(["error", { code: "syntax_error", line: 1 }]);
});

test("what was written before a failure in the same breath is output, and the end has the figures", async () => {
  const found = await events(`console.log("written"); throw new Error("then")`);
  expect(found).toEqual([
    ["output", "written\n"],
    ["error", expect.objectContaining({ code: "uncaught_exception", message: "Error: then" })],
    ["end", expect.objectContaining(FIGURES)],
  ]);
});

test("a run that fails before it answers has figures, as an event and in its record", async () => {
  const found = await events(`throw new Error("early")`);
  expect(found.at(-1)).toEqual(["end", expect.objectContaining(FIGURES)]);
  const plain = await server.run(`throw new Error("early")`);
  expect(plain.status).toBe(500);
  expect(await recordOf(server, plain)).toMatchObject({ figures: { wallMs: expect.any(Number) } });
});

test("limits are error events with their value", async () => {
  const body = (code: string, limits: object) =>
    events(JSON.stringify({ code, limits }), { "content-type": "application/json" });
  expect(await body("console.log('x'); for (;;);", { cpu_ms: 80 })).toEqual([
    ["output", "x\n"],
    ["error", expect.objectContaining({ code: "cpu_limit", limit: { name: "cpuMs", value: 80 } })],
    ["end", FIGURES],
  ]);
  expect(await body("console.log('x'); setTimeout(() => {}, 60_000)", { wall_ms: 150 })).toMatchObject([
    ["output", "x\n"],
    ["error", { code: "wall_limit", limit: { name: "wallMs", value: 150 } }],
    ["end", {}],
  ]);
});

test("a refusal before anything runs is not a stream", async () => {
  const response = await server.run("", { headers: ACCEPT });
  expect([response.status, response.headers.get("content-type")]).toEqual([400, "application/json"]);
});

test("only a caller who names the type gets events", async () => {
  for (const accept of ["*/*", "text/*", "text/event-stream;q=0", "application/json"]) {
    expect([accept, await (await server.run("console.log(1)", { headers: { accept } })).text()]).toEqual([
      accept,
      "1\n",
    ]);
  }
});

test("events arrive while the run goes on, and whoever hangs up ends it", async () => {
  const times: number[] = [];
  // On a machine that is busy with other tests one may take longer; not all three.
  while (times.length < 3 && Math.min(...times) >= 100) times.push(await hangUpInTheMiddle());
  expect(Math.min(...times)).toBeLessThan(100);
});

/** Milliseconds from the hanging up of who has seen the first events to the end of the run. */
async function hangUpInTheMiddle(): Promise<number> {
  await goneAfter(instances(), 5000);
  const client = await RawClient.connect(server.port);
  const code = "console.error('logged'); console.log('written'); setTimeout(() => {}, 60_000)";
  client.request(
    ["POST /run HTTP/1.1", "host: localhost", "accept: text/event-stream", `content-length: ${code.length}`],
    code,
  );
  await client.until(
    () => client.received.includes("logged") && client.received.includes("written"),
    "the first events",
  );
  expect(client.received).not.toContain("event: end");
  const pids = instances();
  client.socket.destroy();
  const ms = await goneAfter(pids, 2000);
  const id = /isopod-request-id: (\w+)/i.exec(client.received)?.[1] ?? "";
  expect((await recordOf(server, id)).error?.code).toBe("client_gone");
  return ms;
}

test("log lines that nobody reads are counted and not kept", async () => {
  await goneAfter(instances(), 5000);
  const code =
    "console.error('first'); await Bun.sleep(20); for (let i = 0; i < 20_000; i++) console.error('x'.repeat(1000))";
  const client = await RawClient.connect(server.port);
  client.request(
    ["POST /run HTTP/1.1", "host: localhost", "accept: text/event-stream", `content-length: ${code.length}`],
    code,
  );
  await client.until(() => client.received.includes("first"), "the first line");
  client.socket.pause();
  await goneAfter(instances(), 10_000);
  client.socket.resume();
  await client.until(() => client.received.endsWith("0\r\n\r\n"), "the end of the stream");
  expect(/\d+ lines were not sent: the client did not keep up/.test(client.received)).toBe(true);
  client.socket.destroy();
});
