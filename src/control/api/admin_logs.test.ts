/** `GET /v1/logs` of a real server: what programs did, as pages and as events. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import type { LogItem } from "../../core/log_store.ts";
import { FakeClock, settle } from "../../testing/fake_clock.ts";
import { askLogs, itemsOf, logsOf } from "../../testing/log_client.ts";
import { countDense, LogRig, textsOf } from "../../testing/log_rig.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";
import { settled } from "../../testing/websocket_client.ts";
import { logRoutes } from "./admin_logs.ts";

const FUNCTION = `
console.log("outside of every invocation");
export default (request) => {
  const path = new URL(request.url).pathname;
  console.debug("debug line"); console.info("info line"); console.warn("warn line"); console.error("error line");
  if (path.endsWith("/throw")) throw new Error("broken in here");
  if (path.endsWith("/loop")) for (;;);
  if (path.endsWith("/nasty")) {
    console.log("two\\nlines \\u0000\\u001b[2J \\ud800");
    console.log("x".repeat(1024 * 1024));
  }
  return new Response("fine");
};`;

let server: TestServer;

beforeAll(async () => {
  const config = ["f", "g"].map(
    (name) => `[[functions]]\nname = "${name}"\npath = "./f.ts"\nroutes = ["GET /${name}/*"]\n
[functions.limits]\ncpu_ms = 300\nlog_kb = 8192\n`,
  );
  server = await startTestServer({ config: config.join(""), files: { "f.ts": FUNCTION } });
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const call = (path: string) => fetch(`${server.url}${path}`);

/** Follows with `parameters`; the events and a way to hang up. */
async function follow(parameters: string, headers: Record<string, string> = {}) {
  const gone = new AbortController();
  const response = await server.admin(`/v1/logs?${parameters}`, { headers, signal: gone.signal });
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  return { items: itemsOf(response), hangUp: () => gone.abort(), cancel: () => response.body?.cancel() };
}

test("lines, errors, limits and ends of invocations are found by request", async () => {
  const good = await logsOf(server, await call("/f/x"));
  expect(good.slice(0, 4).map((item) => item.kind === "line" && [item.level, item.text])).toEqual([
    ["debug", "debug line"],
    ["info", "info line"],
    ["warn", "warn line"],
    ["error", "error line"],
  ]);
  expect(good[4]).toMatchObject({
    ...{ kind: "invocation", function: "f", status: 200, method: "GET", path: "/f/x", response_bytes: 4 },
    ...{ egress_calls: 0, wall_ms: expect.any(Number), cpu_ms: expect.any(Number), cold: expect.any(Boolean) },
  });
  const thrown = await logsOf(server, await call("/f/throw"));
  expect(thrown.find(({ kind }) => kind === "error")).toMatchObject({
    ...{ code: "uncaught_exception", level: "error", text: expect.stringContaining("broken in here") },
  });
  const looped = await logsOf(server, await call("/f/loop"));
  const limit = { name: "cpuMs", value: 300 };
  expect(looped.find(({ kind }) => kind === "limit")).toMatchObject({ code: "cpu_limit", limit });
  expect(looped.at(-1)).toMatchObject({ kind: "invocation", status: 500, code: "cpu_limit", limit });
  const program = await logsOf(server, await server.run('console.error("of a program")'));
  expect(program[0]).toMatchObject({ text: "of a program", program: expect.stringMatching(/^sha256-/) });
  const outside = await askLogs(server, { text: "outside of every", function: "f", limit: "1" });
  expect(outside.items).toMatchObject([{ function: "f", version: expect.stringMatching(/^sha256-/) }]);
});

test("what a program writes stays one bounded record", async () => {
  const items = await logsOf(server, await call("/f/nasty"));
  const [first, second] = items.slice(4);
  expect(first).toMatchObject({ kind: "line", text: "two\nlines \u0000\u001b[2J \ufffd" });
  expect(second).toMatchObject({
    kind: "line",
    text: `${"x".repeat(40_000)} … ${1024 * 1024 - 40_000} more characters`,
  });
});

