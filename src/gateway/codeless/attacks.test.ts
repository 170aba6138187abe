/** Requests and programs that are meant to hurt: each is answered, costs the server little, and leaves it well. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { RawClient, rawExchange } from "../../testing/raw_client.ts";
import { startRawServer } from "../../testing/raw_server.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ prewarmed: 2 });
});
afterEach(async () => {
  expect(await (await server.run("console.log('well')")).text()).toBe("well\n");
});
afterAll(() => server[Symbol.asyncDispose]());

const JSON_TYPE = { headers: { "content-type": "application/json" } };

/** How long the event loop may stand still for one request, in milliseconds; bombs would stop it for seconds. */
const STALL_MS = 400;

/** Time, and the processor time of this process, both in milliseconds. */
function clocks(): { wallMs: number; cpuMs: number } {
  const { user, system } = process.cpuUsage();
  return { wallMs: performance.now(), cpuMs: (user + system) / 1000 };
}

/**
 * Status and code of an answer, or its text; and the longest time for which the event loop worked without turning: on a
 * busy machine it also stands still because others have the processor, which no server can help.
 */
async function read(send: () => Promise<Response>): Promise<{ status: number; said: string }> {
  let worst = 0;
  let last = clocks();
  let watching = true;
  const watch = () => {
    const now = clocks();
    worst = Math.max(worst, Math.min(now.wallMs - last.wallMs, now.cpuMs - last.cpuMs));
    last = now;
    if (watching) setImmediate(watch);
  };
  const sent = send();
  last = clocks();
  watch();
  const response = await sent;
  const text = await response.text();
  watching = false;
  expect(worst).toBeLessThan(STALL_MS);
  const code =
    response.headers.get("content-type") === "application/json" && text.startsWith('{"error"')
      ? JSON.parse(text).error.code
      : text;
  return { status: response.status, said: code };
}

test("envelopes that are bombs are refused before they are built", async () => {
  const bombs: Record<string, string> = {
    lists: `{"code":"1","args":[${"[],".repeat(6_000_000)}1]}`,
    depth: `{"code":"1","args":${"[".repeat(4_000_000)}${"]".repeat(4_000_000)}}`,
    keys: `{"code":"1",${Array.from({ length: 300_000 }, (_, at) => `"k${at}":0`).join(",")}}`,
    variables: `{"code":"1","env":{${Array.from({ length: 300_000 }, (_, at) => `"K${at}":""`).join(",")}}}`,
    "depth below the bound": `{"code":"1","args":${"[".repeat(45_000)}${"]".repeat(45_000)}}`,
    "arguments that are too long": JSON.stringify({ code: "1", args: "\u0001é".repeat(50_000) }),
  };
  for (const [name, body] of Object.entries(bombs)) {
    expect([name, await read(() => server.run(body, JSON_TYPE))]).toEqual([name, { status: 400, said: "bad_request" }]);
  }
});

test("arguments up to their bound reach the program whole", async () => {
  const args = { text: '"\\é\u0001'.repeat(2000), list: Array.from({ length: 5000 }, (_, at) => at) };
  const response = await server.run(
    JSON.stringify({ code: "export default (r, e, ctx) => ctx.args", args }),
    JSON_TYPE,
  );
  expect(await response.json()).toEqual(args);
});

