/** How programs are sent to `/run`, and what reaches them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startTestServer, type TestServer } from "../../testing/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ prewarmed: 2 });
});
afterAll(() => server[Symbol.asyncDispose]());

const TEXT = "text/plain; charset=utf-8";

/** Status and text of what the server answers to an envelope. */
async function envelope(body: object, headers: Record<string, string> = {}): Promise<[number, string]> {
  const response = await server.run(JSON.stringify(body), {
    headers: { "content-type": "application/json", ...headers },
  });
  return [response.status, await response.text()];
}

/** What a program writes that is sent with `init`. */
async function output(code: string, init?: RequestInit): Promise<string> {
  return (await server.run(code, init)).text();
}

/** A module that says what it was called with. */
const ECHO = `export default async (request: Request, env: object, ctx: { args: unknown }) =>
  ({ args: ctx.args, env, input: await request.text(), type: request.headers.get("content-type"), method: request.method })`;

test("a script's output is the answer", async () => {
  const response = await server.run(`console.log("hello", 1 + 1)`);
  expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([
    200,
    TEXT,
    "hello 2\n",
  ]);
  expect(response.headers.get("isopod-request-id")).toMatch(/^[0-9a-f]{26}$/);
});

test("a body is TypeScript, whatever its content type says, unless it says JavaScript", async () => {
  const typed = `const n: number = 3; console.log(<T,>(x: T) => x, n)`;
  for (const type of [
    "",
    "text/plain",
    "application/octet-stream",
    "application/typescript",
    "application/x-www-form-urlencoded",
  ]) {
    expect([type, await output(typed, { headers: type === "" ? {} : { "content-type": type } })]).toEqual([
      type,
      "[Function] 3\n",
    ]);
  }
  for (const type of ["text/javascript", "application/javascript; charset=utf-8", "Application/X-JavaScript"]) {
    const refused = await server.run(typed, { headers: { "content-type": type } });
    expect([type, refused.status, ((await refused.json()) as { error: { code: string } }).error.code]).toEqual([
      type,
      400,
      "syntax_error",
    ]);
  }
});

test("what is JavaScript and would be other TypeScript keeps its meaning", async () => {
  const code = "const f = (a, b) => [a, b], a = 1, b = 2, c = 3; console.log(JSON.stringify(f(a<b,b>(c))))";
  expect(await output(code, { headers: { "content-type": "text/javascript" } })).toBe("[true,false]\n");
});

test("an envelope carries code, arguments, variables and input", async () => {
  const [status, text] = await envelope({
    code: ECHO,
    args: { n: [1, "é"] },
    env: { NAME: "value" },
    input: "some text",
  });
  expect([status, JSON.parse(text)]).toEqual([
    200,
    { args: { n: [1, "é"] }, env: { NAME: "value" }, input: "some text", type: TEXT, method: "POST" },
  ]);
});

test("input that is no text reaches the program as JSON", async () => {
  const [, text] = await envelope({ code: ECHO, input: { a: [null, 1.5] } });
  expect(JSON.parse(text)).toMatchObject({ input: '{"a":[null,1.5]}', type: "application/json" });
  const [, none] = await envelope({ code: ECHO });
  expect(JSON.parse(none)).toEqual({ env: {}, input: "", type: null, method: "POST" });
});

test("an envelope says the language, and its limits are held", async () => {
  expect(await envelope({ code: "let a: number = 1", language: "javascript" })).toMatchObject([
    400,
    expect.stringContaining("syntax_error"),
  ]);
  const [status, text] = await envelope({ code: "for (;;);", limits: { cpu_ms: 60 } });
  expect([status, JSON.parse(text).error]).toMatchObject([
    500,
    { code: "cpu_limit", limit: { name: "cpuMs", value: 60 } },
  ]);
});

test("a form carries code and binary input, byte for byte", async () => {
  const bytes = Uint8Array.from({ length: 300_000 }, (_, at) => (at * 7919) & 255);
  const form = new FormData();
  form.append(
    "code",
    "export default async (request) => new Response(await request.bytes(), { headers: { 'x-type': request.headers.get('content-type') } })",
  );
  form.append("input", new Blob([bytes], { type: "image/png" }), "a.png");
  const response = await fetch(`${server.url}/run`, { method: "POST", body: form });
  expect([response.status, response.headers.get("x-type")]).toEqual([200, "image/png"]);
  expect(Bun.hash(await response.bytes())).toBe(Bun.hash(bytes));
});

test("a form carries arguments, variables and limits as JSON, and code as a file", async () => {
  const form = new FormData();
  form.append("code", new Blob([ECHO], { type: "application/octet-stream" }), "program.ts");
  form.append("args", '["a"]');
  form.append("env", '{"A":"b"}');
  form.append("limits", '{"wall_ms": 5000}');
  form.append("input", "plain");
  const response = await fetch(`${server.url}/run`, { method: "POST", body: form });
  expect(await response.json()).toEqual({ args: ["a"], env: { A: "b" }, input: "plain", type: TEXT, method: "POST" });
});

