/** What functions make of schedules and messages, through a real server: what they say counts, and what they are holds. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { ask, deploy, functionPath } from "../testing/control_client.ts";
import { startTestServer, type TestServer } from "../testing/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ config: '[plans.anonymous]\nrun = "any"\nconcurrency = 1000\n' });
});
afterAll(async () => await server?.[Symbol.asyncDispose]());

const runNow = (name: string, schedule = "default") =>
  ask(server, "POST", `/v1/projects/default/schedules/${name}/${schedule}/run`, {});
const DAILY = { schedules: [{ cron: "@yearly" }] };

/** Asks until the answer is as expected. */
async function until<T>(get: () => Promise<T>, isDone: (found: T) => boolean): Promise<T> {
  for (;;) {
    const found = await get();
    if (isDone(found)) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("a function without a handler for schedules answers a request, which nobody else can send", async () => {
  const code = `
    let last;
    export default { async fetch(request) {
      const { method, url, headers } = request;
      if (method === "GET") return Response.json([headers.get("isopod-trigger"), last]);
      last = [method, url, headers.get("isopod-trigger"), Object.keys(await request.json()).sort()];
      return new Response();
    } };`;
  await deploy(server, "plain", code, { settings: { ...DAILY, instancesMax: 1 }, routes: [{ route: "GET /plain" }] });
  expect((await runNow("plain")).status).toBe(200);
  const answer = await fetch(`${server.url}/plain`, { headers: { "isopod-trigger": "schedule" } });
  expect(await answer.json()).toEqual([
    null,
    ["POST", "http://localhost/", "schedule", ["cron", "name", "scheduledTime"]],
  ]);
});

test("a run that fails says so, and is held to the function's limits", async () => {
  const codes = {
    status: "export default { fetch: () => new Response('', { status: 503 }) };",
    throws: "export default { scheduled() { throw new Error('no'); } };",
    forever: "export default { scheduled: () => new Promise(() => setInterval(() => {}, 10)) };",
    events: "export default { queue() {} };",
  };
  const answers = await Promise.all(
    Object.entries(codes).map(async ([name, code]) => {
      await deploy(server, name, code, { settings: { ...DAILY, limits: { wallMs: 500 } } });
      return (await runNow(name)).body.error;
    }),
  );
  expect(answers.map(({ code }) => code)).toEqual([
    ...["uncaught_exception", "uncaught_exception", "wall_limit", "not_found"],
  ]);
  expect(answers[0]?.message).toContain("503");
  expect((await runNow("nothing")).status).toBe(404);
});

test("what is said first of a message or a batch counts, and what is said of a message before what is said of all", async () => {
  const code = `
    const seen = {};
    export default {
      fetch: () => Response.json(seen),
      queue(batch) {
        const [message] = batch.messages;
        seen[message.body] = message.attempts;
        if (message.attempts > 1) return;
        for (const said of message.body.split(" ")) {
          if (said === "throw") throw new Error("no");
          if (said.endsWith("All")) batch[said]({ delaySeconds: 0 });
          else if (said !== "") message[said]({ delaySeconds: 0 });
        }
      },
    };`;
  const consumers = [{ queue: "said", batchSize: 1, batchWaitMs: 0, retryDelayMs: 0 }];
  await deploy(server, "said", code, { settings: { consumers, instancesMax: 1 }, routes: [{ route: "GET /said" }] });
  const attempts: Record<string, number> = {
    ...{ "": 1, "ack retry": 1, "retry ack": 2, "ackAll retry": 1, "retryAll ack": 1, "ackAll retryAll": 1 },
    ...{ "retryAll ackAll": 2, "ackAll throw": 1, "ack throw": 1, throw: 2, "retry throw": 2, "retryAll throw": 2 },
  };
  const messages = Object.keys(attempts).map((body) => ({ type: "text", body }));
  await ask(server, "POST", "/v1/projects/default/queues/said/messages", { messages });
  const depth = async () => (await ask(server, "GET", "/v1/projects/default/queues")).body.items;
  await until(depth, (items) => items.some(({ name, messages: left }) => name === "said" && left === 0));
  const seen = (await (await fetch(`${server.url}/said`)).json()) as Record<string, number>;
  expect(seen).toEqual(attempts);
});

test("what a consumer could not read is not taken", async () => {
  const send = (message: object) =>
    ask(server, "POST", "/v1/projects/default/queues/bad/messages", { messages: [message] });
  const wrong = [
    { type: "json", body: "{" },
    { type: "json", body: "[".repeat(130_000) },
    { type: "bytes", body: "?" },
    { type: "text", body: "x", delayMs: 43_200_001 },
  ];
  for (const message of wrong) {
    const { status, body } = await send(message);
    expect([status, body.error.code]).toEqual([400, "bad_request"]);
  }
  expect((await send({ type: "text", body: "x".repeat(131_073) })).body.error.code).toBe("value_too_large");
  expect((await send({ type: "bytes", body: new Uint8Array(131_072).toBase64() })).status).toBe(200);
  expect((await ask(server, "POST", "/v1/projects/default/queues/bad/redrive", { to: "bad" })).status).toBe(400);
  expect((await ask(server, "POST", "/v1/projects/default/queues/bad/redrive", { to: "bda" })).status).toBe(404);
  expect((await ask(server, "POST", "/v1/projects/default/queues/bad/purge", {})).body).toMatchObject({ messages: 1 });
});

test("a rollback brings back the schedules and the consumers of before", async () => {
  const code = (text: string) => `export default { scheduled() {}, queue() {}, fetch: () => new Response("${text}") };`;
  const named = async () => {
    const { items } = (await ask(server, "GET", "/v1/projects/default/schedules")).body;
    return items.filter((each) => each["function"] === "turns").map(({ name, enabled }) => [name, enabled]);
  };
  const settings = { schedules: [{ cron: "@daily", name: "old" }], consumers: [{ queue: "turns" }] };
  await deploy(server, "turns", code("one"), { settings });
  expect(await named()).toEqual([["old", true]]);
  await deploy(server, "turns", code("two"), {
    settings: { schedules: [{ cron: "@daily", name: "new", enabled: false }] },
  });
  await until(named, (found) => found.length === 1 && found[0]?.[0] === "new");
  expect(await named()).toEqual([["new", false]]);
  await ask(server, "POST", functionPath("turns", "/rollback"));
  await until(named, (found) => found[0]?.[0] === "old");
  const { items } = (await ask(server, "GET", "/v1/projects/default/queues")).body;
  expect(items).toContainEqual(expect.objectContaining({ name: "turns", consumer: "turns", messages: 0, inFlight: 0 }));
});

test("runs are on record with who called, and the metrics count them", async () => {
  const code = "export default { scheduled() { console.log('on time'); }, queue() {} };";
  await deploy(server, "told", code, { settings: { ...DAILY, consumers: [{ queue: "told", batchWaitMs: 0 }] } });
  const { requestId } = (await runNow("told")).body as unknown as { requestId: string };
  const record = await (await server.admin(`/v1/invocations/${requestId}`)).text();
  for (const part of ["schedule:default", "on time"]) expect(record).toContain(part);
  await ask(server, "POST", "/v1/projects/default/queues/told/messages", { messages: [{ body: "1" }] });
  const metrics = async () => (await server.admin("/metrics")).text();
  const done = 'isopod_queue_messages_total{queue="default/told",outcome="done"} 1';
  const text = await until(metrics, (found) => found.includes(done));
  expect(text).toContain('isopod_queue_messages_total{queue="default/told",outcome="sent"} 1');
});
