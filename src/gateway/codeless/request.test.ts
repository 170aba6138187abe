import { expect, test } from "bun:test";
import { IsopodError } from "../../core/errors.ts";
import { type CodelessOptions, type CodelessRequest, codelessRest, parseCodelessRequest } from "./request.ts";

const options: CodelessOptions = { path: "/run", codeBytesMax: 10_000, bodyBytesMax: 20_000 };
const hash = `sha256-${"ab".repeat(32)}`;

function parse(path: string, init: RequestInit = {}, over: Partial<CodelessOptions> = {}): Promise<CodelessRequest> {
  return parseCodelessRequest(new Request(`http://localhost:8080${path}`, init), { ...options, ...over });
}

function post(
  body: NonNullable<RequestInit["body"]>,
  headers: Record<string, string> = {},
  path = "/run",
): Promise<CodelessRequest> {
  return parse(path, { method: "POST", body, headers });
}

function envelope(value: unknown): Promise<CodelessRequest> {
  return post(JSON.stringify(value), { "content-type": "application/json" });
}

function form(fields: Record<string, string | Blob>): Promise<CodelessRequest> {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  return post(data);
}

async function refusal(request: Promise<unknown>): Promise<string> {
  try {
    await request;
  } catch (error) {
    if (error instanceof IsopodError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "none";
}

function text(body: unknown): string {
  if (!(body instanceof Uint8Array)) throw new Error("Cannot read the input: it is not bytes");
  return new TextDecoder().decode(body);
}

test("only what stands below the endpoint is for it", () => {
  expect(codelessRest("/run", "/run")).toBe("");
  expect(codelessRest("/run/", "/run")).toBe("");
  expect(codelessRest("/run/a.b/c", "/run")).toBe("a.b/c");
  expect(codelessRest("/runner", "/run")).toBeUndefined();
  expect(codelessRest("/", "/")).toBe("");
  expect(codelessRest("/a.b/c", "/")).toBe("a.b/c");
  expect(codelessRest("/x/run", "/run")).toBeUndefined();
});

test("a posted body is the program, TypeScript unless its type says JavaScript", async () => {
  const request = await post("let x: number", {}, "/run?a=1&b=%20");
  expect(request.source).toEqual({ kind: "code", code: "let x: number", language: "typescript" });
  expect(request.programUrl).toBe("http://localhost:8080/run?a=1&b=%20");
  expect([request.input, request.events, request.integrity, request.argsJson]).toEqual([
    null,
    false,
    undefined,
    undefined,
  ]);
  for (const type of ["text/javascript; charset=utf-8", "application/javascript", "Application/X-JavaScript"]) {
    expect((await post("1", { "content-type": type })).source).toMatchObject({ language: "javascript" });
  }
  for (const type of ["application/x-www-form-urlencoded", "text/plain", "application/typescript"]) {
    expect((await post("1", { "content-type": type })).source).toMatchObject({ language: "typescript" });
  }
});

test("a program that cannot be one is refused", async () => {
  expect(await refusal(post(""))).toBe("bad_request: Cannot read the program: the body is empty.");
  expect(await refusal(post(new Uint8Array([0xff, 0xfe])))).toContain("it is not UTF-8");
  expect(await refusal(post("1", { "content-encoding": "gzip" }))).toContain('content encoding "gzip"');
  expect(await refusal(post("x".repeat(10_001)))).toContain(
    "code_too_large: Cannot read the program: it is over 10000 bytes",
  );
  expect(await refusal(parse("/run"))).toStartWith("method_not_allowed: Cannot GET /run: send the program with POST");
  expect(await refusal(parse("/run/a.b/c", { method: "DELETE" }))).toStartWith("method_not_allowed");
  expect(await refusal(parse("/other"))).toStartWith("not_found");
});

test("a stream without a told length is cut at the limit", async () => {
  let cancelled = false;
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 1;
      controller.enqueue(new Uint8Array(1000).fill(32));
    },
    cancel() {
      cancelled = true;
    },
  });
  const head = { method: "POST", url: "http://h/run", headers: new Headers(), body, bytes: () => Promise.reject() };
  expect(await refusal(parseCodelessRequest(head, options))).toStartWith("code_too_large");
  expect(sent).toBeLessThan(15);
  expect(cancelled).toBeTrue();
});

