/**
 * Requests whose end two parties could see in different places, over raw sockets: each is refused and its connection
 * closed, or it is one request and nothing else. `/f/smuggled` must never be reached.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { RawClient } from "../testing/raw_client.ts";
import { startTestServer, type TestServer } from "../testing/server.ts";

const FUNCTION = `
let smuggled = 0;
export default async (request) => {
  const { pathname } = new URL(request.url);
  if (pathname === "/f/smuggled") smuggled += 1;
  if (pathname === "/f/count") return Response.json({ smuggled });
  if (pathname === "/f/early") return new Response("early");
  return Response.json({ path: pathname, body: await request.text() });
};`;

let server: TestServer;

beforeAll(async () => {
  const config = `[[functions]]\nname = "f"\npath = "./f.ts"\nroutes = ["ANY /f/*"]\n`;
  server = await startTestServer({ config, files: { "f.ts": FUNCTION } });
});

afterAll(() => server[Symbol.asyncDispose]());

const HOST = "Host: localhost";
const SMUGGLED = `GET /f/smuggled HTTP/1.1\r\n${HOST}\r\n\r\n`;
const POST = `POST /f/a HTTP/1.1\r\n${HOST}\r\n`;
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`;

async function smuggledCount(): Promise<number> {
  const answer = await fetch(`${server.url}/f/count`);
  return ((await answer.json()) as { smuggled: number }).smuggled;
}

test.each([
  ["a length and chunks", `${POST}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ["chunks and a length", `${POST}Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n`],
  ["two lengths", `${POST}Content-Length: 5\r\nContent-Length: 50\r\n\r\nhello`],
  ["a list of lengths", `${POST}Content-Length: 5, 5\r\n\r\nhello`],
  ["the same length twice", `${POST}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
  ["a length with a sign", `${POST}Content-Length: +5\r\n\r\nhello`],
  ["a negative length", `${POST}Content-Length: -1\r\n\r\n`],
  ["a hexadecimal length", `${POST}Content-Length: 0x5\r\n\r\nhello`],
  ["a length with text", `${POST}Content-Length: 5x\r\n\r\nhello`],
  ["an empty length", `${POST}Content-Length: \r\n\r\nhello`],
  ["a length beyond 64 bits", `${POST}Content-Length: 18446744073709551621\r\n\r\nhello`],
  ["another coding", `${POST}Transfer-Encoding: identity\r\n\r\nhello`],
  ["a coding that only looks like chunks", `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
  ["a coding before chunks", `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  ["a coding after chunks", `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
  ["two codings", `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n`],
  ["a space before the coding's colon", `${POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`],
  ["a vertical tab before the coding", `${POST}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`],
  ["chunks in HTTP/1.0", `POST /f/a HTTP/1.0\r\n${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ["a folded header", `GET /f/a HTTP/1.1\r\n${HOST}\r\nX-A: 1\r\n 2\r\n\r\n`],
  ["a folded first header", `GET /f/a HTTP/1.1\r\n X-A: 1\r\n${HOST}\r\n\r\n`],
  ["a space before a colon", `GET /f/a HTTP/1.1\r\n${HOST}\r\nX-A : 1\r\n\r\n`],
  ["a header without a name", `GET /f/a HTTP/1.1\r\n${HOST}\r\n: 1\r\n\r\n`],
  ["a header without a colon", `GET /f/a HTTP/1.1\r\n${HOST}\r\nX-A\r\n\r\n`],
  ["a header name that is no token", `GET /f/a HTTP/1.1\r\n${HOST}\r\nX(A): 1\r\n\r\n`],
  ["a bare line feed after a header", `GET /f/a HTTP/1.1\r\n${HOST}\nX-A: 1\r\n\r\n`],
  ["a bare line feed as the head's end", `GET /f/a HTTP/1.1\r\n${HOST}\r\n\n`],
  ["a bare carriage return in a value", `GET /f/a HTTP/1.1\r\n${HOST}\r\nX-A: 1\r2\r\n\r\n`],
  ["NUL in a value", `GET /f/a HTTP/1.1\r\n${HOST}\r\nX-A: 1\x002\r\n\r\n`],
  ["a chunk size that is no number", `${CHUNKED}zz\r\nhello\r\n0\r\n\r\n`],
  ["a chunk size with 0x", `${CHUNKED}0x5\r\nhello\r\n0\r\n\r\n`],
  ["a chunk size with a minus", `${CHUNKED}-5\r\nhello\r\n0\r\n\r\n`],
  ["a chunk size with a plus", `${CHUNKED}+5\r\nhello\r\n0\r\n\r\n`],
  ["a space before a chunk size", `${CHUNKED} 5\r\nhello\r\n0\r\n\r\n`],
  ["no chunk size", `${CHUNKED}\r\nhello\r\n0\r\n\r\n`],
  ["a chunk size beyond 64 bits", `${CHUNKED}10000000000000005\r\nhello\r\n0\r\n\r\n`],
  ["bare line feeds between chunks", `${CHUNKED}5\nhello\n0\n\n`],
  ["a bare line feed in a chunk extension", `${CHUNKED}5;a\nhello\r\n0\r\n\r\n`],
  ["a chunk longer than its size", `${CHUNKED}5\r\nhelloXX0\r\n\r\n`],
  ["trailers, which would be dropped", `${CHUNKED}5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n`],
])("refused: %s", async (_name, bytes) => {
  using client = await RawClient.connect(server.port);
  client.send(bytes + SMUGGLED);
  const answer = await client.response();
  // A client that goes on regardless is cut off, and may lose the answer that says why.
  if (answer !== undefined) expect(answer.status).toBe(400);
  expect(await smuggledCount()).toBe(0);
});

test.each([
  ["with a length", `Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`],
  ["in chunks", `Transfer-Encoding: chunked\r\n\r\n${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`],
])("the body of a GET %s is never a request", async (_name, rest) => {
  using client = await RawClient.connect(server.port);
  client.send(`GET /f/a HTTP/1.1\r\n${HOST}\r\n${rest}`);
  expect(await client.response()).toMatchObject({ status: 200 });
  client.send(`GET /f/next HTTP/1.1\r\n${HOST}\r\n\r\n`);
  const next = await client.response();
  if (next !== undefined) expect(JSON.parse(next.body)).toMatchObject({ path: "/f/next" });
  expect(await smuggledCount()).toBe(0);
});

test.each([
  ["nobody asked for, with a 404 before it came", "/nothing"],
  ["nobody asked for, with an answer before it came", "/f/early"],
])("a body that %s is not a request either", async (_name, path) => {
  using client = await RawClient.connect(server.port);
  client.send(`POST ${path} HTTP/1.1\r\n${HOST}\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n`);
  expect(await client.response()).toMatchObject({ status: path === "/nothing" ? 404 : 200 });
  client.send(`${SMUGGLED}GET /f/next HTTP/1.1\r\n${HOST}\r\n\r\n`);
  const next = await client.response();
  if (next !== undefined) expect(JSON.parse(next.body)).toMatchObject({ path: "/f/next" });
  expect(await smuggledCount()).toBe(0);
});

test("a chunk extension is skipped, and chunk sizes may have leading zeros", async () => {
  using client = await RawClient.connect(server.port);
  client.send(`${CHUNKED}5;a=b\r\nhello\r\n0000000000000000000001\r\n!\r\n0\r\n\r\n`);
  expect(JSON.parse((await client.response())?.body ?? "")).toEqual({ path: "/f/a", body: "hello!" });
});

test("a chunked body may be cut anywhere", async () => {
  const bytes = `${CHUNKED}5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n`;
  for (let at = 1; at < bytes.length; at += 7) {
    using client = await RawClient.connect(server.port);
    client.socket.setNoDelay(true);
    client.send(bytes.slice(0, at));
    await new Promise((resolve) => setImmediate(resolve));
    client.send(bytes.slice(at));
    expect(JSON.parse((await client.response())?.body ?? "")).toEqual({ path: "/f/a", body: "hello world" });
  }
});
