/** Functions that run on a real server: what they give, what they are given, how they fail, how they end. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { goneAfter, instances } from "../testing/children.ts";
import { startTestServer, type TestServer } from "../testing/server.ts";
import { connect, type RemoteServer, type RunContext } from "./connect.ts";
import { IsopodRunError } from "./run_error.ts";
import { runRequest } from "./run_options.ts";
import { programOf } from "./sent_function.ts";

const CONFIG = `
[plans.anonymous]
run = "any"
origins = ["https://app.example.com"]
[plans.pinned]
run = "pinned"
[[keys]]
plan = "pinned"
hash = "sha256-${new Bun.CryptoHasher("sha256").update("a-key-of-its-own").digest("hex")}"
`;

let isopod: TestServer;
let server: RemoteServer;
beforeAll(async () => {
  isopod = await startTestServer({ prewarmed: 0, config: CONFIG });
  server = connect(isopod.url);
});
afterAll(() => isopod[Symbol.asyncDispose]());

/** What a run fails of. */
async function failure(run: Promise<unknown>): Promise<IsopodRunError> {
  const error = await run.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof IsopodRunError) return error;
  throw new Error(`Cannot test the failure: expected an IsopodRunError, not ${error}`);
}

test("a function is given its arguments, env, request and deadline, and gives its value, typed", async () => {
  const sum: number = await server.run(({ args }) => args.a + args.b, { a: 1, b: 2 });
  expect(sum).toBe(3);
  const seen = await server.run(
    async ({ args, env, request, requestId, deadline }) => ({
      args,
      env: { ...env },
      body: await request.text(),
      requestId,
      left: deadline - Date.now(),
    }),
    ["ü", null],
    { env: { REGION: "eu" }, input: "sent" },
  );
  expect(seen).toEqual({
    args: ["ü", null],
    env: { REGION: "eu" },
    body: "sent",
    requestId: expect.stringMatching(/^\w+$/),
    left: expect.any(Number),
  });
  expect(seen.left).toBeGreaterThan(0);
});

test("every kind of value comes as JSON has it, and nothing as undefined", async () => {
  expect(await server.run(() => undefined)).toBeUndefined();
  expect(await server.run(() => null)).toBeNull();
  expect(await server.run(() => "text")).toBe("text");
  expect(await server.run(() => ({ at: new Date(0), list: [undefined] }))).toEqual({
    at: "1970-01-01T00:00:00.000Z" as never,
    list: [null as never],
  });
  expect(await server.run(async ({ args }) => args.n.repeat(1000), { n: "é€😀" })).toBe("é€😀".repeat(1000));
  const bytes = new Uint8Array([0, 255, 128]);
  const input = { input: bytes };
  expect(await server.run(async ({ request }) => [...(await request.bytes())], undefined, input)).toEqual([
    0, 255, 128,
  ]);
  expect((await failure(server.run(() => 1n))).message).toMatch(/^TypeError: .*BigInt/);
});

test("every form of function can be sent", async () => {
  async function named({ args }: RunContext<number>) {
    return args + 1;
  }
  expect(await server.run(named, 1)).toBe(2);
  expect(
    await server.run(function (this: unknown, { args }) {
      return args;
    }, 7),
  ).toBe(7);
  // biome-ignore format: an arrow without parentheses
  expect(await server.run(async context => context.args, 8)).toBe(8);
  expect(
    await server.run(function fib({ args }: RunContext<number>): number {
      const of = (n: number): number => (n < 2 ? n : of(n - 1) + of(n - 2));
      return of(args);
    }, 20),
  ).toBe(6765);
});

test("what cannot be sent is refused here, with the reason", () => {
  const holder = {
    method: async () => 1,
    async shorthand() {},
    get [Symbol.iterator]() {
      return () => 1;
    },
  };
  expect(() => server.run(holder.shorthand)).toThrow('Cannot send the function "shorthand": it is a method');
  expect(() => server.run(class Wrong {} as never)).toThrow('Cannot send the function "Wrong": it is a class');
  expect(() => server.run(holder.method.bind(null))).toThrow("functions that are bound or built in have none");
  expect(() => server.run("text" as never)).toThrow("expected a function, not string");
  expect(() => connect("localhost:8080")).toThrow('Cannot connect to "localhost:8080": expected a URL');
  expect(() => server.pinned("sha256-12")).toThrow("expected sha256- and 64 hex digits");
});

