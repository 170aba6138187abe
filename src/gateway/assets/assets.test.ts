/** Static files through a real server: what is served, how, and everything that never is. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RawClient, type RawResponse } from "../../testing/raw_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

const fn = (name: string, assets: string, extra = "") => `
[[functions]]
name = "${name}"
path = "./f.ts"
routes = ["ANY /${name}/*"]
assets = "./${assets}"
${extra}`;

const SCRIPT = "export const numbers = [1, 2, 3];\n".repeat(200);
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({
    config: [
      fn("site", "public"),
      fn("page", "public", 'not_found = "404"'),
      fn("spa", "public", 'not_found = "spa"'),
      '[[functions]]\nname = "root"\npath = "./f.ts"\nroutes = ["ANY root.example/*"]\nassets = "./public"',
    ].join("\n"),
    files: {
      "f.ts": `export default (r: Request) => new Response("function " + r.method);`,
      "secret.txt": "top-s-text",
      "public/index.html": "<p>index",
      "public/404.html": "<p>nothing here",
      "public/app.js": SCRIPT,
      "public/small.css": "p{}",
      "public/docs/index.html": "<p>docs",
      "public/docs/ünïcode .txt": "unicode",
      "public/.env": "top-s-text",
      "public/.git/config": "top-s-text",
      "public/pre.css": "p{}".repeat(400),
      "public/pre.css.br": "made before",
    },
  });
  const at = (path: string) => join(server.directory, path);
  symlinkSync("../secret.txt", at("public/link.txt"));
  symlinkSync("..", at("public/up"));
  symlinkSync("docs", at("public/inside"));
  writeFileSync(at("public/large.bin"), Buffer.alloc(5 * 1024 * 1024, "0123456789"));
});
afterAll(() => server[Symbol.asyncDispose]());

const get = (path: string, headers: Record<string, string> = {}, method = "GET") =>
  fetch(server.url + path, { method, headers, redirect: "manual", decompress: false });
const said = async (path: string, headers: Record<string, string> = {}, method = "GET") => {
  const response = await get(path, headers, method);
  return `${response.status} ${await response.text()}`;
};

test("files are served with their types and without an instance; what is no file is the function's", async () => {
  const index = await get("/site/");
  expect([index.status, index.headers.get("content-type"), await index.text()]).toEqual([
    ...[200, "text/html; charset=utf-8", "<p>index"],
  ]);
  expect(index.headers.get("x-content-type-options")).toBe("nosniff");
  expect(index.headers.get("isopod-version")).toMatch(/^[0-9a-f]{12}$/);
  expect((await get("/site/app.js")).headers.get("content-type")).toBe("text/javascript; charset=utf-8");
  expect((await get("/site/large.bin")).headers.get("content-type")).toBe("application/octet-stream");
  expect(await said(`/site/docs/${encodeURIComponent("ünïcode .txt")}`)).toBe("200 unicode");
  const { pool } = server.server.status() as { readonly pool: { readonly functions: number } };
  expect(pool.functions).toBe(0);
  expect(await said("/site/nothing")).toBe("200 function GET");
  expect(await said("/site/app.js", {}, "POST")).toBe("200 function POST");
});

test("where no file is: the function, 404 with a page, or the page of an app", async () => {
  expect(await said("/page/nothing")).toBe("404 <p>nothing here");
  expect(await said("/page/nothing", {}, "POST")).toBe("200 function POST");
  expect(await said("/spa/deep/link", { accept: "text/html,*/*" })).toBe("200 <p>index");
  expect(await said("/spa/data.json", { accept: "application/json" })).toBe("200 function GET");
});

