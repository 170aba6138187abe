/** WebSockets between clients and functions, through the real socket and a real sandbox. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { RawClient, rawExchange } from "../testing/raw_client.ts";
import { startTestServer, type TestServer } from "../testing/server.ts";
import { settled, WebSocketClient } from "../testing/websocket_client.ts";

const ECHO = `
const seen = [];
export default (request, env, ctx) => {
  const { pathname } = new URL(request.url);
  if (pathname === "/ws/seen") return Response.json(seen);
  if (pathname === "/ws/declines") return new Response("no sockets here", { status: 403 });
  const { 0: client, 1: socket } = new WebSocketPair();
  socket.accept();
  if (pathname === "/ws/greets") { socket.send("first"); socket.send("second"); }
  socket.addEventListener("message", ({ data }) => {
    if (typeof data !== "string") return socket.send(new Uint8Array(data).reverse());
    const [verb, value] = data.split(" ");
    if (verb === "close") return socket.close(Number(value), "as you say");
    if (verb === "reason") return socket.close(4000, value.repeat(200));
    if (verb === "id") return socket.send(ctx.requestId);
    if (verb === "exit") return process.exit(3);
    if (verb === "burn") { const end = performance.now() + Number(value); while (performance.now() < end); return socket.send("burnt"); }
    if (verb === "spin") for (;;);
    if (verb === "large") return socket.send("x".repeat(Number(value)));
      socket.send("echo " + data);
  });
  socket.addEventListener("close", ({ code, reason, wasClean }) => seen.push({ pathname, code, reason, wasClean }));
  return new Response(null, { status: 101, webSocket: client });
};`;

const DENO = `
export default (request) => {
  const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(/, */);
  const { socket, response } = Deno.upgradeWebSocket(request, offered.includes("chat") ? { protocol: "chat" } : {});
  socket.onopen = () => socket.send("open " + socket.protocol);
  socket.onmessage = (event) => socket.send(event.data);
  return response;
};`;

const CONFIG = `
[[functions]]
name = "echo"
path = "./echo.ts"
routes = ["GET /ws/*", "POST /ws/*"]
limits = { wall_ms = 1000, cpu_ms = 400 }
[[functions]]
name = "deno"
path = "./deno.ts"
routes = ["GET /deno"]
[server]
websocket_message_kb = 64
`;

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ config: CONFIG, files: { "echo.ts": ECHO, "deno.ts": DENO } });
});

afterAll(() => server[Symbol.asyncDispose]());

const connect = (path: string, protocols?: string[]) =>
  WebSocketClient.connect(`ws://127.0.0.1:${server.port}${path}`, protocols);

test("text and binary messages go both ways, in order, empty ones too", async () => {
  await using client = await connect("/ws/a");
  client.send("one");
  client.send("zwei €");
  client.send(new Uint8Array([1, 2, 3]));
  client.send("");
  client.send(new Uint8Array(0));
  expect(await client.next()).toBe("echo one");
  expect(await client.next()).toBe("echo zwei €");
  expect(await client.next()).toEqual(new Uint8Array([3, 2, 1]));
  expect(await client.next()).toBe("echo ");
  expect(await client.next()).toEqual(new Uint8Array(0));
});

test("what the function sends while it accepts arrives", async () => {
  await using client = await connect("/ws/greets");
  expect(await client.next()).toBe("first");
  expect(await client.next()).toBe("second");
});

test.each([1000, 1001, 1008, 1011, 3000, 4999])("the function's close code %i reaches the client", async (code) => {
  await using client = await connect("/ws/a");
  client.send(`close ${code}`);
  expect(await client.closed).toEqual({ code, reason: "as you say" });
});

test.each([1005, 1006, 1015, 999, 2000, 5000])("a close code that nobody may send, %i, becomes 1000", async (code) => {
  await using client = await connect("/ws/a");
  client.send(`close ${code}`);
  expect((await client.closed).code).toBe(1000);
});

test("a close reason that is too long is cut between characters", async () => {
  await using client = await connect("/ws/a");
  client.send("reason €");
  expect(await client.closed).toEqual({ code: 4000, reason: "€".repeat(41) });
});

test("the function sees the client's close code and reason", async () => {
  await using client = await connect("/ws/code");
  client.close(4321, "bye");
  expect(await closeSeen("/ws/code")).toEqual({ pathname: "/ws/code", code: 4321, reason: "bye", wasClean: true });
});

test("the function sees that a client is gone", async () => {
  const client = await connect("/ws/gone");
  client.terminate();
  expect(await closeSeen("/ws/gone")).toMatchObject({ code: 1006, wasClean: false });
});