test("an async generator's values come as they are yielded, and leaving the loop ends it on the server", async () => {
  const values = await server.run(async function* ({ args }) {
    for (let i = 0; i < args; i++) yield { i };
  }, 1000);
  let next = 0;
  for await (const { i } of values) expect(i).toBe(next++);
  expect(next).toBe(1000);

  await goneAfter(instances(), 5000);
  const endless = await server.run(async function* () {
    for (let i = 0; ; i++) {
      yield i;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });
  for await (const i of endless) {
    if (i < 2) continue;
    expect(instances().length).toBeGreaterThan(0);
    break;
  }
  await goneAfter(instances(), 5000);
});

test("a Response comes with its status, headers and bytes as they stream", async () => {
  const response = await server.run(
    ({ args }) =>
      new Response(
        new ReadableStream({
          start(to) {
            for (const chunk of args) to.enqueue(new Uint8Array(chunk));
            to.close();
          },
        }),
        { status: 418, headers: { "x-own": "1" } },
      ),
    [[0xff, 0x00], [0xe2, 0x82], [0xac]],
  );
  expect([response.status, response.headers.get("x-own")]).toEqual([418, "1"]);
  expect([...(await response.bytes())]).toEqual([0xff, 0x00, 0xe2, 0x82, 0xac]);
  expect((await server.run(() => new Response(null, { status: 204 }))).status).toBe(204);
  const error = { error: { code: "cpu_limit", message: "not the server's own" } };
  const own = await server.run(({ args }) => Response.json(args, { status: 500 }), error);
  expect([own.status, await own.json()]).toEqual([500, error]);
});

test("a limit that strikes is named, also in the middle of a stream", async () => {
  const busy = await failure(
    server.run(
      () => {
        for (;;);
      },
      undefined,
      { limits: { cpu_ms: 50 } },
    ),
  );
  expect([busy.code, busy.limit, busy.requestId]).toEqual([
    "cpu_limit",
    { name: "cpuMs", value: 50 },
    expect.stringMatching(/^\w+$/),
  ]);
  const values = await server.run(async function* () {
    yield 1;
    throw new RangeError("after one");
  });
  const seen: number[] = [];
  const ended = (async () => {
    for await (const value of values) seen.push(value);
  })();
  expect((await failure(ended)).message).toBe("RangeError: after one");
  expect(seen).toEqual([1]);
  const large = server.run(() => "x".repeat(2000), undefined, { resultBytesMax: 1000 });
  expect((await failure(large)).limit).toEqual({ name: "resultBytesMax", value: 1000 });
});

test("a variable around the function is missed by name, with what to do", async () => {
  const outside = process.pid;
  const { code, message } = await failure(server.run(() => outside));
  expect(code).toBe("uncaught_exception");
  expect(message).toBe(
    "ReferenceError: outside is not defined; the function runs elsewhere and sees no variable around it: give it outside in args, or import it inside",
  );
});

test("what the server refuses, and what is no server, are errors with a code", async () => {
  const pinned = connect(isopod.url, { key: "a-key-of-its-own" });
  expect((await failure(pinned.run(() => 1))).code).toBe("not_pinned");
  const stranger = connect(isopod.url, { key: "nobody" });
  expect((await failure(stranger.run(() => 1))).code).toBe("unauthorized");
  expect((await failure(server.run(() => 1, 1, { limits: { cpu: 1 } as never }))).message).toContain("cpu");
  expect((await failure(server.pinned(`sha256-${"0".repeat(64)}`)())).code).toBe("not_found");
  expect((await failure(server.runCode("const = 1"))).code).toBe("syntax_error");
  expect((await failure(connect(isopod.adminUrl).run(() => 1))).code).toBe("unauthorized");
  using other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello") });
  expect((await failure(connect(other.url).run(() => 1))).code).toBe("invalid_answer");
  const { url } = other;
  await other.stop(true);
  const unreachable = await failure(connect(url).run(() => 1));
  expect(unreachable.code).toBe("unreachable");
  expect(unreachable.message).toStartWith(`Cannot reach ${url}run: `);
});

test("a connection that ends before the run is told from an answer", async () => {
  const events =
    'event: result\ndata: {"status":200,"headers":[["content-type","application/vnd.isopod.value+json"]]}\n\n';
  using cut = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () =>
      new Response(`${events}event: output\ndata: "1"\n\n`, { headers: { "content-type": "text/event-stream" } }),
  });
  expect((await failure(connect(cut.url).run(() => 1))).code).toBe("connection_lost");
});

test("an aborted signal rejects with its reason, and ends the run on the server", async () => {
  await goneAfter(instances(), 5000);
  const aborted = new AbortController();
  const log = () => aborted.abort(new Error("enough"));
  const run = server.run(
    async () => {
      console.log("runs");
      await new Promise(() => setInterval(() => {}, 1000));
    },
    undefined,
    { signal: aborted.signal, log },
  );
  expect(run).rejects.toThrow("enough");
  await run.catch(() => {});
  await goneAfter(instances(), 5000);
  expect(server.run(() => 1, undefined, { signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
});

test("what the function logs is given to the caller who asks for it", async () => {
  const lines: unknown[] = [];
  const log = (line: unknown) => lines.push(line);
  await server.run(
    () => {
      console.log("one", 1);
      console.error("two");
    },
    undefined,
    { log },
  );
  expect(lines).toEqual([
    { level: "info", text: "one 1" },
    { level: "error", text: "two" },
  ]);
});

test("whole programs run too: what a script prints, what a module answers, what a URL holds", async () => {
  expect(await (await server.runCode("console.log(Deno.args.join())", ["a", "b"])).text()).toBe("a,b\n");
  expect(await (await server.runCode("1")).text()).toBe("");
  expect(await (await server.runCode("export default (r, e, { args }) => ({ args })", 1)).json()).toEqual({ args: 1 });
  expect((await failure(server.runUrl("https://example.com/x.ts"))).code).toBe("source_refused");
});

test("a page whose origin the plan allows may run functions, and see the answer", async () => {
  const { body, headers } = runRequest({ code: programOf("() => 1"), language: "javascript" }, 1, {}, undefined);
  const page = { origin: "https://app.example.com" };
  const preflight = await fetch(server.url, {
    method: "OPTIONS",
    headers: {
      ...page,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,content-type",
    },
  });
  expect(preflight.headers.get("access-control-allow-headers")).toBe("authorization, content-type");
  const answer = await fetch(server.url, {
    method: "POST",
    body: body as string,
    headers: { ...page, ...(headers as object) },
  });
  expect(answer.headers.get("access-control-allow-origin")).toBe("https://app.example.com");
  expect(await answer.text()).toContain('event: output\ndata: "1"');
});
