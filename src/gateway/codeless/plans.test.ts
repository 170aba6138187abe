/** Who may run what, and how much of it: plans, keys, pins, rates, web pages. */
import { expect, test } from "bun:test";
import { RawClient, rawExchange } from "../../testing/raw_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

const hashOf = (text: string) => `sha256-${new Bun.CryptoHasher("sha256").update(text).digest("hex")}`;

/** Status and code of an answer; the text when it is none of ours. */
async function read(response: Response | Promise<Response>): Promise<[number, string]> {
  const { status } = await response;
  const text = await (await response).text();
  try {
    return [status, (JSON.parse(text) as { error: { code: string } }).error.code];
  } catch {
    return [status, text];
  }
}

const bearer = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });

/** Registers a program by the admin API. */
function pin(server: TestServer, code: string, token = server.token): Promise<Response> {
  return fetch(`${server.adminUrl}/v1/pins`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ code, language: "javascript" }),
  });
}

test("run = none refuses every form", async () => {
  await using server = await startTestServer({ config: '[plans.anonymous]\nrun = "none"\n' });
  expect(await read(server.run("console.log(1)"))).toEqual([403, "run_not_allowed"]);
  expect(await read(fetch(`${server.url}/run/${hashOf("x")}`))).toEqual([403, "run_not_allowed"]);
  expect(await read(fetch(`${server.url}/run/example.org/x.ts`))).toEqual([403, "run_not_allowed"]);
});

test("on loopback, anonymous may run any program when nothing is said", async () => {
  await using server = await startTestServer();
  expect(await read(server.run("console.log(1)"))).toEqual([200, "1\n"]);
});

test("a key that may pins, another key does not, and neither changes anything else", async () => {
  const key = (name: string, pin: boolean) => `[[keys]]\nplan = "anonymous"\nhash = "${hashOf(name)}"\npin = ${pin}\n`;
  const config = `[plans.anonymous]\nrun = "pinned"\n${key("reviewer", true)}${key("caller", false)}`;
  await using server = await startTestServer({ config, prewarmed: 0 });
  const pin = (name: string, path = "/v1/pins") => {
    const headers = { authorization: `Bearer ${name}`, "content-type": "application/json" };
    return fetch(server.adminUrl + path, { method: "POST", headers, body: JSON.stringify({ code: "console.log(1)" }) });
  };
  expect((await pin("caller")).status).toBe(401);
  const pinned = await pin("reviewer");
  expect(pinned.status).toBe(201);
  const { hash } = (await pinned.json()) as { hash: string };
  expect(await (await fetch(`${server.url}/run/${hash}`)).text()).toBe("1\n");
  expect((await pin("reviewer", "/v1/other")).status).toBe(401);
});

test("keys map to plans; an unknown key is refused, never anonymous", async () => {
  const config = `[plans.anonymous]\nrun = "none"\n[plans.paid]\nrun = "any"\nwall_ms = 200\n[[keys]]\nplan = "paid"\nhash = "${hashOf("the-key")}"\n`;
  await using server = await startTestServer({ config });
  expect(await read(server.run("console.log(1)", bearer("the-key")))).toEqual([200, "1\n"]);
  expect(await read(server.run("console.log(1)"))).toEqual([403, "run_not_allowed"]);
  expect(await read(server.run("await new Promise((r) => setTimeout(r, 5000))", bearer("the-key")))).toEqual([
    504,
    "wall_limit",
  ]);
  for (const authorization of [
    "Bearer other",
    "Bearer",
    "Basic dGhlLWtleQ==",
    `Bearer ${hashOf("the-key")}`,
    "the-key",
    "Bearer the-key the-key",
  ]) {
    expect([authorization, await read(server.run("1", { headers: { authorization } }))]).toEqual([
      authorization,
      [401, "unauthorized"],
    ]);
  }
  const seen = await server.run("export default (r) => r.headers.get('authorization')", bearer("the-key"));
  expect(await seen.json()).toBe(null);
});

