/** Programs that are named by their address: where they may come from, what they import, how long they are kept. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { rawExchange } from "../../testing/raw_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";
import { type SourceServer, startSourceServer } from "../../testing/source_server.ts";

let sources: SourceServer;
let server: TestServer;
beforeAll(async () => {
  sources = startSourceServer();
  server = await startTestServer({ prewarmed: 2, config: `[codeless]\nsources = ["http://${sources.host}/"]\n` });
});
beforeEach(() => {
  sources.files.clear();
  sources.asked.length = 0;
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  sources[Symbol.dispose]();
});

const SHA = "0123456789abcdef0123456789abcdef01234567";

/** The address below `/run` of a file on the source server. */
const at = (path: string, search = "") => `${server.url}/run/${sources.host}${path}${search}`;

/** Status and text of an answer. */
async function read(response: Response | Promise<Response>): Promise<[number, string]> {
  const { status } = await response;
  return [status, await (await response).text()];
}

/** Status and error of an answer. */
async function refusal(response: Response | Promise<Response>): Promise<object> {
  const [status, text] = await read(response);
  return { status, ...(JSON.parse(text) as { error: object }).error };
}

function hashes(text: string): { hex: string; sri: string } {
  const digest = new Bun.CryptoHasher("sha256").update(text).digest();
  return { hex: `sha256-${digest.toString("hex")}`, sri: `sha256-${digest.toString("base64")}` };
}

test("GET runs the program at an address, in the language of its name", async () => {
  sources.files.set("/a/hello.ts", "const who: string = 'Ada'; console.log('hello', who)");
  sources.files.set("/a/hello.js", "console.log(typeof (1 as any))");
  expect(await read(fetch(at("/a/hello.ts")))).toEqual([200, "hello Ada\n"]);
  expect(await refusal(fetch(at("/a/hello.js")))).toMatchObject({ status: 400, code: "syntax_error", line: 1 });
});

test("a POST's body is the program's input, and its query is the program's", async () => {
  sources.files.set(
    "/in.ts",
    "export default async (r: Request) => [r.method, await r.text(), r.headers.get('content-type'), new URL(r.url).search]",
  );
  const response = await fetch(at("/in.ts", "?a=1&b=%20"), {
    method: "POST",
    body: "input",
    headers: { "content-type": "text/csv" },
  });
  expect(await response.json()).toEqual(["POST", "input", "text/csv", "?a=1&b=%20"]);
  expect(await (await fetch(at("/in.ts"))).json()).toEqual(["GET", "", null, ""]);
});

test("an envelope names a program by url too", async () => {
  sources.files.set("/named.ts", "export default (r, env, ctx) => [ctx.args, env.A]");
  const body = JSON.stringify({ url: `http://${sources.host}/named.ts`, args: 7, env: { A: "b" } });
  expect(await read(server.run(body, { headers: { "content-type": "application/json" } }))).toEqual([200, '[7,"b"]']);
});

test("relative and absolute imports are fetched by the host and bundled", async () => {
  sources.files.set(
    "/app/main.ts",
    `import { a } from "./lib/a.ts"; import b from "http://${sources.host}/b.js"; import data from "/data.json"; import type { T } from "./types.ts"; const t: T = 1; console.log(a, b, data.x, t)`,
  );
  sources.files.set("/app/lib/a.ts", 'import { c } from "../c.ts"; export const a: string = "a" + c');
  sources.files.set("/app/c.ts", 'export const c = "c"');
  sources.files.set("/b.js", 'export default "b"');
  sources.files.set("/data.json", '{"x": [1]}');
  expect(await read(fetch(at("/app/main.ts")))).toEqual([200, "ac b [ 1 ] 1\n"]);
});

test("dynamic imports with a fixed address are bundled, and node's modules are there", async () => {
  sources.files.set(
    "/dyn.ts",
    'const { x } = await import("./x.ts"); import { join } from "node:path"; console.log(x, join("a", "b"))',
  );
  sources.files.set("/x.ts", "export const x = 'lazy'");
  expect(await read(fetch(at("/dyn.ts")))).toEqual([200, "lazy a/b\n"]);
});