test("a body that breaks off is a caller that hung up", async () => {
  const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.error(new Error("reset")) });
  const head = { method: "POST", url: "http://h/run", headers: new Headers(), body, bytes: () => Promise.reject() };
  expect(await refusal(parseCodelessRequest(head, options))).toStartWith("client_gone");
});

test("a path names a source; the query is the program's, apart from integrity", async () => {
  const request = await parse(`/run/Raw.example.org/x/y%20z/hello.ts?a=1&integrity=${hash}&b=2`);
  expect(request.source).toEqual({ kind: "url", url: "//Raw.example.org/x/y%20z/hello.ts" });
  expect(request.integrity).toBe(hash);
  expect(request.programUrl).toBe("http://localhost:8080/run/Raw.example.org/x/y%20z/hello.ts?a=1&b=2");
  const base64 = `sha256-${Buffer.from("fb".repeat(32), "hex").toString("base64")}`;
  expect((await parse(`/run/a.b/c?integrity=${base64}`)).integrity).toBe(`sha256-${"fb".repeat(32)}`);
  expect((await parse(`/run/a.b/c?integrity=${encodeURIComponent(base64)}`)).programUrl).toBe(
    "http://localhost:8080/run/a.b/c",
  );
  expect((await parse("/raw.example.org/x/hello.ts", {}, { path: "/" })).source).toMatchObject({
    url: "//raw.example.org/x/hello.ts",
  });
  expect((await parse(`/run/${hash.toUpperCase().replace("SHA", "sha")}`)).source).toEqual({ kind: "hash", hash });
});

test("a source that cannot be one is refused", async () => {
  expect(await refusal(parse("/run/https://a.b/c"))).toContain("without a scheme");
  expect(await refusal(parse("/run/a.b"))).toContain("expected a host and a path");
  expect(await refusal(parse("/run/a.b/"))).toContain("expected a host and a path");
  expect(await refusal(parse("/run//a.b/c"))).toContain("expected a host and a path");
  expect(await refusal(parse("/run/sha256-12"))).toContain("64 hex digits");
  expect(await refusal(parse("/run/a.b/c?integrity=md5-1"))).toContain("Cannot read integrity");
});

test("what is posted to a source is the program's input, and is left unread", async () => {
  const request = await post("data", { "content-type": "application/json" }, "/run/a.b/c.ts");
  expect(request.source.kind).toBe("url");
  expect(request.inputType).toBe("application/json");
  expect(await new Response(request.input).text()).toBe("data");
});

test("headers set variables, arguments, integrity and events", async () => {
  const request = await post("1", {
    "isopod-env-api-key": "k",
    "Isopod-Env-Greeting": "h\u00c3\u00a9",
    "isopod-args": '{"a": [1]}',
    "isopod-integrity": hash,
    accept: "text/html, text/event-stream;q=0.9",
  });
  expect({ ...request.env }).toEqual({ API_KEY: "k", GREETING: "hé" });
  expect(request.argsJson).toBe('{"a": [1]}');
  expect(request.integrity).toBe(hash);
  expect(request.events).toBeTrue();
  expect((await post("1", { accept: "*/*" })).events).toBeFalse();
  expect((await post("1", { accept: "text/event-stream;q=0" })).events).toBeFalse();
  expect((await post("1", { accept: "text/event-streams" })).events).toBeFalse();
});