test("names that objects inherit are variables and nothing more", async () => {
  const body =
    '{"code":"export default (r, env) => [Object.keys(env), ({}).polluted ?? null]","env":{"__proto__":"a","constructor":"b","toString":"c"}}';
  const found = await server.run(body, JSON_TYPE);
  const [names, polluted] = found.status === 200 ? ((await found.json()) as [string[], unknown]) : [[], null];
  expect([polluted, names.every((name) => ["__proto__", "constructor", "toString"].includes(name))]).toEqual([
    null,
    true,
  ]);
  const args = await server.run(
    '{"code":"export default (r, e, ctx) => [ctx.args.polluted ?? null]","args":{"__proto__":{"polluted":1}}}',
    JSON_TYPE,
  );
  expect(args.status).toBe(200);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

test("fields that contradict each other are refused", async () => {
  const hash = `sha256-${"0".repeat(64)}`;
  const bodies = [
    { code: "1", url: "http://x/y" },
    { code: "1", hash },
    { url: "http://x/y", hash },
    { hash, language: "typescript", extra: 1 },
    {},
    { code: 1 },
    { code: null },
  ];
  for (const body of bodies) {
    expect([body, await read(() => server.run(JSON.stringify(body), JSON_TYPE))]).toEqual([
      body,
      { status: 400, said: "bad_request" },
    ]);
  }
  expect((await read(() => server.run('{"code":"console.log(1)","code":"console.log(2)"}', JSON_TYPE))).said).toBe(
    "2\n",
  );
});

test("forms that are bombs or broken are refused", async () => {
  const type = { headers: { "content-type": "multipart/form-data; boundary=b" } };
  const part = '--b\r\ncontent-disposition: form-data; name="code"\r\n\r\n1\r\n';
  const forms: Record<string, string> = {
    "many parts": `${part.repeat(50_000)}--b--\r\n`,
    "many names": `${Array.from({ length: 20_000 }, (_, at) => part.replace("code", `c${at}`)).join("")}--b--\r\n`,
    "no end": part,
    "no part": "--b--\r\n",
    "no name": "--b\r\ncontent-disposition: form-data\r\n\r\n1\r\n--b--\r\n",
    prototype: `${part.replace("code", "__proto__")}${part}--b--\r\n`,
    "args that are a bomb": `${part}${part.replace("code", "args").replace("\r\n1\r\n", `\r\n${"[".repeat(2_000_000)}\r\n`)}--b--\r\n`,
  };
  for (const [name, body] of Object.entries(forms)) {
    const { status, said } = await read(() => server.run(body, type));
    expect([name, status, said]).toEqual([name, 400, "bad_request"]);
  }
});

test("floods of headers are refused by number and by size", async () => {
  const post = ["POST /run HTTP/1.1", "host: localhost", "content-length: 1"];
  const many = await rawExchange(server.port, [...post, ...Array.from({ length: 5000 }, (_, at) => `x-${at}: 1`)], "1");
  expect(many === undefined || many.status === 431 || many.status === 400).toBe(true);
  const long = await rawExchange(server.port, [...post, `x: ${"y".repeat(200_000)}`], "1");
  expect(long === undefined || long.status === 431 || long.status === 400).toBe(true);
  const variables = await rawExchange(
    server.port,
    [...post, ...Array.from({ length: 70 }, (_, at) => `isopod-env-v${at}: 1`)],
    "1",
  );
  expect([variables?.status, variables?.body.includes("more than 64")]).toEqual([400, true]);
});

test("code at its largest runs, and code that breaks the parser is its sender's mistake", async () => {
  const largest = `console.log("ran")${" ".repeat(10 * 1024 * 1024 - 18)}`;
  expect(await read(() => server.run(largest))).toEqual({ status: 200, said: "ran\n" });
  const hostile: string[] = [
    "(".repeat(1_000_000),
    `x=${"[".repeat(100_000)}`,
    "a?".repeat(200_000),
    "`${".repeat(100_000),
    `import "node:fs"; x=${"{a:".repeat(100_000)}`,
  ];
  for (const code of hostile) {
    const { status, said } = await read(() => server.run(code));
    expect([code.slice(0, 20), status, said]).toEqual([code.slice(0, 20), 400, "syntax_error"]);
  }
});

test("answers that no answer can be are the program's mistake", async () => {
  const answers = [
    "Response.error()",
    "new Response('x', { headers: Object.fromEntries(Array.from({ length: 300 }, (_, i) => ['x-' + i, '1'])) })",
    "new Response('x', { headers: { a: 'y'.repeat(400_000) } })",
    "Object.defineProperty(new Response('x'), 'status', { value: 101 })",
    "Object.defineProperty(new Response('x'), 'status', { value: 1e9 })",
    "Object.defineProperty(new Response('x'), 'status', { value: 'HTTP/1.1' })",
  ];
  for (const answer of answers) {
    expect([answer, await read(() => server.run(`export default () => ${answer}`))]).toMatchObject([
      answer,
      { status: 500, said: expect.stringMatching(/^(invalid_result|uncaught_exception)$/) },
    ]);
  }
});

test("a program cannot speak for the platform in its headers", async () => {
  await using open = await startTestServer({ config: '[plans.anonymous]\norigins = ["https://app.example.com"]\n' });
  const headers =
    "{ 'isopod-request-id': 'fake', 'access-control-allow-origin': '*', connection: 'x-a', 'transfer-encoding': 'identity', vary: 'Accept' }";
  const response = await open.run(`export default () => new Response("x", { headers: ${headers} })`, {
    headers: { origin: "https://app.example.com" },
  });
  expect(response.headers.get("isopod-request-id")).toMatch(/^[0-9a-f]{26}$/);
  expect([
    response.headers.get("access-control-allow-origin"),
    response.headers.get("vary"),
    await response.text(),
  ]).toEqual(["https://app.example.com", "Accept, Origin", "x"]);
});

test("what is thrown cannot be larger than an error may be", async () => {
  for (const thrown of [
    "Object.assign(new Error('m'.repeat(1e6)), { stack: 's'.repeat(5e6) })",
    "Object.assign(new Error(''), { name: 'n'.repeat(5e6) })",
    "'x'.repeat(5e6)",
  ]) {
    const response = await server.run(`throw ${thrown}`);
    expect([response.status, (await response.text()).length < 20_000]).toEqual([500, true]);
  }
});

test("whoever hangs up while the program is fetched ends the fetch", async () => {
  const asked = Promise.withResolvers<void>();
  const source = await startRawServer(() => asked.resolve());
  await using slow = await startTestServer({ config: `[codeless]\nsources = ["http://127.0.0.1:${source.port}/"]\n` });
  const client = await RawClient.connect(slow.port);
  client.request([`GET /run/127.0.0.1:${source.port}/never.ts HTTP/1.1`, "host: localhost"]);
  await asked.promise;
  client.socket.destroy();
  await source.gone();
  await source.close();
});