test("a page names the next one; parameters are checked by name", async () => {
  await logsOf(server, await call("/g/page"));
  const whole = await askLogs(server, { function: "g", limit: "1000" });
  const paged: LogItem[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page = await askLogs(server, { function: "g", limit: "3", ...(cursor && { cursor }) });
    paged.push(...page.items);
    cursor = page.next;
  }
  expect(paged).toEqual([...whole.items]);
  expect(whole.items.length).toBeGreaterThanOrEqual(5);
  const refusals = {
    "limit=0": '"limit"',
    "limit=1001": '"limit"',
    "levle=warn": '"levle": it is not known; known are project',
    "level=loud": '"level"',
    "from=yesterday": '"from": expected milliseconds since 1970',
    "cursor=-1": '"cursor": expected the id',
    "function=": '"function"',
    "text=a&text=b": '"text": expected once',
    "order=random": '"order"',
  };
  for (const [parameters, message] of Object.entries(refusals)) {
    const answer = await server.admin(`/v1/logs?${parameters}`);
    const body = (await answer.json()) as { error: { code: string; message: string } };
    expect([parameters, answer.status, body.error.code]).toEqual([parameters, 400, "bad_request"]);
    expect(body.error.message).toContain(message);
  }
  const later = await askLogs(server, { from: new Date(Date.now() + 3_600_000).toISOString() });
  expect(later).toMatchObject({ items: [], next: null, missing: 0 });
});

test("two followers see what comes, each what it asked for; one that comes back misses nothing", async () => {
  const all = await follow("follow=true");
  const some = await follow("function=g&level=error", { accept: "text/event-stream" });
  const response = await call("/g/follow");
  const id = response.headers.get("isopod-request-id");
  const seen: LogItem[] = [];
  for await (const item of all.items) {
    seen.push(item);
    if (item.kind === "invocation" && item.request_id === id) break;
  }
  countDense(seen, (seen[0]?.id ?? 1) - 1);
  expect((await some.items.next()).value).toMatchObject({ text: "error line", request_id: id });
  all.hangUp();
  some.hangUp();
  await logsOf(server, await call("/g/again"));
  const last = seen.at(-1)?.id ?? 0;
  const back = await follow("follow=true", { "last-event-id": String(last) });
  const more: LogItem[] = [];
  for await (const item of back.items) {
    more.push(item);
    if (item.kind === "invocation") break;
  }
  expect(countDense(more, last)).toBeGreaterThanOrEqual(5);
  back.hangUp();
});

test("a follower that hangs up leaves nothing behind", async () => {
  const sockets = () => readdirSync("/proc/self/fd").length;
  const before = sockets();
  for (let round = 0; round < 200; round++) {
    const follower = await follow("follow=true");
    if (round % 2 === 0) follower.hangUp();
    else await follower.cancel();
  }
  // More than the 64 that may follow at a time have come and gone.
  await settled("the end of the connections", async () => (sockets() <= before + 4 ? true : undefined));
  const { items, hangUp } = await follow("follow=true");
  await call("/f/x");
  expect((await items.next()).value).toMatchObject({ function: "f" });
  hangUp();
}, 30_000);

test("a quiet stream beats, and its timer goes with it", async () => {
  await using rig = new LogRig();
  const clock = new FakeClock();
  const silences: number[] = [];
  const routes = logRoutes({ store: rig.store, clock });
  const gone = new AbortController();
  const request = new Request("http://localhost/?follow=true", { signal: gone.signal });
  const response = await routes.fetch(request, { allowSilence: (ms: number) => silences.push(ms) });
  const reader = response.body?.getReader();
  const next = async () => new TextDecoder().decode((await reader?.read())?.value);
  expect(await next()).toBe(": \n\n");
  await clock.advance(10_000);
  expect(await next()).toBe(": \n\n");
  expect(silences[0]).toBeGreaterThan(10_000);
  rig.lines("f", "one");
  await rig.clock.advance(100);
  expect(await next()).toStartWith("id: 1\nevent: record\ndata: {");
  gone.abort();
  await settle();
  expect(clock.pending).toBe(0);
  expect(textsOf((await rig.query()).items)).toEqual(["one"]);
});
