/** What programs answer: scripts as they write, modules by what they return, and what goes on beside the answer. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { RawClient } from "../../testing/raw_client.ts";
import { recordOf } from "../../testing/records.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";
import { startSourceServer } from "../../testing/source_server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ prewarmed: 2 });
});
afterAll(() => server[Symbol.asyncDispose]());

/** The first chunk of a response's body, as text. */
async function firstChunk({ body }: Response): Promise<string> {
  const found = await body?.getReader().read();
  return new TextDecoder().decode(found?.value);
}

/** The head of a POST that sends what follows in chunks. */
const chunkedHead = (path: string) => [`POST ${path} HTTP/1.1`, "host: localhost", "transfer-encoding: chunked"];
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;

test("a script's output arrives as it is written, while the script runs", async () => {
  using client = await RawClient.connect(server.port);
  const code = "console.log('first'); setTimeout(() => console.log('never'), 60_000)";
  client.request(["POST /run HTTP/1.1", "host: localhost", `content-length: ${code.length}`], code);
  await client.until(() => client.received.includes("first\n"), "the first line");
  expect(client.received).toContain("Content-Type: text/plain; charset=utf-8");
  expect(client.received).not.toContain("never");
});

test("output of every kind keeps its order and its bytes", async () => {
  const code = `
    console.log("a %s", "b", { c: 1 });
    process.stdout.write(Uint8Array.of(0, 255, 10));
    Deno.stdout.writeSync(new TextEncoder().encode("é"));
    process.stdout.write("x");
    console.info("y"); console.debug("z");`;
  const bytes = await (await server.run(code)).bytes();
  expect([...bytes]).toEqual([...Buffer.from("a b {\n  c: 1,\n}\n"), 0, 255, 10, ...Buffer.from("éxy\nz\n")]);
});

test("stderr goes to the log and not to the caller", async () => {
  const response = await server.run(`
    console.log("out"); console.error("to the log"); console.warn("warned"); process.stderr.write("raw\\n");
    Deno.stderr.writeSync(new TextEncoder().encode("deno"));`);
  expect(await response.text()).toBe("out\n");
  expect((await recordOf(server, response)).logs).toEqual([
    { level: "error", text: "to the log" },
    { level: "warn", text: "warned" },
    { level: "error", text: "raw" },
    { level: "error", text: "deno" },
  ]);
});

test("a module's console goes to the log", async () => {
  const response = await server.run("console.log('top'); export default () => { console.log('called'); return 1 }");
  expect([await response.text(), (await recordOf(server, response)).logs]).toEqual([
    "1",
    [
      { level: "info", text: "top" },
      { level: "info", text: "called" },
    ],
  ]);
});

test("a module is a function or an object with fetch, called with request, env and ctx", async () => {
  const body =
    "return [request.method, new URL(request.url).search, env.A, ctx.args, typeof ctx.requestId, typeof ctx.deadline, ctx.params, ctx.function ?? null]";
  const init = { method: "POST", headers: { "isopod-env-a": "1", "isopod-args": "[2]" } };
  const forms = [
    `export default function (request, env, ctx) { ${body} }`,
    `export default { fetch(request, env, ctx) { ${body} } }`,
    `class App { fetch(request, env, ctx) { ${body} } } const app = new App(); export { app as default }`,
    `export default { name: "this", async fetch(request, env, ctx) { if (this.name !== "this") throw 1; ${body} } }`,
  ];
  for (const code of forms) {
    const response = await fetch(`${server.url}/run?q=1`, { ...init, body: code });
    expect([code, await response.json()]).toEqual([code, ["POST", "?q=1", "1", [2], "string", "number", {}, null]]);
  }
});

