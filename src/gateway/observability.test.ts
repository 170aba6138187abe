/** What a server tells about its requests: the access log, the record of an invocation, metrics, health. */
import { expect, test } from "bun:test";
import { rawExchange } from "../testing/raw_client.ts";
import { type LogEntry, ServeProcess } from "../testing/serve_process.ts";
import { settled } from "../testing/websocket_client.ts";

const FILES = {
  "isopod.toml": `listen_address = "127.0.0.1:0"
admin_address = "127.0.0.1:0"
[pool]
prewarmed = 1
[[functions]]
name = "f"
path = "./f.ts"
routes = ["GET /f/*"]
`,
  "f.ts": `export default (request) => {
    console.log("a line of the program");
    if (request.url.endsWith("kept")) return new Response("kept", { headers: { "cache-control": "max-age=60" } });
    if (request.url.endsWith("throw")) throw new Error("broken");
    return new Response("12345");
  };`,
};

test("every request leaves one line, its record, and its counts; none tells the query", async () => {
  await using server = await ServeProcess.start(FILES);
  const accessOf = (id: string | null): Promise<LogEntry> =>
    settled(`the access line of ${id}`, async () => server.accessLines().find((line) => line["request_id"] === id));
  const recordOf = async (id: string | null) => (await server.admin(`/v1/invocations/${id}`)).json();

  const good = await fetch(`${server.url}/f/a%20b?token=s3cret`);
  const id = good.headers.get("isopod-request-id");
  expect(await accessOf(id)).toMatchObject({
    level: "info",
    method: "GET",
    path: "/f/a%20b",
    status: 200,
    bytes: 5,
    target: "f",
    remote: "127.0.0.1",
  });
  expect(JSON.stringify(server.accessLines())).not.toContain("s3cret");
  expect(await recordOf(id)).toMatchObject({
    status: 200,
    functionName: "f",
    figures: { responseBytes: 5 },
    logs: [{ text: "a line of the program" }],
  });

  const thrown = await fetch(`${server.url}/f/throw`);
  const thrownId = thrown.headers.get("isopod-request-id");
  expect(await accessOf(thrownId)).toMatchObject({ status: 500, error: "uncaught_exception" });
  expect(await recordOf(thrownId)).toMatchObject({ status: 500, error: { code: "uncaught_exception" } });

  const missing = await fetch(`${server.url}/nothing`);
  expect(await accessOf(missing.headers.get("isopod-request-id"))).toMatchObject({ status: 404, error: "not_found" });

  const ids = server.accessLines().map((line) => line["request_id"]);
  expect(ids).toHaveLength(3);
  const metrics = await (await server.admin("/metrics")).text();
  expect(metrics).toContain('isopod_errors_total{code="uncaught_exception"} 1\n');
  expect(metrics).toMatch(/^isopod_request[a-z_]*\{[^}]*\} [1-9]/m);
});

test("an answer of the cache leaves its line, with its own request id, and is counted", async () => {
  await using server = await ServeProcess.start(FILES);
  const ids: (string | null)[] = [];
  for (let count = 0; count < 3; count += 1) {
    const answer = await fetch(`${server.url}/f/kept`);
    expect(await answer.text()).toBe("kept");
    ids.push(answer.headers.get("isopod-request-id"));
  }
  expect(new Set(ids).size).toBe(3);
  const line = (id: string | null) => server.accessLines().find((each) => each["request_id"] === id);
  for (const [index, id] of ids.entries()) {
    const found = await settled(`the access line of ${id}`, async () => line(id));
    expect(found).toMatchObject({ status: 200, bytes: 4, target: "f", cache: index === 0 ? "miss" : "hit" });
  }
  const metrics = await (await server.admin("/metrics")).text();
  expect(metrics).toContain('isopod_cache_answers_total{use="hit"} 2\n');
  expect(metrics).toContain('isopod_cache_answers_total{use="miss"} 1\n');
  expect(metrics).toMatch(/^isopod_cache_bytes [1-9]/m);
});

test("health needs no key; the admin listener answers no foreign host and no web page", async () => {
  await using server = await ServeProcess.start(FILES);
  expect(await (await fetch(`${server.adminUrl}/healthz`)).text()).toBe("ok\n");
  const port = Number(new URL(server.adminUrl).port);
  expect(await rawExchange(port, ["GET /metrics HTTP/1.1", "Host: evil.example"])).toMatchObject({ status: 403 });
  expect(
    await rawExchange(port, ["GET /metrics HTTP/1.1", "Host: localhost", "Origin: https://evil.example"]),
  ).toMatchObject({ status: 403 });
  expect(
    await rawExchange(port, ["POST /v1/pins HTTP/1.1", "Host: localhost", "Content-Length: 2"], "{}"),
  ).toMatchObject({ status: 401 });
});