test("a bundle is cached by content, and an import that changed gives a new one", async () => {
  sources.files.set("/main.ts", 'import { v } from "./v.ts"; console.log(v)');
  sources.files.set("/v.ts", "export const v = 1");
  expect(await read(fetch(at("/main.ts")))).toEqual([200, "1\n"]);
  sources.asked.length = 0;
  expect(await read(fetch(at("/main.ts")))).toEqual([200, "1\n"]);
  expect(sources.asked).toEqual(["/main.ts 304", "/v.ts 304"]);
  sources.files.set("/v.ts", "export const v = 2");
  expect(await read(fetch(at("/main.ts")))).toEqual([200, "2\n"]);
  sources.files.set("/main.ts", 'import { v } from "./v.ts"; console.log("new", v)');
  expect(await read(fetch(at("/main.ts")))).toEqual([200, "new 2\n"]);
});

test("an address with a full commit SHA is asked once, and stands when its server changes its mind or is gone", async () => {
  sources.files.set(`/o/r/${SHA}/m.ts`, 'import { v } from "./v.ts"; console.log(v)');
  sources.files.set(`/o/r/${SHA}/v.ts`, "export const v = 'kept'");
  expect(await read(fetch(at(`/o/r/${SHA}/m.ts`)))).toEqual([200, "kept\n"]);
  sources.files.clear();
  sources.asked.length = 0;
  expect(await read(fetch(at(`/o/r/${SHA}/m.ts`)))).toEqual([200, "kept\n"]);
  expect(sources.asked).toEqual([]);
});

test("integrity must match the fetched bytes: header or query, hex or base64", async () => {
  const text = "console.log('whole')";
  sources.files.set("/i.ts", text);
  const { hex, sri } = hashes(text);
  const other = hashes("other");
  for (const value of [hex, hex.toUpperCase().replace("SHA", "sha"), sri, sri.replace(/=$/, "")]) {
    expect([value, await read(fetch(at("/i.ts"), { headers: { "isopod-integrity": value } }))]).toEqual([
      value,
      [200, "whole\n"],
    ]);
    expect([value, await read(fetch(at("/i.ts", `?integrity=${value}`)))]).toEqual([value, [200, "whole\n"]]);
    expect([value, await read(fetch(at("/i.ts", `?integrity=${encodeURIComponent(value)}`)))]).toEqual([
      value,
      [200, "whole\n"],
    ]);
  }
  for (const value of [other.hex, other.sri]) {
    const message = expect.stringContaining(hex);
    expect(await refusal(fetch(at("/i.ts"), { headers: { "isopod-integrity": value } }))).toMatchObject({
      status: 422,
      code: "integrity_mismatch",
      message,
    });
    expect(await refusal(fetch(at("/i.ts", `?integrity=${encodeURIComponent(value)}`)))).toMatchObject({
      status: 422,
      code: "integrity_mismatch",
    });
  }
  expect(await refusal(fetch(at("/i.ts"), { headers: { "isopod-integrity": "md5-abc" } }))).toMatchObject({
    status: 400,
    code: "bad_request",
  });
});

test("integrity holds a program that was sent as well, and two that differ are refused", async () => {
  const { hex } = hashes("console.log(1)");
  expect(await read(server.run("console.log(1)", { headers: { "isopod-integrity": hex } }))).toEqual([200, "1\n"]);
  expect(await refusal(server.run("console.log(2)", { headers: { "isopod-integrity": hex } }))).toMatchObject({
    status: 422,
  });
  const both = fetch(`${server.url}/run?integrity=${hex}`, {
    method: "POST",
    body: "console.log(2)",
    headers: { "isopod-integrity": hashes("console.log(2)").hex },
  });
  expect(await refusal(both)).toMatchObject({ status: 400, code: "bad_request" });
});