test("a Response is sent as it is: any status, its headers, its bytes", async () => {
  for (const status of [200, 201, 204, 301, 304, 404, 418, 500, 503, 599]) {
    const hasBody = status !== 204 && status !== 304;
    const code = `export default () => new Response(${hasBody ? '"body"' : "null"}, { status: ${status}, headers: { "x-a": "b", "location": "/elsewhere" } })`;
    const response = await server.run(code, { redirect: "manual" });
    expect([response.status, response.headers.get("x-a"), await response.text()]).toEqual([
      status,
      "b",
      hasBody ? "body" : "",
    ]);
  }
});

test("a Response keeps repeated cookies, and cannot frame the message", async () => {
  const response = await server.run(`export default () => {
    const headers = new Headers({ "content-length": "3", "x-isopod": "é".normalize("NFC") });
    headers.append("set-cookie", "a=1"); headers.append("set-cookie", "b=2");
    return new Response("longer than three", { headers });
  }`);
  expect([response.headers.getSetCookie(), await response.text()]).toEqual([["a=1", "b=2"], "longer than three"]);
});

test("a text Response says what it is, as on every platform", async () => {
  const text = await server.run("export default () => new Response('x')");
  expect(text.headers.get("content-type")?.toLowerCase()).toBe("text/plain;charset=utf-8");
  const json = await server.run("export default () => Response.json({ a: 1 })");
  expect([json.headers.get("content-type"), await json.json()]).toEqual([
    expect.stringContaining("application/json"),
    { a: 1 },
  ]);
});

test("binary and large bodies arrive byte for byte, from bytes, blobs and streams", async () => {
  const bytes = "Uint8Array.from({ length: 1_500_000 }, (_, at) => (at * 31) & 255)";
  const expected = Bun.hash(Uint8Array.from({ length: 1_500_000 }, (_, at) => (at * 31) & 255));
  const bodies = [
    `new Response(${bytes})`,
    `new Response(new Blob([${bytes}]))`,
    `new Response(new Blob([${bytes}]).stream())`,
    `new Response(new ReadableStream({ start(c) { const b = ${bytes}; for (let at = 0; at < b.length; at += 1000) c.enqueue(b.subarray(at, at + 1000)); c.close() } }))`,
  ];
  for (const body of bodies) {
    const response = await server.run(`export default () => ${body}`);
    expect([body, Bun.hash(await response.bytes())]).toEqual([body, expected]);
  }
});

test("a streaming Response arrives piece by piece", async () => {
  const code = `export default (request) => new Response(new ReadableStream({
    async start(controller) {
      controller.enqueue(new TextEncoder().encode("first"));
      setTimeout(() => controller.close(), 60_000);
    } }), { status: 202 })`;
  const abort = new AbortController();
  const response = await server.run(code, { signal: abort.signal });
  const first = await firstChunk(response);
  expect([response.status, first]).toEqual([202, "first"]);
  abort.abort();
});

test("input and output stream at the same time", async () => {
  await using source = await startSource();
  using client = await RawClient.connect(source.port);
  client.request(chunkedHead(source.path("echo.ts")));
  client.send(chunk("one"));
  await client.until(() => client.received.includes("<one>"), "the first piece's echo");
  client.send(chunk("two"));
  await client.until(() => client.received.includes("<two>"), "the second piece's echo");
  client.send("0\r\n\r\n");
  await client.until(() => client.received.endsWith("0\r\n\r\n"), "the last chunk");
});

/** A server with a source server that holds a program which echoes its input as it comes. */
async function startSource() {
  const sources = startSourceServer({
    "/echo.ts": `export default async function* (request) { const d = new TextDecoder(); for await (const c of request.body) yield "<" + d.decode(c) + ">" }`,
    "/hello.ts": "console.log('hello')",
  });
  const started = await startTestServer({ config: `[codeless]\nsources = ["http://${sources.host}/"]\n` });
  return {
    port: started.port,
    path: (name: string) => `/run/${sources.host}/${name}`,
    async [Symbol.asyncDispose]() {
      await started[Symbol.asyncDispose]();
      sources[Symbol.dispose]();
    },
  };
}

