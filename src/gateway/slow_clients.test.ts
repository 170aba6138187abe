/** Clients that are slow on purpose, or in part: what they may hold, and for how long. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { RawClient } from "../testing/raw_client.ts";
import { startTestServer, type TestServer } from "../testing/server.ts";
import { settled } from "../testing/websocket_client.ts";

const FUNCTION = `
let sent = 0;
export default async (request) => {
  const { pathname, search } = new URL(request.url);
  if (pathname === "/f/early") return new Response("early");
  if (pathname === "/f/sent") return Response.json(sent);
  if (pathname === "/f/flood") {
    const chunk = new Uint8Array(65536);
    return new Response(new ReadableStream({ pull(controller) { sent += chunk.length; controller.enqueue(chunk); } }));
  }
  return new Response("got " + (await request.text()).length);
};`;

const CONFIG = `
[[functions]]
name = "f"
path = "./f.ts"
routes = ["ANY /f/*"]
limits = { wall_ms = 60000, response_mb = 16384 }
[server]
body_idle_ms = 300
`;

const HOST = "Host: localhost";
const MB = 1024 * 1024;
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ config: CONFIG, files: { "f.ts": FUNCTION } });
});

afterAll(() => server[Symbol.asyncDispose]());

test.each([
  ["with a length", "Content-Length: 10", "abc"],
  ["in chunks", "Transfer-Encoding: chunked", "3\r\nabc\r\n"],
])("a body %s that stops coming is answered with 408", async (_name, framing, part) => {
  for (const path of ["/f/a", "/run"]) {
    using client = await RawClient.connect(server.port);
    client.request([`POST ${path} HTTP/1.1`, HOST, framing], part);
    const answer = await client.response();
    expect([path, answer?.status, JSON.parse(answer?.body ?? "{}").error?.code]).toEqual([path, 408, "body_timeout"]);
    await client.untilClosed();
  }
});

test("a body that keeps coming may be slow", async () => {
  using client = await RawClient.connect(server.port);
  client.request(["POST /f/a HTTP/1.1", HOST, "Content-Length: 6"]);
  for (const piece of "abcdef") {
    await new Promise((resolve) => setTimeout(resolve, 100));
    client.send(piece);
  }
  expect(await client.response()).toMatchObject({ status: 200, body: "got 6" });
});

test("a head that does not end in time ends the connection", async () => {
  using client = await RawClient.connect(server.port);
  client.send("GET /f/a HTTP/1.1\r\nHost: loc");
  const drip = setInterval(() => client.send("a"), 1000);
  await client.untilClosed(16_000);
  clearInterval(drip);
}, 20_000);

test("an answer that comes before the body is whole is there at once, and the body may go on", async () => {
  using client = await RawClient.connect(server.port);
  client.request(["POST /f/early HTTP/1.1", HOST, `Content-Length: ${MB}`], "a".repeat(1000));
  expect(await client.response()).toMatchObject({ status: 200, body: "early" });
  client.send("a".repeat(MB - 1000));
  client.request(["POST /f/a HTTP/1.1", HOST, "Content-Length: 2"], "hi");
  expect(await client.response()).toMatchObject({ status: 200, body: "got 2" });
});

test("a reader that stops holds back the function, and the server's memory stays", async () => {
  using client = await RawClient.connect(server.port);
  const before = process.memoryUsage.rss();
  client.request(["GET /f/flood HTTP/1.1", HOST]);
  await client.until(() => client.received.length > MB, "the first MiB");
  client.socket.pause();
  const stalled = await settled("a function that is held back", async () => {
    const first = await sentBytes();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return (await sentBytes()) === first ? first : undefined;
  });
  expect(stalled).toBeLessThan(64 * MB);
  expect(process.memoryUsage.rss() - before).toBeLessThan(96 * MB);
  client.socket.resume();
  await settled("a function that goes on", async () => ((await sentBytes()) > stalled + MB ? true : undefined));
});

test("the function of a reader that leaves is ended", async () => {
  const client = await RawClient.connect(server.port);
  client.request(["GET /f/flood HTTP/1.1", HOST]);
  await client.until(() => client.received.length > MB, "the first MiB");
  client[Symbol.dispose]();
  await settled("the end of the stream", async () => {
    const { pool } = server.server.status() as { pool: { invocations: number } };
    return pool.invocations === 0 ? true : undefined;
  });
});

async function sentBytes(): Promise<number> {
  return (await (await fetch(`${server.url}/f/sent`)).json()) as number;
}
