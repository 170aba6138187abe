/** Every way to a function leads through its middlewares; and what is told of them afterwards. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { InvokeCommand } from "@aws-sdk/client-lambda";
import { lambdaClient, makeKey } from "../../testing/lambda_rig.ts";
import { linesOf, plain, startMiddlewares, tables } from "../../testing/middleware_rig.ts";
import { errorOf } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";
import { settled, WebSocketClient } from "../../testing/websocket_client.ts";

const MIDDLEWARES: Readonly<Record<string, string>> = {
  guard: plain(`if hook == "before":
    print("guarding", value["rawPath"], file=sys.stderr)
    value["headers"]["x-guard"] = "passed"
    if "x-bad" in value["headers"]: value = {"statusCode": 403, "body": "no"}
    value["isopod"] = {"spans": [{"name": "lookup", "ms": 2.5, "start_ms": 1, "attributes": {"found": True, "key": "k"}}]}
else: value["headers"]["x-after"] = "seen"`),
  payload: plain(`if hook == "before": value["added"] = 1
else: value["after"] = sorted(value.keys())`),
  coder: plain(`if hook == "after":
    value["seen"] = True
    if "teapot" in value: value["isopod"] = {"response": {"statusCode": 418, "body": "short and stout"}}`),
  "traced.ts": `export async function before(event: any, ctx: any) { await ctx.time("waited", () => new Promise((r) => setTimeout(r, 5))); }
    export const after = (response: Response, ctx: any) => { ctx.span("counted", 3, { status: response.status }); };`,
  watch: '#!/bin/sh\n[ "$1" = after ] && echo "error is $ISOPOD_ERROR" >&2\nexec cat\n',
  only: plain('value["headers"]["x-only"] = hook'),
  "marks.ts": `export const before = (event: any) => { event.headers["x-guard"] = "marked"; };`,
  "only.json": '{"hooks":["before"]}',
};

let server: TestServer;

beforeAll(async () => {
  const config = `
[plans.anonymous]
run = "any"
middlewares = ["guard"]
${tables({
  guarded: `path = "f.ts"\nmiddlewares = ["guard"]`,
  traced: `path = "f.ts"\nmiddlewares = ["guard", "traced"]`,
  watched: `path = "f.ts"\nmiddlewares = ["watch"]`,
  only: `path = "f.ts"\nmiddlewares = ["only"]`,
  caller: `path = "caller.ts"\nbindings.F = { type = "function", name = "guarded" }`,
  invoked: `path = "whole"\ndialect = "stdio"\ncommand = "python3 main.py"\nmiddlewares = ["payload"]`,
  coded: `path = "whole"\ndialect = "stdio"\nevent = "json"\ncommand = "python3 main.py"\nmiddlewares = ["coder"]`,
  kept: `path = "kept.ts"\nmiddlewares = ["guard"]`,
  plain: `path = "f.ts"`,
})}
[[functions]]
name = "one-host"
path = "address.ts"
routes = ["ANY one.example/*"]
middlewares = ["guard"]
[[functions]]
name = "two-host"
path = "address.ts"
routes = ["ANY two.example/*"]
middlewares = ["marks"]
`;
  server = await startMiddlewares(MIDDLEWARES, config, {
    "f.ts": `export default (request: Request) => {
      const { pathname } = new URL(request.url);
      if (pathname.endsWith("/fail")) throw new Error("broken");
      if (pathname.endsWith("/loud")) console.log("loud");
      if (pathname.endsWith("/stream")) return new Response(new ReadableStream({ async start(controller) {
        for (const word of ["one ", "two"]) { await Bun.sleep(1); controller.enqueue(new TextEncoder().encode(word)); }
        controller.close(); } }));
      if (pathname.endsWith("/socket")) {
        const { 0: client, 1: own } = new (globalThis as any).WebSocketPair();
        own.accept();
        own.addEventListener("message", () => own.send(request.headers.get("x-guard")));
        return new Response(null, { status: 101, webSocket: client } as any);
      }
      return new Response("guard: " + request.headers.get("x-guard") + request.headers.get("x-only"));
    };`,
    "address.ts": `export default (request: Request) => new Response(request.url + " " + request.headers.get("x-guard"));`,
    "caller.ts": `export default async (request: Request, env: any) => {
      const answer = await env.F.fetch("http://f/guarded", { headers: { "x-guard": "forged" } });
      return new Response((await answer.text()) + " " + answer.headers.get("x-after"));
    };`,
    "kept.ts": `let count = 0;
      export default () => new Response(String(++count), { headers: { "cache-control": "public, max-age=60" } });`,
    "whole/main.py": "import sys\nfor line in sys.stdin: print(line, end='', flush=True)\n",
  });
}, 60_000);

afterAll(() => server[Symbol.asyncDispose]());

const ask = (path: string, init?: RequestInit) => fetch(`${server.url}/${path}`, init);

test("programs that are sent to /run have those of their caller's plan around them", async () => {
  const program = 'export default (request: Request) => new Response("run " + request.headers.get("x-guard"));';
  const answer = await server.run(program);
  expect([await answer.text(), answer.headers.get("x-after")]).toEqual(["run passed", "seen"]);
  expect(await linesOf(server, answer)).toEqual(["guarding /run"]);
  const refused = await server.run(program, { headers: { "x-bad": "1" } });
  expect([refused.status, await refused.text()]).toEqual([403, "no"]);
  const script = await server
    .run('console.log("logged"); await Bun.write(Bun.stdout, "output");')
    .catch(() => undefined);
  expect(script?.headers.get("x-after")).toBe("seen");
});

test("a run as a stream of events has its log, its answer and its end", async () => {
  const headers = { accept: "text/event-stream" };
  const answer = await server.run('console.log("line"); export default () => new Response("out");', { headers });
  const text = await answer.text();
  expect(text).toContain("guarding /run");
  expect(text).toMatch(/event: log\ndata: .*"line"/);
  expect(text).toMatch(/event: result\ndata: .*"x-after","seen"/);
  expect(text).toMatch(/event: output\ndata: .*out/);
  expect(text).toMatch(/event: end\ndata: .*"wall_ms"/);
  const failed = await (await server.run('export default () => { throw new Error("mine"); };', { headers })).text();
  expect(failed).toMatch(/event: error\ndata: .*"uncaught_exception".*mine/);
});

test("no path names another host behind them", async () => {
  for (const [host, guard] of [
    ["one.example", "passed"],
    ["two.example", "marked"],
  ] as const) {
    for (const path of ["//evil.example/admin", "//[/x", "//evil.example:99999/", "/\\\\evil.example/"]) {
      const answer = await fetch(server.url + path, { headers: { host } });
      const text = await answer.text();
      expect([path, answer.status, text.startsWith(`http://${host}/`), text.endsWith(` ${guard}`)]).toEqual([
        ...[path, 200, true, true],
      ]);
    }
  }
});

test("a call of another function passes the callee's", async () => {
  expect(await (await ask("caller")).text()).toBe("guard: passednull seen");
});

test("what the invoke API hands over is the event, and its answer the result", async () => {
  const { aws } = await makeKey(server);
  const client = lambdaClient(server, aws);
  const { Payload, FunctionError } = await client.send(
    new InvokeCommand({ FunctionName: "invoked", Payload: JSON.stringify({ own: 1 }) }),
  );
  expect(FunctionError).toBeUndefined();
  expect(JSON.parse(new TextDecoder().decode(Payload))).toEqual({ own: 1, added: 1, after: ["added", "own"] });
});

test("a result that has a statusCode of its own is the result all the same, unless one of them says that it answers", async () => {
  const { aws } = await makeKey(server);
  const client = lambdaClient(server, aws);
  const invoke = async (event: unknown) => {
    const call = new InvokeCommand({ FunctionName: "coded", Payload: JSON.stringify(event) });
    return JSON.parse(new TextDecoder().decode((await client.send(call)).Payload));
  };
  expect(await invoke({ statusCode: 404, body: "mine" })).toEqual({ statusCode: 404, body: "mine", seen: true });
  const plainly = await ask("coded", { method: "POST", body: '{"statusCode":404,"own":1}' });
  expect([plainly.status, await plainly.json()]).toEqual([200, { statusCode: 404, own: 1, seen: true }]);
  const answered = await ask("coded", { method: "POST", body: '{"statusCode":404,"teapot":1}' });
  expect([answered.status, await answered.text()]).toEqual([418, "short and stout"]);
});

test("a WebSocket is accepted behind before, and after is not run", async () => {
  await using socket = await WebSocketClient.connect(`${server.url.replace("http", "ws")}/guarded/socket`);
  socket.send("?");
  expect(await socket.next()).toBe("passed");
  const refused = fetch(`${server.url}/guarded/socket`, { headers: { "x-bad": "1" } });
  expect((await refused).status).toBe(403);
});

test("an answer that is kept was given by all of them, and is given again without them", async () => {
  const first = await ask("kept");
  expect([await first.text(), first.headers.get("x-after")]).toEqual(["1", "seen"]);
  const again = await ask("kept", { headers: { "x-bad": "1" } });
  expect([await again.text(), again.headers.get("x-after")]).toEqual(["1", "seen"]);
});

test("a streamed answer is whole behind them", async () => {
  expect(await (await ask("guarded/stream")).text()).toBe("one two");
});

test("the hook that a manifest leaves out is not run", async () => {
  const answer = await ask("only");
  expect([await answer.text(), answer.headers.get("x-only")]).toEqual(["guard: nullbefore", null]);
});

test("what a function fails of is its caller's as before, and the hooks after it see it", async () => {
  const answer = await ask("watched/fail");
  expect([answer.status, (await errorOf(answer)).code]).toEqual([500, "uncaught_exception"]);
  await settled("the hook's line", async () => {
    const { items } = (await (await server.admin("/v1/logs?function=watched")).json()) as {
      items: { text?: string }[];
    };
    return items.some(({ text }) => text === "error is uncaught_exception") || undefined;
  });
});

interface Told {
  readonly spans?: readonly {
    name: string;
    middleware: string;
    startMs: number;
    durationMs: number;
    attributes?: object;
  }[];
  readonly figures: { readonly wallMs: number; readonly responseBytes: number };
}

test("their time and their spans are remembered with the request, and counted", async () => {
  const answer = await ask("traced/loud");
  await answer.text();
  const id = answer.headers.get("isopod-request-id");
  const { spans = [], figures } = await settled("the record", async () => {
    const told = await server.admin(`/v1/invocations/${id}`);
    return told.status === 200 ? ((await told.json()) as Told) : undefined;
  });
  expect(answer.headers.has("isopod-hook")).toBe(false);
  const names = spans.map(({ name }) => name).sort();
  const hooks = ["guard.after", "guard.before", "traced.after", "traced.before"];
  expect(names).toEqual([...hooks, "counted", "function", "lookup", "waited"].sort());
  const of = (name: string) => spans.find((span) => span.name === name);
  expect(of("lookup")).toMatchObject({ middleware: "guard", durationMs: 2.5, attributes: { found: true, key: "k" } });
  expect(of("counted")).toMatchObject({ middleware: "traced", durationMs: 3, attributes: { status: 200 } });
  expect(of("waited")?.durationMs).toBeGreaterThan(4);
  expect(of("traced.before")?.durationMs).toBeGreaterThan(4);
  expect(of("function")?.startMs).toBeGreaterThanOrEqual(of("guard.before")?.durationMs ?? Number.NaN);
  expect(figures.responseBytes).toBe("guard: passednull".length);
  const metrics = await (await server.admin("/metrics")).text();
  expect(metrics).toMatch(/isopod_middleware_duration_seconds_count\{hook="guard\.before"\} \d+/);
  const bare = await ask("plain");
  await bare.text();
  const record = await server.admin(`/v1/invocations/${bare.headers.get("isopod-request-id")}`);
  expect(await record.json()).not.toHaveProperty("spans");
});

test("the middlewares of a plan are named where plans are listed", async () => {
  const { items } = (await (await server.admin("/v1/plans")).json()) as { items: { name: string }[] };
  expect(items.find(({ name }) => name === "anonymous")).toMatchObject({ middlewares: ["guard"] });
});

test("instances of middlewares go when their function does", async () => {
  const functions = () => (server.server.status() as { pool: { functions: number } }).pool.functions;
  expect(functions()).toBeGreaterThan(2);
  await server.reload(tables({ plain: 'path = "f.ts"' }));
  await settled("fewer functions", async () => (functions() <= 1 ? true : undefined));
});
