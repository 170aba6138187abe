/** Static files that are deployed with a version: served by it and no other, kept as long as it is. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import { ask, functionPath, saying } from "../../testing/control_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ prewarmed: 2 });
});
afterAll(() => server[Symbol.asyncDispose]());

const get = async (path: string, headers: Record<string, string> = {}) => {
  const response = await fetch(server.url + path, { headers });
  return `${response.status} ${await response.text()}`;
};
const deploy = (name: string, assets: unknown, more: Readonly<Record<string, unknown>> = {}) =>
  ask(server, "POST", functionPath(name, "/deploy"), {
    files: [{ path: "main.ts", content: saying("function") }],
    assets,
    routes: [`ANY /${name}/*`],
    ...more,
  });

test("each version has its own files, and a rollback brings those of before", async () => {
  const first = await deploy("site", [{ path: "a.txt", content: "one" }]);
  expect([first.status, await get("/site/a.txt"), await get("/site/b.txt")]).toEqual([200, "200 one", "200 function"]);
  const again = await deploy("site", [{ path: "a.txt", content: "one" }]);
  expect([again.body.unchanged, again.body.version]).toEqual([true, first.body.version]);
  const second = await deploy("site", [{ path: "a.txt", content: "two" }]);
  expect([second.body.version === first.body.version, await get("/site/a.txt")]).toEqual([false, "200 two"]);
  expect(await get("/site/a.txt", { "isopod-version": first.body.short })).toBe("200 one");
  await ask(server, "POST", functionPath("site", "/rollback"));
  expect(await get("/site/a.txt")).toBe("200 one");
});

test("other settings keep the files, collecting leaves them, ranges and tags are of the contents", async () => {
  const content = "0123456789".repeat(100);
  await deploy("kept", [{ path: "n.txt", content }], { settings: { notFound: "404" } });
  const changed = await ask(server, "PATCH", functionPath("kept", "/settings"), { env: { A: "b" } });
  expect(changed.status).toBe(200);
  const policy = { versionsKept: 1, youngerThanMs: 0, blobsYoungerThanMs: 0 };
  expect((await ask(server, "POST", "/v1/collect", policy)).status).toBe(200);
  expect(await get("/kept/n.txt", { range: "bytes=5-9" })).toBe("206 56789");
  expect(await get("/kept/other")).toStartWith("404 ");
  const { headers } = await fetch(`${server.url}/kept/n.txt`, { headers: { "accept-encoding": "identity" } });
  const hash = new Bun.CryptoHasher("sha256").update(content).digest("hex");
  expect(headers.get("etag")).toBe(`"${hash.slice(-32)}"`);
});

test("deployed files come compressed as the client takes them, in parts, and without an instance", async () => {
  const content = "body { color: red; }\n".repeat(200);
  await deploy("packed", [{ path: "a.css", content }]);
  const functions = () => (server.server.status() as { readonly pool: { readonly functions: number } }).pool.functions;
  const before = functions();
  const ask = (headers: Record<string, string>) =>
    fetch(`${server.url}/packed/a.css`, { headers, decompress: false } as RequestInit);
  const unpack = {
    br: (bytes: Uint8Array) => brotliDecompressSync(bytes).toString(),
    gzip: (bytes: Uint8Array) => gunzipSync(bytes).toString(),
    zstd: (bytes: Uint8Array) => zstdDecompressSync(bytes).toString(),
  };
  const tags = new Set<string>();
  for (const [encoding, text] of Object.entries(unpack)) {
    const answer = await ask({ "accept-encoding": encoding });
    const bytes = await answer.bytes();
    expect([answer.status, answer.headers.get("content-encoding")]).toEqual([200, encoding]);
    expect([text(bytes), bytes.length < content.length / 4]).toEqual([content, true]);
    const etag = answer.headers.get("etag") ?? "";
    tags.add(etag);
    expect((await ask({ "accept-encoding": encoding, "if-none-match": etag })).status).toBe(304);
  }
  expect(tags.size).toBe(3);
  const part = await ask({ "accept-encoding": "identity", range: "bytes=-3" });
  expect([part.status, part.headers.get("content-range"), await part.text()]).toEqual([
    ...[206, `bytes ${content.length - 3}-${content.length - 1}/${content.length}`, "}\n".padStart(3)],
  ]);
  expect((await ask({ range: `bytes=${content.length}-` })).status).toBe(416);
  expect(functions()).toBe(before);
});

test("a form brings files beside the code", async () => {
  const form = new FormData();
  form.set("deploy", JSON.stringify({ routes: ["GET /form/*"] }));
  form.append("code", new File([saying("function")], "main.ts"));
  form.append("asset", new File([new Uint8Array([1, 2, 3])], "img/dot.png"));
  const init = { method: "POST", body: form };
  expect((await server.admin(functionPath("form", "/deploy"), init)).status).toBe(200);
  const image = await fetch(`${server.url}/form/img/dot.png`);
  expect([image.headers.get("content-type"), [...(await image.bytes())]]).toEqual(["image/png", [1, 2, 3]]);
});

test.each([
  ["a path that leads out", [{ path: "../a", content: "" }], 400],
  ["a hidden file", [{ path: "x/.env", content: "" }], 400],
  ["an absolute path", [{ path: "/etc/passwd", content: "" }], 400],
  [
    "one path twice",
    [
      { path: "a", content: "1" },
      { path: "a", content: "2" },
    ],
    400,
  ],
  ["contents that are not there", [{ path: "a", hash: `sha256-${"0".repeat(64)}` }], 422],
])("refused: %s", async (_, assets, status) => {
  expect((await deploy("refused", assets)).status).toBe(status);
});

test("an answer for what has no files cannot be set", async () => {
  const answer = await deploy("none", undefined, { settings: { notFound: "spa" } });
  expect([answer.status, answer.body.error.message]).toEqual([
    ...[400, 'Cannot deploy "none": notFound is for static files, and it has none'],
  ]);
});
