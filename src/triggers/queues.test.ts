/** Schedules and queues through a real server: what is sent is delivered, again when it must be, and to nobody else. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ask, deploy, functionPath } from "../testing/control_client.ts";
import { startTestServer, type TestServer } from "../testing/server.ts";

/** Sends what the query says, consumes it, and tells what it has seen. */
const CODE = `
  const seen = [];
  export default {
    async fetch(request, env) {
      const query = new URL(request.url).searchParams;
      if (query.has("seen")) return Response.json(seen);
      if (query.has("kinds")) {
        await env.JOBS.sendBatch([{ body: { a: [1] } }, { body: "text", contentType: "text" }, { body: new Uint8Array([1, 2]), contentType: "bytes" }]);
        return new Response("sent");
      }
      const told = (promise) => promise.then(() => "sent", (error) => error.code ?? error.name);
      if (query.has("large")) return new Response(await told(env.JOBS.send("x".repeat(200_000))));
      if (query.has("many")) return new Response(await told(env.JOBS.sendBatch(Array.from({ length: 101 }, () => ({ body: 1 })))));
      if (query.has("function")) return new Response(await told(env.JOBS.send(() => 1)));
      const options = query.has("delay") ? { delaySeconds: Number(query.get("delay")) } : {};
      return new Response(await told(env.JOBS.send({ id: query.get("id"), how: query.get("how") ?? "ack" }, options)));
    },
    async queue(batch, env) {
      for (const message of batch.messages) {
        const { body, attempts, id, timestamp } = message;
        const kind = body instanceof Uint8Array ? [...body] : body;
        seen.push({ queue: batch.queue, body: kind, attempts, isDate: timestamp instanceof Date, at: Date.now(), hasId: typeof id === "string" });
        if (body.how === "retry" && attempts === 1) message.retry({ delaySeconds: 0 });
        if (body.how === "ack, throw") message.ack();
        if (body.how === "crash" && attempts === 1) process.exit(1);
      }
      if (batch.messages.some(({ body }) => /throw/.test(body.how ?? ""))) throw new Error("no");
    },
    async scheduled(controller, env) { await env.JOBS.send({ id: "scheduled", cron: controller.cron, time: controller.scheduledTime }); },
  };`;

const CONFIG = `
[plans.anonymous]
run = "any"
concurrency = 1000
[[functions]]
name = "f"
path = "./f.js"
routes = ["GET /f"]
instances = 1
  [functions.bindings]
  JOBS = { type = "queue", name = "jobs" }
[[schedules]]
function = "f"
cron = "0 0 1 1 *"
[[consumers]]
queue = "jobs"
function = "f"
batch_wait_ms = 0
retries = 2
retry_delay_ms = 1
dead_letter = "dead"
`;

interface Seen {
  readonly queue: string;
  readonly body: { readonly id?: string };
  readonly attempts: number;
}

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ config: CONFIG, files: { "f.js": CODE } });
});
afterAll(async () => await server?.[Symbol.asyncDispose]());

const text = async (query: string) => (await fetch(`${server.url}/f?${query}`)).text();
const seen = async (): Promise<Seen[]> => {
  const answer = await fetch(`${server.url}/f?seen`);
  // The instance may be dying of a message just now.
  return answer.status === 200 ? ((await answer.json()) as Seen[]) : [];
};

