/**
 * HTTP/1.1 over raw sockets (RFC 9110, 9112): request lines, hosts, addresses, sizes, keep-alive, and how a function
 * sees all that. Where Bun's server is stricter than it must be, the test says so.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { RawClient, rawExchange } from "../testing/raw_client.ts";
import { startTestServer, type TestServer } from "../testing/server.ts";

const ECHO = `export default async (request, env, ctx) => Response.json({
  method: request.method, url: request.url, headers: Object.fromEntries(request.headers),
  body: await request.text(), params: ctx.params, requestId: ctx.requestId,
});`;

const CONFIG = `
[[functions]]
name = "echo"
path = "./echo.ts"
routes = ["ANY /e/*", "ANY api.example.com/*", "GET /only/get", "DELETE /only/get", "GET /users/:id/posts/:post", "GET /users/me/posts/:post"]
`;

interface Echo {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly params: Readonly<Record<string, string>>;
  readonly requestId: string;
}

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ config: CONFIG, files: { "echo.ts": ECHO } });
});

afterAll(() => server[Symbol.asyncDispose]());

const HOST = "Host: localhost";

async function send(bytes: string) {
  using client = await RawClient.connect(server.port);
  client.send(bytes);
  return await client.response();
}

const get = (target: string, ...headers: string[]) =>
  rawExchange(server.port, [`GET ${target} HTTP/1.1`, HOST, ...headers]);

async function echoOf(target: string, ...headers: string[]): Promise<Echo> {
  const answer = await get(target, ...headers);
  expect(answer?.status).toBe(200);
  return JSON.parse(Buffer.from(answer?.body ?? "", "latin1").toString()) as Echo;
}

test.each([
  ["HTTP/1.2", 505],
  ["HTTP/2.0", 505],
  ["http/1.1", 505],
  ["HTTP/1.1 ", 505],
  ["", 505],
])("version %p is refused", async (version, status) => {
  expect((await send(`GET /e/a ${version}\r\n${HOST}\r\n\r\n`))?.status).toBe(status);
});

test.each([
  ["a space", "/e/a b", 505],
  ["a tab", "/e/a\tb", 505],
  ["NUL", "/e/a\0b", 505],
  ["a fragment", "/e/a#b", 400],
  ["no slash", "e/a", 400],
  ["an asterisk", "*", 400],
  ["an authority", "localhost:80", 400],
])("an address with %s is refused", async (_name, target, status) => {
  expect((await get(target))?.status).toBe(status);
});

test.each([
  ["none", []],
  ["two", [HOST, "Host: other"]],
  ["the same one twice", [HOST, HOST]],
  ["a list", ["Host: localhost, other"]],
  ["one with a path", ["Host: localhost/x"]],
  ["one with a query", ["Host: localhost?x"]],
  ["one with a user", ["Host: user@localhost"]],
  ["one with a space", ["Host: local host"]],
  ["one with a long port", ["Host: localhost:999999"]],
  ["one with a sign in its port", ["Host: localhost:+80"]],
])("hosts: %s is refused", async (_name, hosts) => {
  expect((await send(["GET /e/a HTTP/1.1", ...hosts, "", ""].join("\r\n")))?.status).toBe(400);
});

test("a Host that is not ours is refused on loopback, and one that a route names is not", async () => {
  expect((await send("GET /e/a HTTP/1.1\r\nHost: evil.example\r\n\r\n"))?.body).toContain("host_refused");
  const answer = await send("GET /x HTTP/1.1\r\nHost: API.example.com:8080\r\n\r\n");
  expect(JSON.parse(answer?.body ?? "").url).toBe("http://api.example.com:8080/x");
});

test("an absolute address: its path counts, its host is Host's (a proxy must have made them equal)", async () => {
  expect((await echoOf("http://localhost/e/a?x=1")).url).toBe("http://localhost/e/a?x=1");
  expect((await echoOf("http://evil.example/e/a")).url).toBe("http://localhost/e/a");
  expect((await send("GET http://localhost/e/a HTTP/1.1\r\n\r\n"))?.status).toBe(400);
});

test.each([
  ["/e/a/../b", "/e/b", "b"],
  ["/e/a/%2e%2E/b", "/e/b", "b"],
  ["/e/./a", "/e/a", "a"],
  ["/e/a%2Fb", "/e/a%2Fb", "a/b"],
  ["/e/%C3%A4", "/e/%C3%A4", "ä"],
  ["/e/a%zz%e4", "/e/a%zz%e4", "a%zz%e4"],
  ["/e/a%00b", "/e/a%00b", "a\0b"],
  ["/e/a%0d%0ab", "/e/a%0d%0ab", "a\r\nb"],
  ["/e/a;b=c,d:e@f$!*'()", "/e/a;b=c,d:e@f$!*'()", "a;b=c,d:e@f$!*'()"],
])("path %s is routed as what the function sees, %s", async (target, path, rest) => {
  const echo = await echoOf(target);
  expect(new URL(echo.url).pathname).toBe(path);
  expect(echo.params).toEqual({ "*": rest });
});

test.each(["/e/../secret", "/e/%2e%2e/secret", "/e/a/../../secret", "//e/a", "//evil.example/e/a"])(
  "path %s leads out of the route",
  async (target) => {
    expect((await get(target))?.status).toBe(404);
  },
);

test("the more specific route answers, and parameters are decoded", async () => {
  expect((await echoOf("/users/a%20b/posts/7%2F8")).params).toEqual({ id: "a b", post: "7/8" });
  expect((await echoOf("/users/me/posts/9")).params).toEqual({ post: "9" });
});

test("404 and 405 are right, and 405 says what is allowed", async () => {
  expect(await get("/nothing")).toMatchObject({ status: 404, headers: { "content-type": "application/json" } });
  const answer = await rawExchange(server.port, ["PUT /only/get HTTP/1.1", HOST]);
  expect(answer).toMatchObject({ status: 405, headers: { allow: "DELETE, GET, HEAD" } });
  const run = await rawExchange(server.port, ["PUT /run HTTP/1.1", HOST]);
  expect(run).toMatchObject({ status: 405, headers: { allow: "POST" } });
});

test.each(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "PURGE", "M-SEARCH"])(
  "method %s reaches the function",
  async (method) => {
    const answer = await rawExchange(server.port, [`${method} /e/a HTTP/1.1`, HOST]);
    expect(JSON.parse(answer?.body ?? "")).toMatchObject({ method });
  },
);

test("CONNECT is refused; a method that Bun does not know ends the connection", async () => {
  expect((await rawExchange(server.port, ["CONNECT localhost:80 HTTP/1.1", HOST]))?.status).toBe(400);
  expect((await rawExchange(server.port, ["G(T /e/a HTTP/1.1", HOST]))?.status).toBe(400);
  expect(await rawExchange(server.port, ["FOO /e/a HTTP/1.1", HOST])).toBeUndefined();
  expect(await rawExchange(server.port, ["get /e/a HTTP/1.1", HOST])).toBeUndefined();
});

test("headers: repeated ones are joined, Latin-1 is kept, the connection's own are not passed on", async () => {
  const { headers } = await echoOf(
    "/e/a",
    ...[
      "X-A: 1",
      "x-a: 2",
      "Cookie: a=1",
      "Cookie: b=2",
      "X-B: \xe4",
      "__proto__: p",
      "Keep-Alive: timeout=5",
      "TE: trailers",
    ],
    ...["Proxy-Connection: keep-alive", "X-Forwarded-For: 1.2.3.4"],
  );
  expect(headers).toMatchObject({
    "x-a": "1, 2",
    cookie: "a=1; b=2",
    "x-b": "ä",
    "x-forwarded-for": "1.2.3.4, 127.0.0.1",
  });
  for (const name of ["keep-alive", "te", "proxy-connection", "connection"]) expect(headers).not.toHaveProperty(name);
});

test("a request id is given, and traceparent is passed on", async () => {
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const answer = await get("/e/a", `traceparent: ${traceparent}`, "tracestate: a=b");
  const echo = JSON.parse(answer?.body ?? "") as Echo;
  expect(echo.headers).toMatchObject({ traceparent, tracestate: "a=b" });
  expect(answer?.headers["isopod-request-id"]).toBe(echo.requestId);
  expect(echo.requestId).not.toBe((await echoOf("/e/a")).requestId);
});

test("a head may have 15 KiB, and not 17", async () => {
  expect((await echoOf("/e/a", `X-A: ${"a".repeat(15_000)}`)).headers["x-a"]).toHaveLength(15_000);
  expect((await get("/e/a", `X-A: ${"a".repeat(17_000)}`))?.status).toBe(431);
  expect((await get(`/e/${"a".repeat(17_000)}`))?.status).toBe(431);
  expect((await get("/e/a", ...Array.from({ length: 150 }, (_, i) => `X-${i}: 1`)))?.status).toBe(200);
  expect((await get("/e/a", ...Array.from({ length: 1000 }, (_, i) => `X-${i}: 1`)))?.status).toBe(431);
});

test("a head without an end is cut off while it grows", async () => {
  using client = await RawClient.connect(server.port);
  client.send(`GET /e/a HTTP/1.1\r\n${HOST}\r\nX-A: ${"a".repeat(100_000)}`);
  expect(await client.untilClosed()).toStartWith("HTTP/1.1 431 ");
});

test("a connection is kept for the next request, unless either side says otherwise", async () => {
  using client = await RawClient.connect(server.port);
  for (let turn = 0; turn < 3; turn += 1) {
    client.send(`POST /e/${turn} HTTP/1.1\r\n${HOST}\r\nContent-Length: 1\r\n\r\n${turn}`);
    expect(JSON.parse((await client.response())?.body ?? "")).toMatchObject({ body: String(turn) });
  }
  client.send(`GET /e/a HTTP/1.1\r\n${HOST}\r\nConnection: close\r\n\r\n`);
  expect(await client.response()).toMatchObject({ status: 200 });
  await client.untilClosed();
});

test("HTTP/1.0 gets its answer and the end of the connection", async () => {
  using client = await RawClient.connect(server.port);
  client.send(`GET /e/a HTTP/1.0\r\n${HOST}\r\n\r\n`);
  expect(await client.response()).toMatchObject({ status: 200 });
  await client.untilClosed();
});

test("Expect: 100-continue is answered before the body, and with the answer", async () => {
  using client = await RawClient.connect(server.port);
  client.send(`POST /e/a HTTP/1.1\r\n${HOST}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`);
  expect(await client.response()).toMatchObject({ status: 100 });
  client.send("hello");
  const answer = await client.response();
  expect(JSON.parse(answer?.body ?? "")).toMatchObject({ body: "hello" });
  expect(JSON.parse(answer?.body ?? "").headers).not.toHaveProperty("expect");
});

test("who sends a second request before the first is answered loses the connection, and nothing else", async () => {
  using client = await RawClient.connect(server.port);
  client.send(`GET /e/1 HTTP/1.1\r\n${HOST}\r\n\r\nGET /e/2 HTTP/1.1\r\n${HOST}\r\n\r\n`);
  const first = await client.response();
  if (first !== undefined) expect(JSON.parse(first.body).params).toEqual({ "*": "1" });
  expect((await echoOf("/e/3")).params).toEqual({ "*": "3" });
});

test("a client that closes its direction has hung up", async () => {
  using client = await RawClient.connect(server.port);
  client.send(`POST /e/a HTTP/1.1\r\n${HOST}\r\nContent-Length: 10\r\n\r\nabc`);
  client.halfClose();
  expect(await client.untilClosed()).toBe("");
});
