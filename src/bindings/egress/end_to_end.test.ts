/** Egress end to end: `fetch` in a program and in a function, through real sandboxes, to servers on this machine. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { startTestServer, type TestServer } from "../../testing/server.ts";

let target: Bun.Server<undefined>;
let server: TestServer;
let aborted: PromiseWithResolvers<void>;
let streaming: PromiseWithResolvers<void>;

beforeAll(async () => {
  aborted = Promise.withResolvers();
  streaming = Promise.withResolvers();
  target = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
  const origin = `http://127.0.0.1:${target.port}`;
  const config = `
[plans.anonymous]
run = "any"
egress = ["${origin}", "GET http://localhost:${target.port}"]
subrequests = 400
subrequest_mb = 2

[[functions]]
name = "proxy"
path = "./proxy.ts"
routes = ["ANY /proxy"]
egress = ["${origin}"]
env = { TARGET = "${origin}" }
limits = { subrequests = 5, wall_ms = 2000 }
  [functions.bindings]
  TOKEN = { type = "secret", hosts = ["127.0.0.1"], value_file = "./token" }
  OTHER = { type = "secret", hosts = ["api.example.com"], value_file = "./token" }
`;
  const files = { "proxy.ts": PROXY, token: "s3cret-value\n" };
  server = await startTestServer({ config, files, prewarmed: 2 });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await target.stop(true);
});

const PROXY = `
export default async (request, env, ctx) => {
  const query = new URL(request.url).searchParams;
  if (query.has("token")) {
    const answer = await fetch(env.TARGET + "/echo", { headers: { authorization: "Bearer " + env[query.get("token")] } });
    const { headers } = await answer.json();
    return Response.json({ seen: env[query.get("token")], sent: headers.authorization });
  }
  if (query.has("many")) {
    const all = [];
    for (let i = 0; i < Number(query.get("many")); i += 1) all.push((await fetch(env.TARGET + "/echo")).status);
    return Response.json(all);
  }
  if (query.has("hang")) return fetch(env.TARGET + "/hang");
  return fetch(env.TARGET + "/echo", { method: request.method, body: request.body, headers: { "x-from": "proxy" } });
};`;

async function answer(request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  switch (pathname) {
    case "/redirect":
      return Response.redirect(searchParams.get("to") ?? "/echo", 302);
    case "/gzip":
      return new Response(gzipSync("unpacked ".repeat(100)), { headers: { "content-encoding": "gzip" } });
    case "/hang":
      request.signal.addEventListener("abort", () => aborted.resolve());
      return new Promise(() => {});
    case "/bytes":
      return new Response(new Uint8Array(Number(searchParams.get("n"))));
    case "/upper":
      return new Response(request.body?.pipeThrough(upperCase()) ?? null);
    case "/count": {
      let bytes = 0;
      for await (const chunk of request.body ?? []) bytes += chunk.length;
      return Response.json({ bytes, type: request.headers.get("content-type") });
    }
    default:
      return echo(request);
  }
}

async function echo(request: Request): Promise<Response> {
  const body = { method: request.method, headers: Object.fromEntries(request.headers), body: await request.text() };
  const headers = new Headers({ "x-one": "1", "content-type": "application/json" });
  headers.append("set-cookie", "a=1");
  headers.append("set-cookie", "b=2");
  return new Response(JSON.stringify(body), { status: 203, headers });
}

function upperCase(): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({
    transform(chunk, controller) {
      streaming.resolve();
      controller.enqueue(new TextEncoder().encode(new TextDecoder().decode(chunk).toUpperCase()));
    },
  });
}

/** Runs a program whose `T` is the target's address; its default export's value. */
async function run(body: string, init: RequestInit = {}): Promise<unknown> {
  const response = await server.run(
    `const T = "http://127.0.0.1:${target.port}";\nexport default async () => {${body}};`,
    init,
  );
  return response.json();
}

test("a response is as the target sent it", async () => {
  const seen = await run(`
    const r = await fetch(T + "/echo#hash");
    const copy = r.clone();
    const { method } = await r.json();
    return { method, status: r.status, ok: r.ok, url: r.url, redirected: r.redirected, one: r.headers.get("x-one"),
      cookies: r.headers.getSetCookie(), copy: (await copy.text()).length > 0, used: r.bodyUsed, type: r instanceof Response };`);
  const url = `http://127.0.0.1:${target.port}/echo`;
  expect(seen).toEqual({
    ...{ method: "GET", status: 203, ok: true, url, redirected: false, one: "1" },
    ...{ cookies: ["a=1", "b=2"], copy: true, used: true, type: true },
  });
});