/** What was seen of a message, once \`count\` deliveries were. */
async function deliveries(id: string, count: number): Promise<Seen[]> {
  for (;;) {
    const own = (await seen()).filter(({ body }) => body.id === id);
    if (own.length >= count) return own;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const queues = async () =>
  (await ask(server, "GET", "/v1/projects/default/queues")).body.items as unknown as {
    name: string;
    messages: number;
  }[];

/** Waits until a queue holds so many. */
async function holds(name: string, count: number): Promise<void> {
  for (;;) {
    const found = (await queues()).find((queue) => queue.name === name);
    if ((found?.messages ?? 0) === count) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("messages", () => {
  test("are delivered as they were sent, and gone then", async () => {
    expect(await text("id=one")).toBe("sent");
    expect(await deliveries("one", 1)).toMatchObject([{ queue: "jobs", attempts: 1, isDate: true, hasId: true }]);
    await text("kinds");
    await holds("jobs", 0);
    expect((await seen()).slice(-3).map(({ body }) => body)).toEqual([{ a: [1] }, "text", [1, 2]] as never);
  });

  test("are tried again when the function says so", async () => {
    await text("id=retry&how=retry");
    expect((await deliveries("retry", 2)).map(({ attempts }) => attempts)).toEqual([1, 2]);
    await holds("jobs", 0);
  });

  test("that fail for the last time go to the dead letters, from where they are sent anew", async () => {
    await text("id=throws&how=throw");
    await holds("dead", 1);
    expect((await deliveries("throws", 3)).map(({ attempts }) => attempts)).toEqual([1, 2, 3]);
    const { items } = (await ask(server, "GET", "/v1/projects/default/queues/dead/messages")).body;
    expect(items).toMatchObject([{ type: "json", body: JSON.stringify({ id: "throws", how: "throw" }), attempts: 0 }]);
    expect((await ask(server, "POST", "/v1/projects/default/queues/dead/redrive", { to: "jobs" })).body).toMatchObject({
      messages: 1,
    });
    await deliveries("throws", 6);
    await holds("dead", 1);
    expect((await ask(server, "POST", "/v1/projects/default/queues/dead/purge", {})).body).toMatchObject({
      messages: 1,
    });
  });

  test("that were acknowledged before a throw are done", async () => {
    await text("id=acked&how=ack,%20throw");
    await holds("jobs", 0);
    expect(await deliveries("acked", 1)).toHaveLength(1);
    expect((await queues()).find(({ name }) => name === "dead")?.messages ?? 0).toBe(0);
  });

  test("wait for their delay", async () => {
    const since = Date.now();
    await text("id=later&delay=1");
    const [later] = (await deliveries("later", 1)) as unknown as { at: number }[];
    expect((later?.at ?? 0) - since).toBeGreaterThanOrEqual(1000);
  });

  test("that are too large, too many or no data are refused", async () => {
    expect([await text("large"), await text("many"), await text("function")]).toEqual([
      "value_too_large",
      "bad_request",
      "TypeError",
    ]);
  });

  test("are delivered again when the instance dies with them", async () => {
    await text("id=crash&how=crash");
    // What the instance had seen before has died with it.
    expect(await deliveries("crash", 1)).toMatchObject([{ attempts: 2 }]);
    await holds("jobs", 0);
  });

  test("500 at once are all delivered", async () => {
    await Promise.all(Array.from({ length: 500 }, (_, n) => text(`id=n${n}`)));
    await holds("jobs", 0);
    const ids = new Set((await seen()).map(({ body }) => body.id).filter((id) => /^n\d/.test(id ?? "")));
    expect(ids.size).toBe(500);
  });
});

test("a schedule that is run by hand calls the function", async () => {
  const { items } = (await ask(server, "GET", "/v1/projects/default/schedules")).body;
  expect(items).toMatchObject([{ function: "f", name: "default", cron: "0 0 1 1 *", runs: 0 }]);
  const { status, body } = await ask(server, "POST", "/v1/projects/default/schedules/f/default/run", {});
  expect(status).toBe(200);
  expect(await deliveries("scheduled", 1)).toMatchObject([{ body: { cron: "0 0 1 1 *" } }]);
  const { requestId } = body as unknown as { requestId: string };
  expect((await server.admin(`/v1/invocations/${requestId}`)).status).toBe(200);
});

test("projects have their own queues, and lose them with themselves", async () => {
  await ask(server, "POST", "/v1/projects", { name: "other", quotas: { queueBytesMax: 2500 } });
  const settings = { bindings: { JOBS: { type: "queue", name: "jobs" } } };
  const sender =
    "export default async (r, env) => env.JOBS.send({ id: 'foreign', pad: 'x'.repeat(400) }).then(() => 'sent', (e) => e.code)";
  await deploy(server, "s", sender, { project: "other", settings, routes: [{ route: "GET /s" }] });
  const send = async () => (await fetch(`${server.url}/s`)).json();
  expect([await send(), await send()]).toEqual(["sent", "quota_exceeded"]);
  const foreign = (await ask(server, "GET", "/v1/projects/other/queues")).body.items;
  expect(foreign).toMatchObject([{ name: "jobs", messages: 1 }]);
  expect((await seen()).some(({ body }) => body.id === "foreign")).toBe(false);
  await ask(server, "DELETE", functionPath("s", "", "other"));
  expect((await ask(server, "DELETE", "/v1/projects/other")).status).toBeLessThan(300);
  await ask(server, "POST", "/v1/projects", { name: "other" });
  expect((await ask(server, "GET", "/v1/projects/other/queues")).body.items).toEqual([]);
});

test("deploys carry schedules and consumers, and are refused where they are wrong", async () => {
  const code = "export default { fetch: () => new Response(''), queue(batch, env) {}, scheduled() {} };";
  const wrong = [
    { schedules: [{ cron: "soon" }] },
    { schedules: [{ cron: "* * * * *", timezone: "Mars" }] },
    { consumers: [{ queue: "q", deadLetter: "q" }] },
  ];
  for (const settings of wrong) expect((await deploy(server, "d", code, { settings })).status).toBe(400);
  const settings = {
    schedules: [{ cron: "*/5 * * * *", name: "often" }],
    consumers: [{ queue: "mine", batchSize: 5, batchWaitMs: 0 }],
  };
  expect((await deploy(server, "d", code, { settings })).status).toBe(200);
  const listed = (await ask(server, "GET", "/v1/projects/default/schedules")).body.items;
  expect(listed).toContainEqual(expect.objectContaining({ function: "d", name: "often" }));
  await ask(server, "POST", "/v1/projects/default/queues/mine/messages", { messages: [{ body: "1" }] });
  await holds("mine", 0);
});
