/** The logs of a real server at its bounds: a kill, a restart, a flood of lines, a follower that does not read. */
import { expect, test } from "bun:test";
import type { LogItem } from "../../core/log_store.ts";
import { askLogs, itemsOf, logsOf } from "../../testing/log_client.ts";
import { countDense, textsOf } from "../../testing/log_rig.ts";
import { RawClient } from "../../testing/raw_client.ts";
import { ServeProcess } from "../../testing/serve_process.ts";
import { startTestServer } from "../../testing/server.ts";
import { settled } from "../../testing/websocket_client.ts";

const FLOOD = `export default (request) => {
  const { searchParams } = new URL(request.url);
  const tail = "x".repeat(Number(searchParams.get("length")));
  for (let index = 0; index < Number(searchParams.get("lines")); index++) console.log("line " + index + tail);
  return new Response("done");
};`;
const CONFIG = `
[[functions]]
name = "flood"
path = "./flood.ts"
routes = ["GET /flood"]
limits = { log_kb = 1048576, wall_ms = 60000, cpu_ms = 60000 }
[[functions]]
name = "quiet"
path = "./flood.ts"
routes = ["GET /quiet"]
`;
const FILES = {
  "isopod.toml": `listen_address = "127.0.0.1:0"\nadmin_address = "127.0.0.1:0"\n[pool]\nprewarmed = 1\n${CONFIG}`,
  "flood.ts": FLOOD,
};

/** Every item that a query gives, page by page, the oldest first. */
async function readAll(
  server: Pick<ServeProcess, "admin">,
  parameters: Readonly<Record<string, string>>,
): Promise<LogItem[]> {
  const items: LogItem[] = [];
  for (let cursor = "0"; ; ) {
    const page = await askLogs(server, { ...parameters, cursor, order: "oldest", limit: "1000" });
    items.push(...page.items);
    if (page.next === null) return items;
    cursor = page.next;
  }
}

test("what was written before the server was killed, or ended, is there afterwards", async () => {
  await using first = await ServeProcess.start(FILES);
  await logsOf(first, await fetch(`${first.url}/flood?lines=3&length=0`));
  first.signal("SIGKILL");
  await first.exited;
  await using second = await ServeProcess.start(FILES, first);
  const before = await readAll(second, { function: "flood" });
  expect(textsOf(before)).toEqual(["line 0", "line 1", "line 2", "GET /flood 200"]);
  await (await fetch(`${second.url}/quiet?lines=1&length=1`)).text();
  second.signal("SIGTERM");
  await second.exited;
  await using third = await ServeProcess.start(FILES, second);
  const after = await readAll(third, {});
  expect(textsOf(after.slice(4))).toEqual(["line 0x", "GET /quiet 200"]);
  expect(countDense(after)).toBe(6);
}, 60_000);

test("two servers on one data directory have one log, which goes on when one of them is killed", async () => {
  await using first = await ServeProcess.start(FILES);
  await using second = await ServeProcess.start(FILES, first);
  const texts = async (server: ServeProcess) => textsOf(await readAll(server, {}));
  const expected: string[] = [];
  const call = async (server: ServeProcess, path: string) => {
    await logsOf(server, await fetch(`${server.url}${path}`));
    expected.push("line 0x", `GET ${path.split("?")[0]} 200`);
  };
  const coming = itemsOf(await first.admin("/v1/logs?follow=true"))[Symbol.asyncIterator]();
  await call(second, "/quiet?lines=1&length=1");
  await call(first, "/flood?lines=1&length=1");
  await call(second, "/quiet?lines=1&length=1");
  expect(await texts(first)).toEqual(expected);
  expect(await texts(second)).toEqual(expected);
  second.signal("SIGKILL");
  await second.exited;
  await call(first, "/flood?lines=1&length=1");
  const items = await readAll(first, {});
  expect([textsOf(items), countDense(items)]).toEqual([expected, 8]);
  const followed: string[] = [];
  while (followed.length < 8) followed.push(...textsOf([(await coming.next()).value as LogItem]));
  expect(followed).toEqual(expected);
}, 60_000);

test("100,000 lines of one request are all there or counted, and another function loses none", async () => {
  await using server = await startTestServer({ config: CONFIG, files: { "flood.ts": FLOOD } });
  const flood = fetch(`${server.url}/flood?lines=100000&length=0`);
  const quiet = await logsOf(server, await fetch(`${server.url}/quiet?lines=3&length=0`));
  expect(textsOf(quiet)).toEqual(["line 0", "line 1", "line 2", "GET /quiet 200"]);
  const response = await flood;
  expect(response.status).toBe(200);
  await settled("the record of the flood", async () => {
    const { items } = await askLogs(server, { function: "flood", text: "GET /flood", limit: "10" });
    return items.find(({ kind }) => kind === "invocation");
  });
  const items = await readAll(server, {});
  expect(countDense(items)).toBe(100_005);
  const lines = items.filter((item) => item.kind === "line" && item.function === "flood");
  const missing = items.reduce((sum, item) => sum + (item.kind === "missing" ? item.missing : 0), 0);
  expect(lines.length + missing).toBe(100_000);
}, 60_000);

test("a follower that does not read is told what it missed; one that reads misses nothing of it", async () => {
  const config = `[logs]\nmax_mb = 1\n${CONFIG}`;
  await using server = await startTestServer({ config, files: { "flood.ts": FLOOD } });
  const port = Number(new URL(server.adminUrl).port);
  using slow = await RawClient.connect(port);
  slow.request(["GET /v1/logs?follow=true HTTP/1.1", "Host: localhost", `Authorization: Bearer ${server.token}`]);
  await slow.until(() => slow.received.includes(": \n\n"), "the beginning of the stream");
  slow.socket.pause();
  const response = await fetch(`${server.url}/flood?lines=40000&length=1000`);
  expect(response.status).toBe(200);
  const end = await settled("the record of the flood", async () => {
    const { items } = await askLogs(server, { text: "GET /flood", limit: "10" });
    return items.find(({ kind }) => kind === "invocation");
  });
  slow.socket.resume();
  await slow.until(() => slow.received.includes(`id: ${end.id}\n`), "the last event", 30_000);
  const items = [...slow.received.matchAll(/^data: (.*)$/gm)].map(([, data = ""]) => JSON.parse(data) as LogItem);
  expect(countDense(items.slice(0, items.findIndex(({ id }) => id === end.id) + 1))).toBe(40_001);
  const gaps = items.filter((item) => item.kind === "missing");
  expect(gaps.length).toBeGreaterThan(0);
  expect(items.length).toBeLessThan(40_000);
}, 60_000);