test("variables are bounded in number and size, and their names are names", async () => {
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`isopod-env-v${index}`, "x"]));
  expect(await refusal(post("1", many))).toBe("bad_request: Cannot set variables: there are more than 64.");
  expect(await refusal(post("1", { "isopod-env-a": "x".repeat(33_000) }))).toContain("more than 32768 bytes in all");
  expect(await refusal(post("1", { "isopod-env-1a": "x" }))).toContain('Cannot set variable "1A"');
  expect(await refusal(post("1", { "isopod-env-": "x" }))).toContain('Cannot set variable ""');
  expect(await refusal(post("1", { "isopod-env-a.b": "x" }))).toContain('Cannot set variable "A.B"');
  expect(await refusal(post("1", { "isopod-env-a-b": "1", "isopod-env-a_b": "2" }))).toContain(
    '"A_B": it is given twice',
  );
  const request = await post("1", { "isopod-env-__proto__": "x" });
  expect(Object.entries(request.env)).toEqual([["__PROTO__", "x"]]);
  expect(await refusal(post("1", { "isopod-args": "{" }))).toContain("Cannot read Isopod-Args: it is not JSON");
});

test("an envelope carries everything", async () => {
  const request = await envelope({
    code: "1",
    language: "javascript",
    args: [1, { a: null }],
    env: { lower: "x" },
    input: "data",
    limits: { wall_ms: 500, memory_mb: 64, log_kb: 1.5 },
    integrity: hash,
  });
  expect(request.source).toEqual({ kind: "code", code: "1", language: "javascript" });
  expect(request.argsJson).toBe('[1,{"a":null}]');
  expect({ ...request.env }).toEqual({ lower: "x" });
  expect([text(request.input), request.inputType]).toEqual(["data", "text/plain; charset=utf-8"]);
  expect(request.limits).toEqual({ wallMs: 500, memoryBytes: 64 * 1024 * 1024, logBytesMax: 1536 });
  expect(request.integrity).toBe(hash);
  const other = await envelope({ url: "https://a.b/c.ts?x=1", input: { a: 1 }, args: null });
  expect(other.source).toEqual({ kind: "url", url: "https://a.b/c.ts?x=1" });
  expect([text(other.input), other.inputType, other.argsJson]).toEqual(['{"a":1}', "application/json", "null"]);
  expect((await envelope({ hash: hash.toUpperCase() })).source).toEqual({ kind: "hash", hash });
});

test("what an envelope says goes before what headers say", async () => {
  const request = await post(JSON.stringify({ code: "1", env: { A: "body" }, args: 2 }), {
    "content-type": "application/json",
    "isopod-env-a": "header",
    "isopod-env-b": "header",
    "isopod-args": "1",
  });
  expect({ ...request.env }).toEqual({ A: "body", B: "header" });
  expect(request.argsJson).toBe("2");
});

test("a mistake in an envelope is named", async () => {
  expect(await refusal(envelope({}))).toContain("exactly one of code, url and hash, not none");
  expect(await refusal(envelope({ code: "1", url: "//a/b" }))).toContain("not 2");
  expect(await refusal(envelope({ code: "1", timeout: 5 }))).toContain("timeout");
  expect(await refusal(envelope({ code: "1", limits: { wallMs: 5 } }))).toContain("wallMs");
  expect(await refusal(envelope({ code: "1", limits: { wall_ms: "5" } }))).toContain('"limits.wall_ms"');
  expect(await refusal(envelope({ code: "1", limits: { wall_ms: 0 } }))).toContain('"limits.wall_ms"');
  expect(await refusal(envelope({ code: "1", limits: { memory_mb: 1e9 } }))).toContain('"limits.memory_mb"');
  expect(await refusal(envelope({ code: 1 }))).toContain('"code"');
  expect(await refusal(envelope({ code: "1", env: { A: 1 } }))).toContain('"env": expected an object of strings');
  expect(await refusal(envelope({ code: "1", env: { "A B": "1" } }))).toContain('Cannot set variable "A B"');
  expect(await refusal(envelope({ code: "1", language: "python" }))).toContain('"language"');
  expect(await refusal(envelope({ hash: "sha256-1" }))).toContain('"hash"');
  expect(await refusal(envelope([]))).toContain("Cannot read the envelope");
  expect(await refusal(envelope(null))).toContain("Cannot read the envelope");
  expect(await refusal(post("{", { "content-type": "application/json" }))).toContain("it is not JSON");
  expect(await refusal(envelope({ code: "x".repeat(10_001) }))).toStartWith("code_too_large");
  expect(await refusal(envelope({ code: "1", input: "x".repeat(20_001) }))).toStartWith("body_too_large");
  const raw = '{"code": "1", "__proto__": {"url": "//a/b"}}';
  expect(await refusal(post(raw, { "content-type": "application/json" }))).toContain("__proto__");
  const env = '{"code": "1", "env": {"__proto__": "x"}}';
  expect(Object.entries((await post(env, { "content-type": "application/json" })).env)).toEqual([["__proto__", "x"]]);
});