test("what is not under an allowed source is refused, however it is spelt", async () => {
  const elsewhere = [
    "example.org/x.ts",
    `${sources.host.replace("127.0.0.1", "localhost")}/x.ts`,
    `user@${sources.host}/x.ts`,
    `${sources.host}@example.org/x.ts`,
    `${sources.host}/a%2f..%2fx.ts`,
    `${sources.host}/a%252f%252e%252e%252fx.ts`,
    `${sources.host}//x.ts`,
  ];
  for (const address of elsewhere) {
    const response = await rawExchange(server.port, [`GET /run/${address} HTTP/1.1`, "host: localhost"]);
    const code = response?.status === 403 ? (JSON.parse(response.body) as { error: { code: string } }).error.code : "";
    expect([address, response?.status, code]).toEqual([address, 403, "source_refused"]);
  }
  expect(sources.asked).toEqual([]);
  expect(await refusal(fetch(`${server.url}/run/http://${sources.host}/x.ts`))).toMatchObject({ status: 400 });
});

test("http is used only where the entry says so, and a prefix is whole segments", async () => {
  sources.files.set("/acme/x.ts", "console.log('acme')");
  await using narrow = await startTestServer({
    config: `[codeless]\nsources = ["${sources.host}/", "http://${sources.host}/acme"]\n`,
  });
  expect(await read(fetch(`${narrow.url}/run/${sources.host}/acme/x.ts`))).toMatchObject([
    502,
    expect.stringContaining("https://"),
  ]);
  await using only = await startTestServer({ config: `[codeless]\nsources = ["http://${sources.host}/acme"]\n` });
  expect(await read(fetch(`${only.url}/run/${sources.host}/acme/x.ts`))).toEqual([200, "acme\n"]);
  for (const path of ["acmes/x.ts", "acme/../secret.ts", "acme/%2e%2e/secret.ts", "acme/..%2fsecret.ts", "secret.ts"]) {
    const response = await rawExchange(only.port, [`GET /run/${sources.host}/${path} HTTP/1.1`, "host: localhost"]);
    expect([path, response?.status]).toEqual([path, 403]);
  }
  expect(sources.asked).toEqual(["/acme/x.ts"]);
});

test("an import or a redirect does not lead out of the allowed sources", async () => {
  sources.files.set("/evil.ts", 'import { x } from "http://169.254.169.254/latest/meta-data"; console.log(x)');
  expect(await refusal(fetch(at("/evil.ts")))).toMatchObject({ status: 403, code: "source_refused" });
  sources.files.set("/away.ts", "-> http://localhost:1/x.ts");
  expect(await refusal(fetch(at("/away.ts")))).toMatchObject({ status: 403, code: "source_refused" });
  sources.files.set("/file.ts", 'import { x } from "file:///etc/passwd"; console.log(x)');
  expect(await refusal(fetch(at("/file.ts")))).toMatchObject({ status: 400, code: "unresolved_import" });
});

test("a source that is missing or that loops is named", async () => {
  expect(await refusal(fetch(at("/gone.ts")))).toMatchObject({
    status: 502,
    code: "source_unavailable",
    message: expect.stringContaining("404"),
  });
  sources.files.set("/loop.ts", "-> /loop.ts");
  expect(await refusal(fetch(at("/loop.ts")))).toMatchObject({ status: 502, code: "source_unavailable" });
  sources.files.set("/importer.ts", 'import { x } from "./gone.ts"; console.log(x)');
  expect(await refusal(fetch(at("/importer.ts")))).toMatchObject({
    status: 502,
    message: expect.stringContaining("gone.ts"),
  });
});

test('with codeless.path = "/" the path is the source at once', async () => {
  sources.files.set("/x/y/hello.ts", "export default (request: Request) => new URL(request.url).pathname");
  await using root = await startTestServer({
    config: `[codeless]\npath = "/"\nsources = ["http://${sources.host}/"]\n`,
  });
  expect(await (await fetch(`${root.url}/${sources.host}/x/y/hello.ts`)).json()).toBe(`/${sources.host}/x/y/hello.ts`);
  expect(await read(fetch(`${root.url}/`, { method: "POST", body: "console.log('sent')" }))).toEqual([200, "sent\n"]);
  expect(await refusal(fetch(`${root.url}/nowhere`))).toMatchObject({ status: 400, code: "bad_request" });
});
