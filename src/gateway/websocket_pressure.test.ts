/** WebSockets under pressure: ends that do not keep up, sockets that carry nothing, a server that shuts down. */
import { expect, test } from "bun:test";
import { RawClient } from "../testing/raw_client.ts";
import { startTestServer, type TestServer } from "../testing/server.ts";
import { settled, WebSocketClient } from "../testing/websocket_client.ts";

const FUNCTION = `
let sent = 0, closed = 0;
export default (request) => {
  const { pathname } = new URL(request.url);
  if (pathname === "/ws/state") return Response.json({ sent, closed });
  const { 0: client, 1: socket } = new WebSocketPair();
  socket.accept();
  socket.addEventListener("close", ({ code }) => { closed = code; });
  socket.addEventListener("message", ({ data }) => {
    if (data === "flood") {
      const chunk = new Uint8Array(65536);
      const push = () => { for (let i = 0; i < 8 && socket.readyState === 1; i += 1) { socket.send(chunk); sent += chunk.length; } if (socket.readyState === 1) setTimeout(push, 0); };
      push();
    } else if (data === "busy") {
      const end = performance.now() + 800;
      while (performance.now() < end);
    } else socket.send("got " + (data.length ?? data.byteLength));
  });
  return new Response(null, { status: 101, webSocket: client });
};`;

const MB = 1024 * 1024;

function start(serverTable = ""): Promise<TestServer> {
  const config = `[[functions]]\nname = "f"\npath = "./f.ts"\nroutes = ["GET /ws/*"]\n[server]\n${serverTable}`;
  return startTestServer({ config, files: { "f.ts": FUNCTION } });
}

interface State {
  readonly sent: number;
  readonly closed: number;
}

const stateOf = async (server: TestServer) => (await (await fetch(`${server.url}/ws/state`)).json()) as State;
const connect = (server: TestServer) => WebSocketClient.connect(`ws://127.0.0.1:${server.port}/ws/a`);

const HANDSHAKE = [
  ...["GET /ws/raw HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket"],
  ...["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="],
];

/** A masked text frame of a client, shorter than 126 bytes; the mask is zero. */
function frameOf(text: string): Uint8Array {
  return Uint8Array.from([0x81, 0x80 | text.length, 0, 0, 0, 0, ...Buffer.from(text)]);
}

test("a client that does not read: the function is told with 1013, and nobody's memory grows", async () => {
  await using server = await start();
  using client = await RawClient.connect(server.port);
  client.request(HANDSHAKE);
  expect((await client.response())?.status).toBe(101);
  client.socket.pause();
  const before = process.memoryUsage.rss();
  client.send(frameOf("flood"));
  const { sent } = await settled("the close", async () => {
    const state = await stateOf(server);
    return state.closed === 0 ? undefined : state;
  });
  expect((await stateOf(server)).closed).toBe(1013);
  expect(sent).toBeLessThan(64 * MB);
  expect(process.memoryUsage.rss() - before).toBeLessThan(64 * MB);
});

test("a function that does not keep up with its client: the client is told with 1013", async () => {
  await using server = await start();
  await using client = await connect(server);
  const before = process.memoryUsage.rss();
  client.send("busy");
  for (let i = 0; i < 64; i += 1) client.send(new Uint8Array(256 * 1024));
  expect((await client.closed).code).toBe(1013);
  expect(process.memoryUsage.rss() - before).toBeLessThan(128 * MB);
});

test("a million empty messages to a function that is busy are bounded, too", async () => {
  await using server = await start();
  await using client = await connect(server);
  client.send("busy");
  for (let i = 0; i < 400_000; i += 1) client.send("");
  expect((await client.closed).code).toBe(1013);
});

test("a socket that carries nothing is closed, also when its client answers pings", async () => {
  await using server = await start("websocket_idle_ms = 1000");
  await using client = await connect(server);
  client.send("x");
  expect(await client.next()).toBe("got 1");
  await client.closed;
  expect(client.openMs).toBeGreaterThan(1000);
  expect(client.openMs).toBeLessThan(10_000);
}, 15_000);

test("a server that shuts down says so to open sockets when its time to drain is over", async () => {
  const server = await startTestServer({
    config: `[[functions]]\nname = "f"\npath = "./f.ts"\nroutes = ["GET /ws/*"]\n[pool]\nprewarmed = 1\ndrain_ms = 100\n`,
    files: { "f.ts": FUNCTION },
  });
  const client = await connect(server);
  await server[Symbol.asyncDispose]();
  expect((await client.closed).code).toBe(1001);
});