test("a function that ends in the middle is an abnormal close, and the next socket finds another instance", async () => {
  await using client = await connect("/ws/a");
  client.send("exit");
  expect(await client.closed).toEqual({ code: 1011, reason: "The function was ended" });
  await using next = await connect("/ws/a");
  next.send("hello");
  expect(await next.next()).toBe("echo hello");
});

test("an open socket outlives the wall limit, and gets processor time anew with each message", async () => {
  await using client = await connect("/ws/a");
  for (let round = 0; round < 6; round += 1) {
    client.send("burn 250");
    expect(await client.next()).toBe("burnt");
  }
  expect(client.openMs).toBeGreaterThan(1400);
});

test("a message that uses too much processor time ends the function, and its record says so", async () => {
  await using client = await connect("/ws/a");
  client.send("id");
  const requestId = String(await client.next());
  client.send("spin");
  expect((await client.closed).code).toBe(1011);
  expect(await recordOf(requestId)).toMatchObject({
    status: 101,
    error: { code: "cpu_limit", limit: { name: "cpuMs", value: 400 } },
  });
});

test("a client's message over the limit closes with 1009", async () => {
  await using client = await connect("/ws/a");
  client.send("x".repeat(64 * 1024 + 1));
  expect([1006, 1009]).toContain((await client.closed).code);
});

test.each([64 * 1024 + 1, 1024 * 1024 + 1])(
  "a function's message of %i bytes is over the limit and closes with 1009",
  async (bytes) => {
    await using client = await connect("/ws/a");
    client.send(`large ${64 * 1024}`);
    expect(await client.next()).toHaveLength(64 * 1024);
    client.send(`large ${bytes}`);
    expect((await client.closed).code).toBe(1009);
  },
);

test("a socket that is declined gets the function's answer", async () => {
  const answer = await rawExchange(server.port, handshake("/ws/declines"));
  expect(answer).toMatchObject({ status: 403, body: "no sockets here" });
});

test("the handshake answers as RFC 6455 says, with the request's id", async () => {
  using client = await RawClient.connect(server.port);
  client.request(handshake("/ws/a"));
  const answer = await client.response();
  expect(answer).toMatchObject({
    status: 101,
    headers: {
      upgrade: "websocket",
      "sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
      "isopod-request-id": expect.stringMatching(/^[0-9a-f]{26}$/),
    },
  });
  expect(answer?.headers["sec-websocket-extensions"]).toBeUndefined();
  expect(answer?.headers["sec-websocket-protocol"]).toBeUndefined();
});

test("a handshake without a key is refused, and the function's side is let go", async () => {
  const lines = handshake("/ws/nokey").filter((line) => !line.startsWith("Sec-WebSocket-Key"));
  expect(await rawExchange(server.port, lines)).toMatchObject({ status: 400 });
  expect(await closeSeen("/ws/nokey")).toMatchObject({ code: 1011 });
});

test("only GET upgrades: a POST that asks for it is a request with a body", async () => {
  const lines = handshake("/ws/declines").map((line) => line.replace("GET ", "POST "));
  expect(await rawExchange(server.port, [...lines, "Content-Length: 2"], "hi")).toMatchObject({ status: 403 });
});

test("a foreign page cannot open a socket", async () => {
  const answer = await rawExchange(server.port, [...handshake("/ws/a"), "Origin: https://evil.example"]);
  expect(answer).toMatchObject({ status: 403 });
  expect(answer?.body).toContain("origin_refused");
});

test("Deno.upgradeWebSocket: events, and a subprotocol that is agreed on", async () => {
  await using client = await connect("/deno", ["other", "chat"]);
  expect(client.protocol).toBe("chat");
  expect(await client.next()).toBe("open chat");
  client.send("ping");
  expect(await client.next()).toBe("ping");
});

function handshake(path: string): string[] {
  return [
    `GET ${path} HTTP/1.1`,
    "Host: localhost",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
}

function closeSeen(pathname: string): Promise<unknown> {
  return settled(`a close of ${pathname}`, async () => {
    const seen = (await (await fetch(`${server.url}/ws/seen`)).json()) as { pathname: string }[];
    return seen.find((each) => each.pathname === pathname);
  });
}

function recordOf(requestId: string): Promise<unknown> {
  return settled(`the record of ${requestId}`, async () => {
    const response = await server.admin(`/v1/invocations/${requestId}`);
    return response.ok ? response.json() : undefined;
  });
}