test("a folder has its index, at an address that ends with a slash; the way there leads to no other host", async () => {
  expect(await said("/site/docs/")).toBe("200 <p>docs");
  for (const [path, location] of [
    ["/site/docs?x=//y", "./docs/?x=//y"],
    ["/site", "./site/"],
  ]) {
    const moved = await get(path as string);
    expect([moved.status, moved.headers.get("location")]).toEqual([307, location as string]);
  }
  using client = await RawClient.connect(server.port);
  client.request(["GET //evil.example/%2e%2e/docs HTTP/1.1", "Host: root.example"]);
  const answer = (await client.response()) as RawResponse;
  expect(answer.headers.location ?? "").not.toMatch(/^(https?:)?\/\//);
});

const ATTACKS = [
  "/site/../secret.txt",
  "/site/..%2fsecret.txt",
  "/site/%2e%2e/secret.txt",
  "/site/%2e%2e%2fsecret.txt",
  "/site/..%5csecret.txt",
  "/site/..\\secret.txt",
  "/site/docs/../../secret.txt",
  "/site/docs/..%2f..%2fsecret.txt",
  "/site/%252e%252e/secret.txt",
  "/site/....//secret.txt",
  "/site//secret.txt",
  "/site/./../secret.txt",
  "/site/%00/../secret.txt",
  "/site/app.js%00.html",
  "/site/.env",
  "/site/%2eenv",
  "/site/.git/config",
  "/site/docs/../.env",
  "/site/link.txt",
  "/site/up/secret.txt",
  "/site/up/public/.env",
  "/site/inside/index.html",
  "/site/%c0%ae%c0%ae/secret.txt",
  "/site/%zz/../secret.txt",
  "/site/app.js/",
  "/site/app.js/index.html",
  `/site/${"a/".repeat(600)}`,
  `/site/${"a".repeat(5000)}`,
  "/site//etc/passwd",
  "/site/%2fetc%2fpasswd",
  "/site/file:%2f%2f%2fetc%2fpasswd",
  "/site/APP.JS",
];

test.each(ATTACKS.map((path) => [path.slice(0, 60), path]))("never served: %s", async (_, path) => {
  using client = await RawClient.connect(server.port);
  client.request([`GET ${path} HTTP/1.1`, "Host: 127.0.0.1"]);
  const answer = (await client.response()) as RawResponse;
  expect(answer.body).not.toContain("top-s-text");
  expect(["function GET", "404"]).toContain(answer.status === 404 ? "404" : answer.body);
});

test("a link that takes a file's place is not followed, a file that changes is served as it is now", async () => {
  const at = (path: string) => join(server.directory, "public", path);
  mkdirSync(at("moving"));
  writeFileSync(at("moving/a.txt"), "one");
  expect(await said("/site/moving/a.txt")).toBe("200 one");
  const first = (await get("/site/moving/a.txt")).headers.get("etag");
  writeFileSync(at("moving/b.txt"), "two");
  renameSync(at("moving/b.txt"), at("moving/a.txt"));
  const second = await get("/site/moving/a.txt");
  expect([await second.text(), second.headers.get("etag") === first]).toEqual(["two", false]);
  rmSync(at("moving/a.txt"));
  symlinkSync("../../secret.txt", at("moving/a.txt"));
  expect(await said("/site/moving/a.txt")).toBe("200 function GET");
  rmSync(at("moving"), { recursive: true });
  mkdirSync(join(server.directory, "elsewhere"));
  writeFileSync(join(server.directory, "elsewhere/a.txt"), "top-s-text");
  symlinkSync("../elsewhere", at("moving"));
  expect(await said("/site/moving/a.txt")).toBe("200 function GET");
});

test("conditions are judged by strong tags and dates", async () => {
  const { headers } = await get("/site/app.js");
  const etag = headers.get("etag") ?? "";
  const date = headers.get("last-modified") ?? "";
  const before = new Date(Date.parse(date) - 60_000).toUTCString();
  expect(etag).toMatch(/^"[0-9a-f]{32}"$/);
  const cases: [Record<string, string>, number][] = [
    [{ "if-none-match": etag }, 304],
    [{ "if-none-match": `"x", W/${etag}` }, 304],
    [{ "if-none-match": "*" }, 304],
    [{ "if-none-match": '"x"', "if-modified-since": date }, 200],
    [{ "if-modified-since": date }, 304],
    [{ "if-modified-since": before }, 200],
    [{ "if-modified-since": "nonsense" }, 200],
    [{ "if-match": etag }, 200],
    [{ "if-match": `W/${etag}` }, 412],
    [{ "if-match": '"x"' }, 412],
    [{ "if-unmodified-since": date }, 200],
    [{ "if-unmodified-since": before }, 412],
  ];
  for (const [asked, status] of cases) {
    const answer = await get("/site/app.js", asked);
    expect([asked, answer.status]).toEqual([asked, status]);
    if (status === 304) expect([answer.headers.get("etag"), await answer.text()]).toEqual([etag, ""]);
  }
});

test.each(["small", "large"])("ranges of a %s file", async (size) => {
  const [path, total] = size === "small" ? ["/site/app.js", SCRIPT.length] : ["/site/large.bin", 5 * 1024 * 1024];
  const whole = await (await get(path)).bytes();
  expect(whole.length).toBe(total);
  const ranges: [string, number, number][] = [
    ["bytes=0-0", 0, 1],
    ["bytes=10-19", 10, 20],
    ["bytes=5-", 5, total],
    ["bytes=-7", total - 7, total],
    ["BYTES=10-19", 10, 20],
    [`bytes=10-${total * 2}`, 10, total],
    ["bytes=0-9,5-19", 0, 20],
  ];
  for (const [range, start, end] of ranges) {
    const answer = await get(path, { range });
    const bytes = await answer.bytes();
    expect([range, answer.status, answer.headers.get("content-range")]).toEqual([
      ...[range, 206, `bytes ${start}-${end - 1}/${total}`],
    ]);
    expect([answer.headers.get("content-length"), bytes.length]).toEqual([String(end - start), end - start]);
    expect(Bun.hash(bytes)).toBe(Bun.hash(whole.subarray(start, end)));
  }
  const etag = (await get(path)).headers.get("etag") ?? "";
  const none = await get(path, { range: `bytes=${total}-` });
  expect([none.status, none.headers.get("content-range")]).toEqual([416, `bytes */${total}`]);
  for (const ignored of ["bytes=0-1,100-101", "lines=0-1", "bytes=x", "bytes=", `bytes=${"0-0,".repeat(2000)}`]) {
    expect([ignored.slice(0, 20), (await get(path, { range: ignored })).status]).toEqual([ignored.slice(0, 20), 200]);
  }
  expect((await get(path, { range: "bytes=0-9", "if-range": etag })).status).toBe(206);
  expect((await get(path, { range: "bytes=0-9", "if-range": '"other"' })).status).toBe(200);
  expect((await get(path, { range: "bytes=0-9" }, "HEAD")).status).toBe(200);
});

test("what the client takes is compressed once, with a tag of its own", async () => {
  const plain = await get("/site/app.js");
  const inflate: Record<string, (bytes: Uint8Array) => Promise<string>> = {
    br: async (bytes) => (await import("node:zlib")).brotliDecompressSync(bytes).toString(),
    gzip: async (bytes) => Buffer.from(Bun.gunzipSync(bytes as Uint8Array<ArrayBuffer>)).toString(),
    zstd: async (bytes) => Buffer.from(Bun.zstdDecompressSync(bytes as Uint8Array<ArrayBuffer>)).toString(),
  };
  const tags = new Set([plain.headers.get("etag")]);
  expect([plain.headers.get("content-encoding"), plain.headers.get("vary")]).toEqual([null, "accept-encoding"]);
  const cases: [string, string | undefined][] = [
    ["gzip, deflate, br, zstd", "br"],
    ["gzip", "gzip"],
    ["zstd, gzip;q=0.5", "zstd"],
    ["*", "br"],
    ["br;q=0, *", "zstd"],
    ["identity, gzip;q=0.5", undefined],
    ["deflate", undefined],
    ["br;q=0, gzip;q=0, zstd;q=0", undefined],
    [";;;,,,q=", undefined],
  ];
  for (const [accepted, encoding] of cases) {
    const answer = await get("/site/app.js", { "accept-encoding": accepted });
    expect([accepted, answer.headers.get("content-encoding")]).toEqual([accepted, encoding ?? null]);
    const bytes = await answer.bytes();
    expect(answer.headers.get("content-length")).toBe(String(bytes.length));
    if (encoding === undefined) continue;
    expect(bytes.length).toBeLessThan(SCRIPT.length / 4);
    expect(await inflate[encoding]?.(bytes)).toBe(SCRIPT);
    const etag = answer.headers.get("etag") ?? "";
    tags.add(etag);
    const again = await get("/site/app.js", { "accept-encoding": accepted, "if-none-match": etag });
    expect(again.status).toBe(304);
    const head = await get("/site/app.js", { "accept-encoding": accepted }, "HEAD");
    expect(head.headers.get("content-length")).toBe(String(bytes.length));
  }
  expect(tags.size).toBe(4);
  expect((await get("/site/small.css", { "accept-encoding": "br" })).headers.get("content-encoding")).toBeNull();
  expect((await get("/site/large.bin", { "accept-encoding": "br" })).headers.get("content-encoding")).toBeNull();
  expect(await said("/site/pre.css", { "accept-encoding": "br" })).toBe("200 made before");
  expect((await get("/site/app.js", { "accept-encoding": "br", range: "bytes=0-9" })).status).toBe(206);
});

test("HEAD is a GET without its body", async () => {
  for (const path of ["/site/app.js", "/site/large.bin", "/site/"]) {
    const [get_, head] = await Promise.all([get(path), get(path, {}, "HEAD")]);
    const names = ["content-length", "content-type", "etag", "last-modified", "cache-control", "accept-ranges"];
    const of = ({ headers }: Response) => names.map((name) => headers.get(name));
    expect([path, head.status, await head.text(), of(head)]).toEqual([path, 200, "", of(get_)]);
    await get_.body?.cancel();
  }
});

test.each([
  ["the folder holds the configuration (isopod.toml)", ".", ""],
  ["no folder is at", "none", ""],
  ["no folder is at", "f.ts", ""],
])("a configuration is refused: %s", async (why, assets) => {
  const started = startTestServer({ config: fn("x", assets), files: { "f.ts": "export default 1" } });
  const error = await started.then(
    async (wrong) => wrong[Symbol.asyncDispose](),
    (reason: Error) => reason,
  );
  expect(String(error)).toContain(why);
});