test.each([
  ["a text", `"hello"`, "text/plain;charset=UTF-8", "hello"],
  ["URLSearchParams", `new URLSearchParams({ a: "1 2" })`, "application/x-www-form-urlencoded;charset=UTF-8", "a=1+2"],
  ["a Blob", `new Blob(["blob"], { type: "image/png" })`, "image/png", "blob"],
  ["bytes", `new Uint8Array([104, 105])`, undefined, "hi"],
  ["an ArrayBuffer", `new Uint8Array([104, 105]).buffer`, undefined, "hi"],
])("a body of %s arrives with its type", async (_name, body, type, text) => {
  const seen = (await run(`return (await fetch(T + "/echo", { method: "POST", body: ${body} })).json();`)) as Seen;
  expect(seen.body).toBe(text);
  expect(seen.headers["content-type"]).toBe(type as string);
});

interface Seen {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

test("FormData and Request objects are sent", async () => {
  const form = (await run(`
    const form = new FormData();
    form.append("name", "value");
    form.append("file", new File(["content"], "a.txt"));
    return (await fetch(T + "/echo", { method: "POST", body: form })).json();`)) as Seen;
  expect(form.headers["content-type"]).toStartWith("multipart/form-data; boundary=");
  expect(form.body).toContain('name="file"; filename="a.txt"');
  const request = await run(`
    const request = new Request(T + "/echo", { method: "PUT", headers: { "x-a": "1" }, body: "of the request" });
    return (await fetch(request, { headers: { "x-b": "2" } })).json();`);
  expect(request).toMatchObject({ method: "PUT", body: "of the request", headers: { "x-b": "2" } });
});

test("gzip is unpacked", async () => {
  expect(await run(`return (await fetch(T + "/gzip")).text();`)).toBe("unpacked ".repeat(100));
});

test("redirects are followed, shown or refused as the program says", async () => {
  expect(
    await run(`const r = await fetch(T + "/redirect"); return [r.url.slice(T.length), r.redirected, r.status];`),
  ).toEqual(["/echo", true, 203]);
  expect(
    await run(
      `const r = await fetch(T + "/redirect", { redirect: "manual" }); return [r.status, r.headers.get("location")];`,
    ),
  ).toEqual([302, "/echo"]);
  expect(await run(`return fetch(T + "/redirect", { redirect: "error" }).catch((error) => error.message);`)).toContain(
    "it redirects, and the call says not to",
  );
});

test.each([
  ["a host that is not listed", "https://example.com/"],
  ["another port of a listed host", "http://127.0.0.1:1/"],
  ["a private address", "http://10.0.0.1/"],
  ["the address of metadata", "http://169.254.169.254/latest/meta-data"],
])("%s is denied, and the program can read why", async (_name, url) => {
  const caught = await run(
    `return fetch("${url}").catch((error) => ({ name: error.name, code: error.code, message: error.message }));`,
  );
  expect(caught).toMatchObject({ code: "egress_denied", message: expect.stringContaining(new URL(url).hostname) });
});

test("a redirect to what is not listed is denied, whoever sends it", async () => {
  for (const to of ["http://169.254.169.254/", `http://[::1]:${target.port}/`, "http://127.0.0.1:1/"]) {
    const caught = await run(
      `return fetch(T + "/redirect?to=" + encodeURIComponent("${to}")).catch((error) => error.code);`,
    );
    expect(caught).toBe("egress_denied");
  }
});

test("a denied call that nobody catches is the program's error, in its words", async () => {
  const response = await server.run(`export default () => fetch("https://example.com/");`);
  expect(response.status).toBe(500);
  expect(await response.json()).toMatchObject({
    error: { code: "uncaught_exception", message: expect.stringContaining("example.com") },
  });
});

test("other schemes are refused, and data: stays inside", async () => {
  expect(await run(`return fetch("file:///etc/passwd").catch((error) => error.name);`)).toBe("TypeError");
  expect(await run(`return (await fetch("data:text/plain,inside")).text();`)).toBe("inside");
});

test("bodies stream both ways at once", async () => {
  const code = `const T = "http://127.0.0.1:${target.port}";
export default async (request) => new Response((await fetch(T + "/upper", { method: "POST", body: request.body, duplex: "half" })).body);`;
  const source = Promise.withResolvers<ReadableStreamDefaultController<string>>();
  const form = new FormData();
  form.append("code", code);
  const input = new ReadableStream<string>({ start: (controller) => source.resolve(controller) });
  const hash = await pin(code);
  const response = fetch(`${server.url}/run/${hash}`, {
    method: "POST",
    body: input.pipeThrough(new TextEncoderStream()),
  });
  const controller = await source.promise;
  controller.enqueue("first ");
  await streaming.promise;
  controller.enqueue("second");
  controller.close();
  expect(await (await response).text()).toBe("FIRST SECOND");
});

async function pin(code: string): Promise<string> {
  const headers = { authorization: `Bearer ${server.token}`, "content-type": "application/json" };
  const response = await fetch(`${server.adminUrl}/v1/pins`, {
    method: "POST",
    headers,
    body: JSON.stringify({ code }),
  });
  return ((await response.json()) as { hash: string }).hash;
}

test("a big upload arrives whole", async () => {
  const bytes = 8 * 1024 * 1024;
  expect(
    await run(`return (await fetch(T + "/count", { method: "POST", body: new Uint8Array(${bytes}) })).json();`),
  ).toMatchObject({ bytes });
});

test("an AbortSignal gives the call up, here and at the target", async () => {
  const caught = await run(`
    const ender = new AbortController();
    setTimeout(() => ender.abort(), 50);
    return fetch(T + "/hang", { signal: ender.signal }).catch((error) => error.name);`);
  expect(caught).toBe("AbortError");
  await aborted.promise;
  expect(
    await run(`return fetch(T + "/hang", { signal: AbortSignal.timeout(50) }).catch((error) => error.name);`),
  ).toBe("TimeoutError");
});

test("300 calls at once are slowed down and not refused", async () => {
  const seen = await run(`
    const all = await Promise.all(Array.from({ length: 300 }, (_, i) => fetch(T + "/echo", { method: "POST", body: String(i) }).then((r) => r.json())));
    return all.map(({ body }) => Number(body));`);
  expect(seen).toEqual(Array.from({ length: 300 }, (_, index) => index));
});

test("the limit of sub-requests ends the invocation and is named", async () => {
  expect(await (await fetch(`${server.url}/proxy?many=5`)).json()).toEqual([203, 203, 203, 203, 203]);
  const response = await fetch(`${server.url}/proxy?many=6`);
  expect(response.status).toBe(500);
  expect(await response.json()).toMatchObject({
    error: { code: "subrequest_limit", limit: { name: "subrequestsMax", value: 5 } },
  });
});

test("the limit of received bytes ends the invocation and is named", async () => {
  expect(await run(`return (await (await fetch(T + "/bytes?n=1000000")).bytes()).length;`)).toBe(1_000_000);
  const response = (await run(`return (await (await fetch(T + "/bytes?n=3000000")).bytes()).length;`)) as object;
  expect(response).toMatchObject({
    error: { code: "subrequest_limit", limit: { name: "subrequestBytesMax", value: 2 * 1024 * 1024 } },
  });
});

test("the wall limit ends a function that waits for its call", async () => {
  const response = await fetch(`${server.url}/proxy?hang=1`);
  expect(response.status).toBe(504);
  expect(await response.json()).toMatchObject({
    error: { code: "wall_limit", limit: { name: "wallMs", value: 2000 } },
  });
});

test("a function passes a request and its answer through", async () => {
  const response = await fetch(`${server.url}/proxy`, { method: "POST", body: "through" });
  expect(response.status).toBe(203);
  expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
  expect(await response.json()).toMatchObject({ method: "POST", body: "through", headers: { "x-from": "proxy" } });
});

test("a secret is put in on the way to its host; the function sees a placeholder", async () => {
  const own = (await (await fetch(`${server.url}/proxy?token=TOKEN`)).json()) as { seen: string; sent: string };
  expect(own.sent).toBe("Bearer s3cret-value");
  expect(own.seen).not.toContain("s3cret");
  const other = (await (await fetch(`${server.url}/proxy?token=OTHER`)).json()) as { seen: string; sent: string };
  expect(other.sent).toBe(`Bearer ${other.seen}`);
  expect(other.seen).not.toContain("s3cret");
});

test.each([
  ["awaited at the top level", `for (let i = 0; i < 5; i += 1) await call(); console.log("done");`],
  [
    "floating, with pauses between",
    `(async () => { for (let i = 0; i < 5; i += 1) { await call(); await Bun.sleep(i % 3); } console.log("done"); })();`,
  ],
  ["in a chain of callbacks", `call().then(() => Bun.sleep(1)).then(call).then(call).then(() => console.log("done"));`],
])("a script ends after its last call: %s", async (_how, code) => {
  const call = `const call = async () => (await fetch("http://127.0.0.1:${target.port}/echo")).text();\n`;
  for (let round = 0; round < 5; round += 1) {
    const response = await server.run(call + code);
    expect([response.status, await response.text()]).toEqual([200, "done\n"]);
  }
});

test("a top-level await that nothing can settle is a failed run that says so, at once", async () => {
  const response = await server.run(`console.log("before"); await new Promise(() => {});`, {
    headers: { accept: "text/event-stream" },
  });
  const text = await response.text();
  expect(text).toContain('data: "before\\n"');
  expect(text).toContain("A top-level await waits for something that can no longer happen");
});