test("a script reads its input from stdin", async () => {
  const code =
    "let text = ''; for await (const chunk of Deno.stdin.readable) text += new TextDecoder().decode(chunk); console.log(text.length)";
  expect(await envelope({ code, input: "x".repeat(200_000) })).toEqual([200, "200000\n"]);
});

test("variables come from headers, upper-cased, in env, process.env and Deno.env", async () => {
  const headers = { "isopod-env-api-key": "s3cret", "Isopod-Env-Other": "grüße" };
  const script =
    "console.log(process.env.API_KEY, Deno.env.get('API_KEY'), process.env.OTHER, Object.keys(process.env).join(), JSON.stringify(Deno.env.toObject()))";
  expect(await output(script, { headers })).toBe(
    's3cret s3cret grüße API_KEY,OTHER {"API_KEY":"s3cret","OTHER":"grüße"}\n',
  );
  const module =
    "export default (request, env) => [env, process.env.API_KEY, Deno.env.has('OTHER'), request.headers.get('isopod-env-other')]";
  const response = await server.run(module, { headers });
  expect(await response.json()).toEqual([{ API_KEY: "s3cret", OTHER: "grüße" }, "s3cret", true, null]);
});

test("variables are bounded in number, size and form", async () => {
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`isopod-env-n${at}`, "v"]));
  const cases: [Record<string, string>, string][] = [
    [many, "more than 64"],
    [{ "isopod-env-1a": "v" }, "not beginning with a digit"],
    [{ "isopod-env-": "v" }, 'variable ""'],
  ];
  for (const [headers, reason] of cases) {
    const response = await server.run("1", { headers });
    expect([response.status, await response.json()]).toEqual([
      400,
      { error: { code: "bad_request", message: expect.stringContaining(reason), request_id: expect.any(String) } },
    ]);
  }
  expect(await envelope({ code: "1", env: { BIG: "x".repeat(33_000) } })).toMatchObject([
    400,
    expect.stringContaining("32768 bytes"),
  ]);
});

test("a body's variables and arguments go before those of headers", async () => {
  const headers = { "isopod-env-a": "header", "isopod-env-b": "header", "isopod-args": '"header"' };
  const [, text] = await envelope({ code: ECHO, env: { A: "body" }, args: "body" }, headers);
  expect(JSON.parse(text)).toMatchObject({ env: { A: "body", B: "header" }, args: "body" });
});

test("input that a program does not read, or reads late, does no harm", async () => {
  const input = new Blob([new Uint8Array(3_000_000)]);
  const programs: [string, string][] = [
    ["console.log('unread')", "unread\n"],
    ["export default () => 'unread'", '"unread"'],
    ["export default async (request) => { await Bun.sleep(50); return (await request.bytes()).length; }", "3000000"],
    [
      "let n = 0; await Bun.sleep(50); for await (const chunk of Deno.stdin.readable) n += chunk.length; console.log(n)",
      "3000000\n",
    ],
  ];
  for (const [code, expected] of programs) {
    const form = new FormData();
    form.append("code", code);
    form.append("input", input);
    const response = await fetch(`${server.url}/run`, { method: "POST", body: form });
    expect([code, response.status, await response.text()]).toEqual([code, 200, expected]);
  }
});

test("arguments come from a header as JSON, in ctx.args and Deno.args", async () => {
  const headers = { "isopod-args": '{"deep":[1,{"x":null}]}' };
  expect(await (await server.run("export default (r, e, ctx) => ctx.args", { headers })).json()).toEqual({
    deep: [1, { x: null }],
  });
  expect(await output("console.log(Deno.args.join('|'))", { headers: { "isopod-args": '["a b", 2]' } })).toBe(
    "a b|2\n",
  );
  const wrong = await server.run("1", { headers: { "isopod-args": "{" } });
  expect([wrong.status, await wrong.json()]).toMatchObject([400, { error: { code: "bad_request" } }]);
});

test("a program sees neither the caller's key nor the platform's headers", async () => {
  const form = { headers: { "isopod-args": "1", "x-mine": "yes", cookie: "a=b" } };
  const response = await server.run("export default (request) => [...request.headers.keys()]", form);
  const names = (await response.json()) as string[];
  expect(names).toContain("x-mine");
  expect(names.filter((name) => /^(isopod-|authorization|content-length|content-type|connection)/.test(name))).toEqual(
    [],
  );
});

test("only POST carries a program, and HEAD, GET and others say so", async () => {
  for (const method of ["GET", "PUT", "DELETE"]) {
    const response = await fetch(`${server.url}/run`, { method });
    expect([method, response.status, await response.json()]).toMatchObject([
      method,
      405,
      { error: { code: "method_not_allowed" } },
    ]);
  }
});