test("any other value is JSON", async () => {
  const values: [string, string][] = [
    ["{ a: [1, 'é', null] }", '{"a":[1,"é",null]}'],
    ["'text'", '"text"'],
    ["0", "0"],
    ["null", "null"],
    ["undefined", "null"],
    ["new Date(0)", '"1970-01-01T00:00:00.000Z"'],
    ["Promise.resolve(true)", "true"],
  ];
  for (const [value, expected] of values) {
    const response = await server.run(`export default () => (${value})`);
    expect([value, response.headers.get("content-type"), await response.text()]).toEqual([
      value,
      "application/json",
      expected,
    ]);
  }
});

test("a value that is no JSON is the program's mistake", async () => {
  for (const value of [
    "1n",
    "(() => { const a = {}; a.a = a; return a })()",
    "{ toJSON() { throw new Error('no') } }",
  ]) {
    const response = await server.run(`export default () => (${value})`);
    expect([value, response.status]).toEqual([value, 500]);
    expect(await response.json()).toMatchObject({
      error: { code: expect.stringMatching(/^(uncaught_exception|invalid_result)$/) },
    });
  }
});

test("top-level await works in scripts and in modules", async () => {
  expect(
    await (
      await server.run("const x = await new Promise((r) => setTimeout(() => r('late'), 5)); console.log(x)")
    ).text(),
  ).toBe("late\n");
  expect(await (await server.run("const x = await Promise.resolve(5); export default () => x")).json()).toBe(5);
});

test("an async generator is a streaming body of texts and bytes", async () => {
  const code = `export default async function* (request, env, ctx) {
    yield "first"; yield new Uint8Array([0, 255]);
    await new Promise((resolve) => setTimeout(resolve, 60_000)); yield "never" }`;
  const abort = new AbortController();
  const response = await server.run(code, { signal: abort.signal });
  const first = await firstChunk(response);
  expect([response.headers.get("content-type"), first.startsWith("first")]).toEqual([
    "text/plain; charset=utf-8",
    true,
  ]);
  abort.abort();
  const whole = await server.run(
    "export default { async *fetch() { yield 'a'; await 1; yield new Uint8Array([0, 255]) } }",
  );
  expect([...(await whole.bytes())]).toEqual([97, 0, 255]);
});

test("request.signal is there, and has not fired while the caller waits", async () => {
  const response = await server.run(
    "export default (request) => [request.signal instanceof AbortSignal, request.signal.aborted]",
  );
  expect(await response.json()).toEqual([true, false]);
});

test("ctx.waitUntil keeps a module running after its answer, and its log is kept", async () => {
  const response = await server.run(`export default (request, env, ctx) => {
    ctx.waitUntil(new Promise((resolve) => setTimeout(() => { console.log("afterwards"); resolve() }, 30)));
    ctx.waitUntil(Promise.reject(new Error("ignored by the caller")));
    return "now";
  }`);
  expect(await response.text()).toBe('"now"');
  const { logs, error } = await recordOf(server, response);
  expect([logs.at(-1)?.text, error]).toEqual(["afterwards", undefined]);
});

test("what waitUntil waits for is under the wall limit", async () => {
  const response = await server.run(
    JSON.stringify({
      code: "export default (r, e, ctx) => { ctx.waitUntil(new Promise(() => setInterval(() => {}, 1000))); return 1 }",
      limits: { wall_ms: 150 },
    }),
    { headers: { "content-type": "application/json" } },
  );
  expect(await response.text()).toBe("1");
  expect((await recordOf(server, response)).error?.code).toBe("wall_limit");
});

test("a HEAD request runs a program and gets no body", async () => {
  await using source = await startSource();
  const response = await fetch(`http://127.0.0.1:${source.port}${source.path("hello.ts")}`, { method: "HEAD" });
  expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([
    200,
    "text/plain; charset=utf-8",
    "",
  ]);
});