test("a form carries a program and binary input", async () => {
  const binary = new Uint8Array([0, 255, 13, 10, 0]);
  const request = await form({
    code: "1",
    input: new File([binary], "x.png", { type: "image/png" }),
    args: "[1]",
    env: '{"A": "1"}',
    limits: '{"cpu_ms": 5}',
  });
  expect(request.source).toEqual({ kind: "code", code: "1", language: "typescript" });
  expect(request.input).toEqual(binary);
  expect([request.inputType, request.argsJson]).toEqual(["image/png", "[1]"]);
  expect({ ...request.env }).toEqual({ A: "1" });
  expect(request.limits).toEqual({ cpuMs: 5 });
  const file = await form({ code: new File(["2"], "a.mjs"), input: "text" });
  expect(file.source).toEqual({ kind: "code", code: "2", language: "javascript" });
  expect([text(file.input), file.inputType]).toEqual(["text", "text/plain; charset=utf-8"]);
});

test("a mistake in a form is named", async () => {
  expect(await refusal(form({ input: "x" }))).toContain("exactly one of code, url and hash");
  expect(await refusal(form({ code: "1", extra: "x" }))).toContain("extra");
  expect(await refusal(form({ code: "1", args: "{" }))).toContain('form field "args": it is not JSON');
  expect(await refusal(form({ code: "1", env: new Blob(["{}"]) }))).toContain("expected text, not a file");
  expect(await refusal(form({ code: new Blob([new Uint8Array([255])]) }))).toContain("it is not UTF-8");
  expect(await refusal(form({ code: "x".repeat(10_001) }))).toStartWith("code_too_large");
  expect(await refusal(form({ code: "1", input: "x".repeat(20_001) }))).toStartWith("body_too_large");
  const twice = new FormData();
  twice.append("code", "1");
  twice.append("code", "2");
  expect(await refusal(post(twice))).toContain('form field "code": it is given twice');
  expect(await refusal(post("junk", { "content-type": "multipart/form-data; boundary=x" }))).toStartWith("bad_request");
  expect(await refusal(post("junk", { "content-type": "multipart/form-data" }))).toStartWith("bad_request");
});

test("any garbage is a bad request and never more", async () => {
  let seed = 11;
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const pieces = [
    '{"code":',
    '"1"',
    ",",
    '"env":{',
    "}",
    "[",
    "]",
    "--b",
    "\r\n",
    'name="code"',
    "\u0000",
    ":",
    '"limits":',
    "é",
  ];
  const types = ["application/json", "multipart/form-data; boundary=b", "text/plain"];
  for (let round = 0; round < 600; round++) {
    const body = Array.from({ length: 1 + next(20) }, () => pieces[next(pieces.length)]).join("");
    const said = await refusal(post(body, { "content-type": types[next(3)] ?? "" }));
    expect(said === "none" || said.startsWith("bad_request")).toBeTrue();
  }
  const deep = `{"code":"1","args":${"[".repeat(90_000)}${"]".repeat(90_000)}}`;
  const said = await refusal(post(deep, { "content-type": "application/json" }));
  expect(said === "none" || said.startsWith("bad_request")).toBeTrue();
});