test("run = pinned runs what was pinned with the token, by body, hash and address, and nothing else", async () => {
  await using server = await startTestServer({ config: '[plans.anonymous]\nrun = "pinned"\n' });
  const code = "console.log('pinned', process.env.A ?? '')";
  const hash = hashOf(code);
  expect(await read(server.run(code))).toEqual([403, "not_pinned"]);
  expect(await read(fetch(`${server.url}/run/${hash}`))).toEqual([404, "not_found"]);
  const pinned = await pin(server, code);
  expect([pinned.status, await pinned.json()]).toEqual([201, { hash }]);
  expect(await read(server.run(code))).toEqual([200, "pinned \n"]);
  expect(await read(fetch(`${server.url}/run/${hash}`, { headers: { "isopod-env-a": "b" } }))).toEqual([
    200,
    "pinned b\n",
  ]);
  expect(await read(fetch(`${server.url}/run/${hash.toUpperCase().replace("SHA", "sha")}`))).toEqual([
    200,
    "pinned \n",
  ]);
  const envelope = { headers: { "content-type": "application/json" } };
  expect(await read(server.run(JSON.stringify({ hash, env: { A: "c" } }), envelope))).toEqual([200, "pinned c\n"]);
  expect(await read(server.run(`${code} `))).toEqual([403, "not_pinned"]);
  expect(await read(server.run(`\ufeff${code}`))).toEqual([403, "not_pinned"]);
  expect(await read(fetch(`${server.url}/run/sha256-zz`))).toEqual([400, "bad_request"]);
});

test("a pin needs the token, and what it holds is checked", async () => {
  await using server = await startTestServer({ config: '[plans.anonymous]\nrun = "pinned"\n' });
  for (const token of ["", "wrong", `${server.token}x`]) {
    expect((await pin(server, "console.log(1)", token)).status).toBe(401);
  }
  const headers = { authorization: `Bearer ${server.token}`, "content-type": "application/json" };
  for (const body of ["", "{", "[]", '{"code":""}', '{"code":"1","x":1}', '{"code":"1","language":"cobol"}']) {
    const response = await fetch(`${server.adminUrl}/v1/pins`, { method: "POST", headers, body });
    expect([body, response.status, response.headers.get("content-type")]).toEqual([
      body,
      400,
      "application/problem+json",
    ]);
  }
  expect(await read(server.run("console.log(1)"))).toEqual([403, "not_pinned"]);
});

