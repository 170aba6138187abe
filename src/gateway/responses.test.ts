/** What functions answer, as it stands on the wire: lengths, bodies that must not be, headers that must not get out. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { RawClient, type RawResponse, rawExchange } from "../testing/raw_client.ts";
import { startTestServer, type TestServer } from "../testing/server.ts";

const ANSWERS = `
const many = (count) => { const headers = new Headers(); for (let i = 0; i < count; i += 1) headers.append("x-" + i, "v"); return headers; };
const answers = {
  status: (code) => new Response("body", { status: Number(code) }),
  empty: () => new Response(null),
  untold: () => new Response(null),
  told: (length) => new Response(null, { headers: { "content-length": length } }),
  text: () => new Response("hello"),
  lying: () => new Response("hello", { headers: { "content-length": "500", "transfer-encoding": "gzip" } }),
  short: () => new Response("hello", { headers: { "content-length": "2" } }),
  hop: () => new Response("hello", { headers: { connection: "x-b", "keep-alive": "timeout=9", upgrade: "h2c", trailer: "x" } }),
  cookies: () => { const headers = new Headers(); headers.append("set-cookie", "a=1"); headers.append("set-cookie", "b=2"); return new Response("", { headers }); },
  value: () => new Response("", { headers: { "x-a": "a\\r\\nSet-Cookie: evil=1" } }),
  name: () => { const headers = new Headers(); headers.append("x-a: 1\\r\\nx-b", "2"); return new Response("", { headers }); },
  statustext: () => new Response("x", { statusText: "OK\\r\\nX-Evil: 1" }),
  latin: () => new Response("", { headers: { "x-a": "\\xe4" } }),
  many: (count) => new Response("x", { headers: many(Number(count)) }),
  long: (count) => new Response("x", { headers: { "x-a": "v".repeat(Number(count)) } }),
  id: () => new Response("x", { headers: { "isopod-request-id": "forged" } }),
  stream: () => (async function* () { yield "a"; yield new Uint8Array([98]); })(),
  large: (bytes) => new Response(new ReadableStream({ pull(controller) {
    const size = Math.min(bytes, 65536); bytes -= size;
    if (size === 0) controller.close(); else controller.enqueue(new Uint8Array(size).fill(120));
  } })),
  breaks: () => new Response(new ReadableStream({ start(controller) { controller.enqueue(new Uint8Array(100)); }, async pull() { await new Promise((resolve) => setTimeout(resolve, 30)); throw new Error("broken"); } })),
  json: () => ({ a: 1 }),
};
export default (request) => { const { searchParams } = new URL(request.url); return answers[searchParams.get("a")](searchParams.get("v")); };`;

const config = `[[functions]]\nname = "f"\npath = "./f.ts"\nroutes = ["GET /f"]\n`;
const HOST = "Host: localhost";
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ config, files: { "f.ts": ANSWERS } });
});

afterAll(() => server[Symbol.asyncDispose]());

async function answerOf(query: string, method = "GET"): Promise<RawResponse> {
  const answer = await rawExchange(server.port, [`${method} /f?a=${query} HTTP/1.1`, HOST]);
  if (answer === undefined) throw new Error("Cannot read the answer: the connection ended");
  return answer;
}

test.each([204, 304])("status %i has neither body nor length, and the connection goes on", async (status) => {
  using client = await RawClient.connect(server.port);
  client.request([`GET /f?a=status&v=${status} HTTP/1.1`, HOST]);
  const answer = await client.response();
  expect(answer?.status).toBe(status);
  expect(answer?.headers).not.toHaveProperty("content-length");
  expect(answer?.headers).not.toHaveProperty("transfer-encoding");
  client.request(["GET /f?a=text HTTP/1.1", HOST]);
  expect(await client.response()).toMatchObject({ status: 200, body: "hello" });
});

test.each([200, 201, 205, 299, 400, 404, 418, 500, 503, 599])("status %i is sent as it is", async (status) => {
  expect((await answerOf(`status&v=${status}`)).status).toBe(status);
});

test.each([100, 101, 199, 600])("status %i is the program's mistake", async (status) => {
  expect(await answerOf(`status&v=${status}`)).toMatchObject({ status: 500 });
});

test.each(["text", "stream", "large&v=200000", "lying", "json"])(
  "HEAD of %s has the head and nothing else",
  async (query) => {
    using client = await RawClient.connect(server.port);
    client.request([`HEAD /f?a=${query} HTTP/1.1`, HOST]);
    const { status, headers } = (await client.response({ head: true })) ?? {};
    expect([status, headers?.["isopod-request-id"]]).toEqual([200, expect.any(String)]);
    client.request(["GET /f?a=text HTTP/1.1", HOST]);
    expect(await client.response()).toMatchObject({ status: 200, body: "hello" });
  },
);

test("an answer to HEAD tells the length that the program tells, when there is no body of another", async () => {
  using client = await RawClient.connect(server.port);
  const lengths: unknown[] = [];
  for (const query of ["untold", "told&v=500", "told&v=many", "lying"]) {
    client.request([`HEAD /f?a=${query} HTTP/1.1`, HOST]);
    lengths.push((await client.response({ head: true }))?.headers["content-length"]);
  }
  expect(lengths).toEqual(["0", "500", "0", "5"]);
  expect((await answerOf("told&v=500")).headers["content-length"]).toBe("0");
});

test.each(["lying", "short", "hop"])(
  "the framing of a response is the server's, whatever %s headers say",
  async (query) => {
    const { headers, body } = await answerOf(query);
    expect(body).toBe("hello");
    expect(headers["content-length"]).toBe("5");
    for (const name of ["transfer-encoding", "connection", "keep-alive", "upgrade", "trailer"])
      expect(headers).not.toHaveProperty(name);
  },
);

test.each(["value", "name"])("a header's %s with a line end is the program's mistake", async (query) => {
  const { status, headers, body } = await answerOf(query);
  expect([status, headers["set-cookie"], headers["x-b"]]).toEqual([500, undefined, undefined]);
  expect(JSON.parse(body)).toMatchObject({ error: { code: "uncaught_exception", line: expect.any(Number) } });
});

test("a status text cannot split the response", async () => {
  expect((await answerOf("statustext")).headers).not.toHaveProperty("x-evil");
});

test("cookies stay apart, Latin-1 stays Latin-1, a text has its type, the request's id is ours", async () => {
  expect((await answerOf("cookies")).headers).toMatchObject({ "set-cookie": "a=1, b=2" });
  expect((await answerOf("latin")).headers).toMatchObject({ "x-a": "ä" });
  expect((await answerOf("text")).headers["content-type"]).toBe("text/plain;charset=UTF-8");
  expect((await answerOf("id")).headers["isopod-request-id"]).toMatch(/^[0-9a-f]{26}$/);
});

test("heads that come again are answered as the first time, between others of the same length too", async () => {
  const queries = ["status&v=201", "cookies", "status&v=202", "text", "status&v=203", "many&v=3", "many&v=4", "latin"];
  const first = await Promise.all(queries.map((query) => answerOf(query)));
  const ids = new Set(first.map(({ headers }) => headers["isopod-request-id"]));
  for (let round = 1; round <= 4; round += 1) {
    // In a row and next to each other: the one before is another, and then the same.
    const order = round % 2 === 0 ? queries : queries.toReversed();
    const again = await Promise.all(
      [...order, ...order].map(async (query) => ({ query, answer: await answerOf(query) })),
    );
    for (const { query, answer } of again) {
      const { "isopod-request-id": id, date: _date, ...headers } = answer.headers;
      const before = first[queries.indexOf(query)] as RawResponse;
      expect([query, answer.status]).toEqual([query, before.status]);
      expect({ ...before.headers, ...headers }).toEqual(before.headers);
      expect(Object.keys(answer.headers)).toEqual(Object.keys(before.headers));
      ids.add(id);
    }
  }
  expect(ids.size).toBe(queries.length * 9);
});

test.each(["many&v=300", "long&v=300000"])(
  "headers beyond their limit are the program's mistake: %s",
  async (query) => {
    const { status, body } = await answerOf(query);
    expect([status, JSON.parse(body).error.code]).toEqual([500, "invalid_result"]);
    expect(body).toContain("Cannot send the response");
  },
);

test("a body that breaks is cut off before its last chunk", async () => {
  using client = await RawClient.connect(server.port);
  client.request(["GET /f?a=breaks HTTP/1.1", HOST]);
  const text = await client.untilClosed();
  expect(text).toStartWith("HTTP/1.1 200 OK");
  expect(text).not.toContain("\r\n0\r\n\r\n");
});

test("a long stream arrives whole", async () => {
  const response = await fetch(`${server.url}/f?a=large&v=20000000`);
  expect((await response.bytes()).length).toBe(20_000_000);
});
