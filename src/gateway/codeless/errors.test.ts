/** What callers are told when a program cannot be run, fails or reaches a limit: code, message, request id, place. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { recordOf } from "../../testing/records.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";
import { type SourceServer, startSourceServer } from "../../testing/source_server.ts";

let sources: SourceServer;
let server: TestServer;
beforeAll(async () => {
  sources = startSourceServer();
  server = await startTestServer({ prewarmed: 2, config: `[codeless]\nsources = ["http://${sources.host}/"]\n` });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  sources[Symbol.dispose]();
});

interface Failure {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly line?: number;
  readonly column?: number;
  readonly limit?: { readonly name: string; readonly value: number };
}

/** The error of an answer, once everything that every error has is seen to be there. */
async function failure(response: Response | Promise<Response>): Promise<Failure> {
  const { status, headers } = await response;
  const body = (await (await response).json()) as { error: Omit<Failure, "status"> & { request_id: string } };
  expect([headers.get("content-type"), Object.keys(body)]).toEqual(["application/json", ["error"]]);
  const { request_id, ...error } = body.error;
  expect(request_id).toBe(headers.get("isopod-request-id") ?? "missing");
  expect(error.message.length).toBeGreaterThan(0);
  return { status, ...error };
}

/** The error of a program under limits of its own. */
const limited = (code: string, limits: object): Promise<Failure> =>
  failure(server.run(JSON.stringify({ code, limits }), { headers: { "content-type": "application/json" } }));

test("a syntax error is 400, with its line and column", async () => {
  expect(await failure(server.run("let a = 1;\nlet b = (;\n"))).toMatchObject({
    status: 400,
    code: "syntax_error",
    line: 2,
    column: 10,
  });
  expect(await failure(server.run("export default () => {\n  return {{\n}"))).toMatchObject({
    status: 400,
    code: "syntax_error",
    line: 2,
    column: 11,
  });
  expect(await failure(server.run("export default 1; export default 2"))).toMatchObject({
    status: 400,
    code: "syntax_error",
    line: 1,
  });
});

test("what a script throws is 500, with the place of the original TypeScript", async () => {
  const code = "interface A { a: string }\n\nconst x: A = { a: '' };\n  throw new RangeError('boom' + x.a);";
  expect(await failure(server.run(code))).toEqual({
    status: 500,
    code: "uncaught_exception",
    message: "RangeError: boom",
    line: 4,
    column: 13,
  });
});

test("what a module throws has its place: in the handler, in a callee, after an await, in a timer", async () => {
  const cases: [string, number][] = [
    ["export default () => {\n  throw new Error('x');\n}", 2],
    ["type T = 1;\nfunction f(n: number) {\n  if (n) throw new Error('x');\n}\nexport default { fetch() { f(1) } }", 3],
    ["export default async () => {\n  await 1;\n\n  throw new Error('x');\n}", 4],
    ["export default () => new Promise(() => {\n  setTimeout(() => {\n    throw new Error('x');\n  }, 1);\n})", 3],
    [
      "export default () => {\n  Promise.reject(new Error('x'));\n  return new Promise((r) => setTimeout(r, 5000));\n}",
      2,
    ],
    ["const early = 1;\nif (early) throw new Error('x');\nexport default () => 1", 2],
  ];
  for (const [code, line] of cases) {
    const { column, ...rest } = await failure(server.run(code));
    expect([code, rest]).toEqual([code, { status: 500, code: "uncaught_exception", message: "Error: x", line }]);
    expect(column).toBeGreaterThan(0);
  }
});

