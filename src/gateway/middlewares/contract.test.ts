/** The plain contract, around functions of every engine: `NAME before`, `NAME after`, JSON in and out, and what fails. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  FUNCTION_TABLES,
  functionFiles,
  linesOf,
  marking,
  plain,
  startMiddlewares,
  tables,
} from "../../testing/middleware_rig.ts";
import { errorOf } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";

const ENGINES = Object.keys(FUNCTION_TABLES) as (keyof typeof FUNCTION_TABLES)[];

const MIDDLEWARES: Readonly<Record<string, string>> = {
  a: marking("a"),
  b: marking("b"),
  event: plain("print(json.dumps(value), file=sys.stderr)"),
  newline: "#!/bin/sh\ncat\nprintf '\\n'\n",
  fails: "#!/bin/sh\necho it broke >&2\nexit 3\n",
  "fails-after": '#!/bin/sh\n[ "$1" = before ] && exec cat\necho no good >&2\nexit 4\n',
  garbage: "#!/bin/sh\necho '{\"half\":'\n",
  denies: plain('if hook == "before": value = {"statusCode": 401, "headers": {"x-by": "denies"}, "body": "no entry"}'),
  written: plain('if hook == "before": value = {"statusCode": "401", "body": "as text"}'),
  envelope: plain('if hook == "before": value = {"isopod": {"response": {"statusCode": 403, "body": "not you"}}}'),
  rewrites: plain(`if hook == "before":
    value["rawPath"] = "/changed/path with space"
    value["rawQueryString"] = "q=1&q=2"
    value["requestContext"]["http"]["method"] = "POST"
    value["headers"]["x-new"] = "n"
    del value["headers"]["x-gone"]
    value["body"] = "body"
else:
    value = {"statusCode": 202, "headers": {"x-status": str(value["statusCode"])}, "cookies": ["a=1", "b=2"], "body": value["body"].upper()}`),
  adds: plain('if hook == "before": value["user"] = {"name": "ada"}'),
  env: plain(`if hook == "before": value["headers"]["x-env"] = os.environ["GREETING"]
else: value["headers"]["x-env"] = " ".join([os.environ["ISOPOD_FUNCTION"], os.environ["ISOPOD_HOOK"] if "ISOPOD_HOOK" in os.environ else "-", str(float(os.environ["ISOPOD_DURATION_MS"]) >= 0), str(int(os.environ["ISOPOD_DEADLINE_MS"]) > 0)])`),
};

const SHOW = `export default async (request: Request) => Response.json({
  method: request.method, url: new URL(request.url).pathname + new URL(request.url).search,
  headers: Object.fromEntries(request.headers), body: await request.text() });`;

let server: TestServer;

beforeAll(async () => {
  const orders = ENGINES.flatMap((engine) => [
    [engine, `${FUNCTION_TABLES[engine]}\nmiddlewares = ["a", "b"]`],
    [`${engine}-same`, `${FUNCTION_TABLES[engine]}\nmiddlewares = ["a", "b"]\nmiddleware_order = "same"`],
    [`${engine}-env`, `${FUNCTION_TABLES[engine]}\nenv = { SLSMIDDLEWARES = "b, a" }`],
  ]);
  const around = (list: string, more = "") => `path = "show.ts"\nmiddlewares = [${list}]\n${more}`;
  const functions = {
    ...Object.fromEntries(orders),
    newline: around('"newline"'),
    fails: around('"fails"'),
    "fails-after": around('"fails-after"'),
    garbage: around('"garbage"'),
    denied: around('"a", "denies", "b"'),
    envelope: around('"envelope"'),
    written: around('"written"'),
    rewrites: around('"rewrites"'),
    event: around('"event"'),
    variables: around('"env"', 'env = { GREETING = "hi" }'),
    adds: `path = "whole"\ndialect = "stdio"\ncommand = "python3 main.py"\nmiddlewares = ["adds"]`,
    json: `path = "whole"\ndialect = "stdio"\nevent = "json"\ncommand = "python3 main.py"\nmiddlewares = ["adds"]`,
    cloud: `path = "whole"\ndialect = "stdio"\nevent = "cloudevent"\ncommand = "python3 main.py"\nmiddlewares = ["adds"]`,
  };
  const whole = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)\n";
  const files = { ...(await functionFiles()), "show.ts": SHOW, "whole/main.py": whole };
  server = await startMiddlewares(MIDDLEWARES, tables(functions), files);
}, 60_000);

afterAll(() => server[Symbol.asyncDispose]());

const ask = (path: string, init?: RequestInit) => fetch(`${server.url}/${path}`, init);

for (const engine of ENGINES) {
  test(`${engine}: before in order, after the other way round`, async () => {
    const answer = await ask(engine);
    expect([answer.status, await answer.text(), answer.headers.get("x-order")]).toEqual([200, "ab", "ba"]);
  });

  test(`${engine}: after in the same order where that is asked for`, async () => {
    const answer = await ask(`${engine}-same`);
    expect([await answer.text(), answer.headers.get("x-order")]).toEqual(["ab", "ab"]);
  });

  test(`${engine}: named by the environment variable of the function`, async () => {
    const answer = await ask(`${engine}-env`);
    expect([await answer.text(), answer.headers.get("x-order")]).toEqual(["ba", "ab"]);
  });
}

test("the event is API Gateway's of payload 2.0, and the response a result of it", async () => {
  const answer = await ask("event/x%2Fy/z?a=1&a=2&b=3", {
    headers: { cookie: "c=1; d=2" },
    method: "PUT",
    body: "text",
  });
  const { headers, ...seen } = (await answer.json()) as { headers: Record<string, string> };
  // What no middleware has changed is as it was.
  expect(seen).toEqual({ method: "PUT", url: "/event/x%2Fy/z?a=1&a=2&b=3", body: "text" });
  expect(headers["cookie"]).toBe("c=1; d=2");
  const [before, after] = (await linesOf(server, answer)).map((line) => JSON.parse(line));
  expect(before).toMatchObject({
    version: "2.0",
    rawPath: "/event/x/y/z",
    rawQueryString: "a=1&a=2&b=3",
    queryStringParameters: { a: "1,2", b: "3" },
    cookies: ["c=1", "d=2"],
    pathParameters: { "*": expect.any(String) },
    requestContext: { http: { method: "PUT", sourceIp: "127.0.0.1" }, requestId: expect.any(String) },
    body: "text",
    isBase64Encoded: false,
  });
  expect(after).toMatchObject({ statusCode: 200, isBase64Encoded: false, body: expect.stringContaining('"PUT"') });
});

test("what they change of the request and of the answer counts", async () => {
  const answer = await ask("rewrites/old?x=1", { headers: { "x-gone": "1" } });
  expect([answer.status, answer.headers.get("x-status"), answer.headers.getSetCookie()]).toEqual([
    202,
    "200",
    ["a=1", "b=2"],
  ]);
  const { METHOD, URL: url, HEADERS, BODY } = (await answer.json()) as Record<string, Record<string, string>>;
  const told: object = { METHOD, url, BODY };
  expect(told).toEqual({
    METHOD: "POST",
    url: "/CHANGED/PATH%20WITH%20SPACE?Q=1&Q=2",
    BODY: "BODY",
  });
  expect(HEADERS).toMatchObject({ "X-NEW": "N" });
  expect(HEADERS).not.toHaveProperty("X-GONE");
});

test("bytes that are no text pass as they are", async () => {
  const bytes = Uint8Array.from({ length: 70_000 }, (_, at) => (at * 7) % 256);
  await using echo = await startMiddlewares(
    { a: marking("a") },
    tables({ echo: 'path = "echo.ts"\nmiddlewares = ["a"]' }),
    { "echo.ts": 'export default (request: Request) => new Response(request.body, { headers: { "x-t": "1" } });' },
  );
  const answer = await fetch(`${echo.url}/echo`, { method: "POST", body: bytes });
  expect(new Uint8Array(await answer.arrayBuffer())).toEqual(bytes);
}, 30_000);

test("a trailing newline is dropped", async () => {
  expect((await ask("newline")).status).toBe(200);
});

test("an exit code that is not 0 is a 502, and what was written to stderr is in the log", async () => {
  for (const [path, what, line] of [
    ["fails", "fails before ended with 3.", "it broke"],
    ["fails-after", "fails-after after ended with 4.", "no good"],
  ] as const) {
    const answer = await ask(path);
    const lines = await linesOf(server, answer);
    expect([answer.status, await errorOf(answer)]).toMatchObject([502, { code: "middleware_failed", message: what }]);
    expect(lines).toContain(line);
  }
});

test("what is not JSON is an error", async () => {
  const answer = await ask("garbage");
  expect(answer.status).toBe(502);
  const message = 'garbage before wrote "{\\"half\\":", which is not JSON.';
  expect(await errorOf(answer)).toMatchObject({ code: "middleware_invalid", message });
});

test("an answer of before ends the request: those before it see it, the function and those behind do not", async () => {
  const answer = await ask("denied");
  expect([answer.status, await answer.text()]).toEqual([401, "no entry"]);
  expect([answer.headers.get("x-by"), answer.headers.get("x-order")]).toEqual(["denies", "a"]);
  for (const [path, status, text] of [
    ["envelope", 403, "not you"],
    ["written", 401, "as text"],
  ] as const) {
    const other = await ask(path);
    expect([other.status, await other.text()]).toEqual([status, text]);
  }
});

test("they have the function's variables, and see what is to be known of the request", async () => {
  const answer = await ask("variables");
  expect(((await answer.json()) as { headers: object }).headers).toMatchObject({ "x-env": "hi" });
  expect(answer.headers.get("x-env")).toBe("variables - True True");
});

test("what they add to an event reaches a program that is given events, in every form", async () => {
  const init = { method: "POST", body: '{"own":1}', headers: { "content-type": "application/json" } };
  const http = (await (await ask("adds", init)).json()) as Record<string, unknown>;
  expect(http).toMatchObject({ version: "2.0", user: { name: "ada" }, body: '{"own":1}' });
  expect(await (await ask("json", init)).json()).toEqual({ own: 1, user: { name: "ada" } });
  const cloud = (await (await ask("cloud", init)).json()) as Record<string, unknown>;
  expect(cloud).toMatchObject({ specversion: "1.0", user: { name: "ada" }, data: { own: 1 } });
  const broken = await ask("json", { ...init, body: "{" });
  expect([broken.status, (await errorOf(broken)).code]).toEqual([400, "bad_request"]);
});

test("large bodies of many requests at once pass through one instance, and none waits for another for ever", async () => {
  const echo = `import json, sys
for line in sys.stdin:
    print(json.dumps({"statusCode": 200, "body": json.loads(line)["body"]}), flush=True)
`;
  const more =
    'middlewares = ["same"]\ninstances = 1\nlimits = { wall_ms = 60000, memory_mb = 512 }\nmiddleware_ms = 30000';
  await using server = await startMiddlewares(
    { same: "#!/bin/sh\nexec cat\n" },
    tables({
      hosted: `path = "echo.ts"\n${more}`,
      own: `path = "own"\ndialect = "stdio"\ncommand = "python3 main.py"\n${more}`,
    }),
    { "echo.ts": "export default (request: Request) => new Response(request.body);", "own/main.py": echo },
  );
  const body = "x".repeat(900_000);
  for (const path of ["hosted", "own"]) {
    const send = async () => (await fetch(`${server.url}/${path}`, { method: "POST", body })).text();
    // What they leave behind must not add up to the memory of an instance.
    for (let round = 0; round < 4; round += 1) {
      const all = await Promise.all(Array.from({ length: 6 }, send));
      expect(all.map(({ length }) => length)).toEqual(Array.from({ length: 6 }, () => body.length));
    }
  }
}, 60_000);