test("the rate is held per caller, with Retry-After", async () => {
  const config = `[plans.anonymous]\nrate = "2/s"\n[plans.paid]\nrun = "any"\n[[keys]]\nplan = "paid"\nhash = "${hashOf("k")}"\n`;
  await using server = await startTestServer({ config, prewarmed: 2 });
  const answers = await Promise.all(Array.from({ length: 12 }, () => server.run("console.log(1)")));
  const limited = answers.filter(({ status }) => status === 429);
  expect([answers.some(({ status }) => status === 200), limited.length >= 6]).toEqual([true, true]);
  expect(Number(limited[0]?.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(await read(limited[0] as Response)).toEqual([429, "rate_limited"]);
  expect(await read(server.run("console.log(2)", bearer("k")))).toEqual([200, "2\n"]);
});

test("the concurrency is held per caller, and given back by whoever hangs up", async () => {
  await using server = await startTestServer({ config: "[plans.anonymous]\nconcurrency = 2\n", prewarmed: 2 });
  const hold = "console.log('in'); setTimeout(() => {}, 60_000)";
  const clients = [];
  for (let n = 0; n < 2; n++) {
    const client = await RawClient.connect(server.port);
    client.request(["POST /run HTTP/1.1", "host: localhost", `content-length: ${hold.length}`], hold);
    await client.until(() => client.received.includes("in\n"), "the program");
    clients.push(client);
  }
  expect(await read(server.run("console.log(1)"))).toEqual([429, "concurrency_limited"]);
  clients[0]?.socket.destroy();
  await untilAnswers(() => server.run("console.log(1)"), [200, "1\n"]);
  clients[1]?.socket.destroy();
});

/** Sends until the answer is `expected`. */
async function untilAnswers(send: () => Promise<Response>, expected: [number, string]): Promise<void> {
  const giveUpAt = performance.now() + 5000;
  for (;;) {
    const found = await read(send());
    if (Bun.deepEquals(found, expected) || performance.now() > giveUpAt) return expect(found).toEqual(expected);
  }
}

const CODE = "console.log(1)";
const POST = ["POST /run HTTP/1.1", `content-length: ${CODE.length}`];

test("on loopback a foreign Host is refused, whatever it looks like", async () => {
  await using server = await startTestServer();
  for (const host of [
    "evil.example",
    `evil.example:${server.port}`,
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "0x7f.1",
    "169.254.169.254",
  ]) {
    const response = await rawExchange(server.port, [...POST, `host: ${host}`], CODE);
    expect([host, response?.status, response?.body.includes("host_refused")]).toEqual([host, 403, true]);
  }
  for (const host of ["localhost", `127.0.0.1:${server.port}`, "[::1]:80", "my.localhost:1"]) {
    expect([host, (await rawExchange(server.port, [...POST, `host: ${host}`], CODE))?.status]).toEqual([host, 200]);
  }
});

test("without origins a page's request is refused, and nothing runs", async () => {
  await using server = await startTestServer();
  for (const origin of ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1", "file://"]) {
    const response = await server.run(CODE, { headers: { origin } });
    expect([origin, response.headers.get("access-control-allow-origin"), await read(response)]).toEqual([
      origin,
      null,
      [403, "origin_refused"],
    ]);
  }
  expect(await read(server.run(CODE, { headers: { "sec-fetch-site": "cross-site" } }))).toEqual([
    403,
    "origin_refused",
  ]);
  expect(await read(server.run(CODE, { headers: { origin: server.url } }))).toEqual([200, "1\n"]);
  expect(
    await read(
      fetch(`${server.url}/run`, {
        method: "OPTIONS",
        headers: { origin: "https://evil.example", "access-control-request-method": "POST" },
      }),
    ),
  ).toEqual([403, "origin_refused"]);
});

test("a plan's origins open it to those pages, errors included, and to no others", async () => {
  await using server = await startTestServer({ config: '[plans.anonymous]\norigins = ["https://app.example.com"]\n' });
  const headers = { origin: "https://app.example.com" };
  const response = await server.run(CODE, { headers });
  expect([
    response.headers.get("access-control-allow-origin"),
    response.headers.get("vary"),
    await read(response),
  ]).toEqual(["https://app.example.com", "Origin", [200, "1\n"]]);
  expect(response.headers.get("access-control-expose-headers")).toContain("Isopod-Request-Id");
  const failed = await server.run("throw 1", { headers });
  expect([failed.status, failed.headers.get("access-control-allow-origin")]).toEqual([500, "https://app.example.com"]);
  for (const origin of [
    "https://app.example.com.evil.org",
    "http://app.example.com",
    "https://app.example.com:444",
    "https://x.app.example.com",
  ]) {
    expect([origin, await read(server.run(CODE, { headers: { origin } }))]).toEqual([origin, [403, "origin_refused"]]);
  }
});

test("a preflight says what a page may send, and runs nothing", async () => {
  const config = `[plans.anonymous]\nrun = "none"\n[plans.web]\nrun = "any"\norigins = ["https://app.example.com"]\n[[keys]]\nplan = "web"\nhash = "${hashOf("k")}"\n`;
  await using server = await startTestServer({ config });
  const asked = {
    origin: "https://app.example.com",
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization, isopod-env-a",
  };
  const preflight = await fetch(`${server.url}/run`, { method: "OPTIONS", headers: asked });
  expect([
    preflight.status,
    preflight.headers.get("access-control-allow-origin"),
    preflight.headers.get("access-control-allow-methods"),
  ]).toEqual([204, "https://app.example.com", "POST"]);
  expect(preflight.headers.get("access-control-allow-headers")).toBe("authorization, isopod-env-a");
  const origin = "https://app.example.com";
  expect(await read(server.run(CODE, { headers: { origin, authorization: "Bearer k" } }))).toEqual([200, "1\n"]);
  expect(await read(server.run(CODE, { headers: { origin } }))).toEqual([403, "origin_refused"]);
});

test("a plan's egress is its programs', and nobody else's", async () => {
  using site = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("reached") });
  const config = `[plans.anonymous]\negress = []\n[plans.paid]\nrun = "any"\negress = ["127.0.0.1:${site.port}"]\n[[keys]]\nplan = "paid"\nhash = "${hashOf("k")}"\n`;
  await using server = await startTestServer({ config });
  const code = `export default async () => (await fetch("http://127.0.0.1:${site.port}/")).text()`;
  expect(await read(server.run(code, bearer("k")))).toEqual([200, '"reached"']);
  expect(await read(server.run(code))).toEqual([500, "uncaught_exception"]);
});

test("a reload changes what anonymous may do, and requests under way go on", async () => {
  await using server = await startTestServer();
  const running = await server.run("console.log('begun'); setTimeout(() => console.log('done'), 200)");
  await server.reload('[plans.anonymous]\nrun = "none"\n');
  expect(await read(server.run(CODE))).toEqual([403, "run_not_allowed"]);
  expect(await running.text()).toBe("begun\ndone\n");
});