test("anything can be thrown", async () => {
  const values: [string, string][] = [
    ["'text'", 'Uncaught "text"'],
    ["null", "Uncaught null"],
    ["undefined", "Uncaught undefined"],
    ["{ a: 1 }", "Uncaught {\n  a: 1,\n}"],
    ["Symbol('s')", "Uncaught Symbol(s)"],
    ["Object.assign(new Error('m'), { name: 'Custom' })", "Custom: m"],
    ["new Error('x'.repeat(10000))", `Error: ${"x".repeat(4089)}`],
    ["{ get message() { throw 1 } }", expect.stringContaining("Uncaught") as unknown as string],
    ["new (class extends Error { get message() { throw 1 } })()", expect.any(String) as unknown as string],
    ["new Proxy(new Error('p'), { get() { throw 1 } })", expect.any(String) as unknown as string],
  ];
  for (const [value, message] of values) {
    const found = await failure(server.run(`export default () => { throw ${value} }`));
    expect([value, found.status, found.message]).toEqual([value, 500, message]);
  }
});

test("in a bundle, line and column are those of the original file, which the message and the log name", async () => {
  sources.files.set(
    "/main.ts",
    'import { f } from "./lib.ts";\n\ntype N = number;\nexport default () => {\n  const n: N = 1;\n  return f(n);\n};\n',
  );
  sources.files.set(
    "/lib.ts",
    "// one\n// two\nexport interface Q { a: string }\nexport function f(n: number): unknown {\n  if (n === 1) throw new Error('in lib');\n  return n;\n}\n",
  );
  const response = await fetch(`${server.url}/run/${sources.host}/main.ts`);
  const place = `http://${sources.host}/lib.ts:5:26`;
  expect(await failure(response)).toEqual({
    status: 500,
    code: "uncaught_exception",
    message: `Error: in lib (${place})`,
    line: 5,
    column: 26,
  });
  expect((await recordOf(server, response)).error).toMatchObject({ line: 5, column: 26 });
  sources.files.set(
    "/main.ts",
    'import { f } from "./lib.ts";\n\n// a comment\n\nexport default async () => {\n  f(2); await 1;\n  throw new TypeError("own");\n};\n',
  );
  expect(await failure(fetch(`${server.url}/run/${sources.host}/main.ts`))).toMatchObject({
    line: 7,
    message: expect.stringContaining("main.ts:7:"),
  });
});

test("a syntax error in an import is that file's", async () => {
  sources.files.set("/entry.ts", 'import { f } from "./broken.ts"; f();');
  sources.files.set("/broken.ts", "export function f() {}\n\nlet x = (;\n");
  const found = await failure(fetch(`${server.url}/run/${sources.host}/entry.ts`));
  expect(found).toMatchObject({
    status: 400,
    code: "syntax_error",
    line: 3,
    column: 10,
    message: expect.stringContaining(`http://${sources.host}/broken.ts:3:10`),
  });
});

test("an import that cannot be resolved is 400", async () => {
  for (const specifier of ["./x.ts", "left-pad", "npm:left-pad", "jsr:@std/path"]) {
    expect(await failure(server.run(`import x from "${specifier}"; console.log(x)`))).toMatchObject({
      status: 400,
      code: "unresolved_import",
      message: expect.stringContaining(specifier),
    });
  }
});

test("a script that exits with a code other than 0 has failed", async () => {
  expect(await failure(server.run("process.exit(3)"))).toMatchObject({
    status: 500,
    code: "uncaught_exception",
    message: expect.stringContaining("code 3"),
  });
  expect(await failure(server.run("Deno.exit(4)"))).toMatchObject({
    status: 500,
    message: expect.stringContaining("code 4"),
  });
  expect(await (await server.run("console.log('a'); process.exit(0); console.log('b')")).text()).toBe("a\n");
});

test("the wall limit is 504 and says its value", async () => {
  const startedAt = performance.now();
  expect(await limited("await new Promise((resolve) => setTimeout(resolve, 9000))", { wall_ms: 200 })).toMatchObject({
    status: 504,
    code: "wall_limit",
    message: expect.stringContaining("wall_ms = 200"),
    limit: { name: "wallMs", value: 200 },
  });
  expect(performance.now() - startedAt).toBeLessThan(200 + 250 + 250);
});

test("the limits on processor time and memory are 500 with their codes", async () => {
  expect(await limited("for (;;);", { cpu_ms: 100 })).toMatchObject({
    status: 500,
    code: "cpu_limit",
    limit: { name: "cpuMs", value: 100 },
  });
  expect(
    await limited("const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1));", { memory_mb: 32 }),
  ).toMatchObject({
    status: 500,
    code: "memory_limit",
    limit: { name: "memoryBytes", value: 32 * 1024 * 1024 },
  });
});

test("the limits on answer, log and outgoing requests are 500 with their codes", async () => {
  expect(await limited("export default () => new Response('x'.repeat(100))", { response_mb: 0 })).toMatchObject({
    status: 500,
    code: "response_limit",
    limit: { name: "responseBytesMax", value: 0 },
  });
  const lines = "export default () => { for (let i = 0; i < 99; i++) console.log('x'.repeat(100)); return 1 }";
  expect(await limited(lines, { log_kb: 1 })).toMatchObject({ status: 500, code: "log_limit" });
  const fetches =
    "export default async () => { for (let i = 0; i < 3; i++) await fetch('http://example.org/').catch(() => {}); return 1 }";
  expect((await limited(fetches, { subrequests: 1 })).code).toBe("subrequest_limit");
});

test("a limit that a caller asks for never rises over the plan's", async () => {
  await using tight = await startTestServer({ config: "[plans.anonymous]\nwall_ms = 150\n" });
  const body = JSON.stringify({ code: "await new Promise((r) => setTimeout(r, 5000))", limits: { wall_ms: 9000 } });
  expect(await failure(tight.run(body, { headers: { "content-type": "application/json" } }))).toMatchObject({
    status: 504,
    limit: { value: 150 },
  });
});

test("programs and bodies that are too large are 413", async () => {
  const code = await failure(server.run("/".repeat(10 * 1024 * 1024 + 1)));
  expect(code).toMatchObject({ status: 413, code: "code_too_large" });
  await using small = await startTestServer({ config: "[plans.anonymous]\nbody_mb = 1\n" });
  const envelope = JSON.stringify({ code: "1", input: "x".repeat(1_100_000) });
  expect(await failure(small.run(envelope, { headers: { "content-type": "application/json" } }))).toMatchObject({
    status: 413,
    code: "body_too_large",
  });
});

test("a request outside of the endpoint's forms is 400 and says what was expected", async () => {
  const cases: [string | Uint8Array<ArrayBuffer>, Record<string, string>, string][] = [
    ["", {}, "empty"],
    [Uint8Array.of(0xff, 0xfe), {}, "UTF-8"],
    ["{", { "content-type": "application/json" }, "not JSON"],
    ['{"code":"1","hash":"x"}', { "content-type": "application/json" }, "hash"],
    ['{"code":"1","limts":{}}', { "content-type": "application/json" }, "limts"],
    ['{"code":"1","limits":{"wall_ms":-1}}', { "content-type": "application/json" }, "wall_ms"],
    ["{}", { "content-type": "application/json" }, "exactly one of code, url and hash"],
    ["1", { "content-encoding": "gzip" }, "gzip"],
  ];
  for (const [body, headers, reason] of cases) {
    const found = await failure(fetch(`${server.url}/run`, { method: "POST", body, headers }));
    expect([found.status, found.code, found.message]).toEqual([400, "bad_request", expect.stringContaining(reason)]);
  }
});

test("overload is 503 with Retry-After", async () => {
  await using tiny = await startTestServer({ config: "[pool]\nprewarmed = 0\ninstances = 1\n" });
  const abort = new AbortController();
  const first = await tiny.run("console.log('in'); setTimeout(() => {}, 60_000)", { signal: abort.signal });
  const second = await tiny.run("1");
  expect([second.status, second.headers.get("retry-after")]).toEqual([503, "1"]);
  expect((await failure(second)).code).toBe("overloaded");
  abort.abort();
  await first.text().catch(() => {});
});
