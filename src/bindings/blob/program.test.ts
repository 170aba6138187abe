/** Blobs as programs see them: code written for Cloudflare's R2 runs unchanged. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, watch } from "node:fs";
import { join } from "node:path";
import { RawClient } from "../../testing/raw_client.ts";
import { S3_KEYS, S3Server } from "../../testing/s3_server.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

/** As it would be written for Cloudflare: every assertion is the program's own. */
const CLOUDFLARE = `
  const same = (a, b) => { if (JSON.stringify(a) !== JSON.stringify(b)) throw new Error(JSON.stringify([a, b])); };
  const fails = async (promise) => { try { await promise; } catch (error) { return error instanceof Error; } throw new Error("did not fail"); };
  export default {
    async fetch(request, env, ctx) {
      const { BUCKET } = env;
      same(await BUCKET.head("missing"), null);
      same(await BUCKET.get("missing"), null);
      const put = await BUCKET.put("text", "grüße", {
        httpMetadata: { contentType: "text/plain", cacheControl: "max-age=60", cacheExpiry: new Date(1e12) },
        customMetadata: { who: "ädmin" },
      });
      same([put.key, put.size, put.etag.length, put.httpEtag, put.uploaded instanceof Date], ["text", 7, 32, '"' + put.etag + '"', true]);
      const text = await BUCKET.get("text");
      same([await text.text(), text.bodyUsed, text.customMetadata], ["grüße", true, { who: "ädmin" }]);
      same([text.httpMetadata.contentType, text.httpMetadata.cacheExpiry.getTime()], ["text/plain", 1e12]);
      const headers = new Headers();
      text.writeHttpMetadata(headers);
      same([headers.get("content-type"), headers.get("cache-control"), headers.get("expires")], ["text/plain", "max-age=60", new Date(1e12).toUTCString()]);
      same((await BUCKET.head("text")).checksums.toJSON().md5, put.etag);
      same(new Uint8Array((await BUCKET.head("text")).checksums.md5).length, 16);

      await BUCKET.put("json", JSON.stringify({ a: [1, null] }));
      same(await (await BUCKET.get("json")).json(), { a: [1, null] });
      const bytes = crypto.getRandomValues(new Uint8Array(60_000));
      for (const value of [bytes, bytes.buffer, new Blob([bytes]), new Blob([bytes]).stream()]) {
        await BUCKET.put("bytes", value);
        same([...new Uint8Array(await (await BUCKET.get("bytes")).arrayBuffer())], [...bytes]);
      }
      await BUCKET.put("empty", null);
      same(await (await BUCKET.get("empty")).text(), "");
      same((await (await BUCKET.get("text")).blob()).type.startsWith("text/plain"), true);

      const range = await BUCKET.get("bytes", { range: { offset: 10, length: 5 } });
      same([range.range, range.size, [...new Uint8Array(await range.arrayBuffer())]], [{ offset: 10, length: 5 }, 60_000, [...bytes.slice(10, 15)]]);
      same((await (await BUCKET.get("bytes", { range: { suffix: 7 } })).arrayBuffer()).byteLength, 7);
      same((await (await BUCKET.get("bytes", { range: new Headers({ range: "bytes=0-2" }) })).arrayBuffer()).byteLength, 3);

      same("body" in (await BUCKET.get("text", { onlyIf: { etagMatches: "other" } })), false);
      same(await (await BUCKET.get("text", { onlyIf: { etagMatches: put.etag } })).text(), "grüße");
      same("body" in (await BUCKET.get("text", { onlyIf: new Headers({ "if-none-match": put.httpEtag }) })), false);
      same("body" in (await BUCKET.get("text", { onlyIf: { uploadedAfter: new Date(Date.now() + 10_000) } })), false);
      same(await BUCKET.put("text", "again", { onlyIf: { etagMatches: "other" } }), null);
      same((await BUCKET.put("text", "again", { onlyIf: { etagMatches: put.etag } })).size, 5);

      const now = new Headers({ "if-modified-since": (await BUCKET.head("text")).uploaded.toUTCString() });
      same("body" in (await BUCKET.get("text", { onlyIf: now })), false);
      same("body" in (await BUCKET.get("text", { onlyIf: new Headers({ "if-modified-since": "soon" }) })), true);
      const { uploaded } = await BUCKET.head("text");
      same("body" in (await BUCKET.get("text", { onlyIf: { uploadedAfter: uploaded, secondsGranularity: true } })), false);
      same(await BUCKET.put("never there", "x", { onlyIf: { uploadedAfter: new Date(0) } }), null);
      for (const range of ["bytes=99-", "bytes=1-2,3-4", "nonsense"]) {
        const given = await BUCKET.get("text", { range: new Headers({ range }) });
        same([range, await given.text(), given.range], [range, "again", { offset: 0, length: 5 }]);
      }
      same(await fails(BUCKET.get("text", { range: { offset: 99 } })), true);
      same(await fails(BUCKET.get("text", { range: { offset: 1, suffix: 1 } })), true);
      same(await fails(BUCKET.put("secret", "x", { ssecKey: "00".repeat(32) })), true);
      same(await fails(BUCKET.put("number", 5)), true);

      const sha256 = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("sum"));
      same((await BUCKET.put("sum", "sum", { sha256 })).checksums.toJSON().sha256.length, 64);
      same(await fails(BUCKET.put("sum", "other", { sha256 })), true);
      same(await (await BUCKET.get("sum")).text(), "sum");

      for (const key of ["dir/a", "dir/b", "dir/sub/c"]) await BUCKET.put(key, key);
      const listed = await BUCKET.list({ prefix: "dir/", delimiter: "/" });
      same([listed.objects.map((o) => o.key), listed.delimitedPrefixes, listed.truncated], [["dir/a", "dir/b"], ["dir/sub/"], false]);
      const [plain] = (await BUCKET.list({ prefix: "text" })).objects;
      same([plain.size, plain.httpMetadata, plain.customMetadata], [5, undefined, undefined]);
      same(await fails((async () => plain.writeHttpMetadata(new Headers()))()), true);
      await BUCKET.put("dir/a", "dir/a", { httpMetadata: new Headers({ "content-type": "text/a" }), customMetadata: { n: "1" } });
      const [told] = (await BUCKET.list({ prefix: "dir/a", include: ["httpMetadata", "customMetadata"] })).objects;
      same([told.httpMetadata, told.customMetadata], [{ contentType: "text/a" }, { n: "1" }]);
      const page = await BUCKET.list({ limit: 2 });
      same([page.objects.length, page.truncated], [2, true]);
      let all = [...page.objects], next = page;
      while (next.truncated) { next = await BUCKET.list({ limit: 2, cursor: next.cursor }); all.push(...next.objects); }
      same(all.map((o) => o.key), ["bytes", "dir/a", "dir/b", "dir/sub/c", "empty", "json", "sum", "text"]);

      const upload = await BUCKET.createMultipartUpload("big", { customMetadata: { parts: "2" } });
      const part = new Uint8Array(5 * 1024 * 1024).fill(1);
      const one = await upload.uploadPart(1, part);
      const resumed = BUCKET.resumeMultipartUpload("big", upload.uploadId);
      const two = await resumed.uploadPart(2, "end");
      const big = await resumed.complete([one, two]);
      same([big.size, big.customMetadata, big.etag.endsWith("-2")], [part.length + 3, { parts: "2" }, true]);
      same(await (await BUCKET.get("big", { range: { suffix: 3 } })).text(), "end");
      const given = await BUCKET.createMultipartUpload("given up");
      await given.uploadPart(1, "x");
      await given.abort();
      same(await fails(given.uploadPart(2, "y")), true);

      await BUCKET.delete("big");
      await BUCKET.delete(["text", "json", "never there"]);
      same((await BUCKET.list()).objects.length, 6);
      const object = await BUCKET.get("bytes");
      return new Response(object.body, { headers: { etag: object.httpEtag } });
    },
  };
`;

const STREAM = `
  export default async (request, env) => {
    if (request.method === "PUT") return (await env.BUCKET.put("long", request.body)).size;
    return new Response((await env.BUCKET.get("long")).body);
  };`;

const CONFIG = ["cloudflare", "stream"]
  .map(
    (name) => `
[[functions]]
name = "${name}"
path = "./${name}.js"
routes = ["ANY /${name}"]
limits = { body_mb = 300, response_mb = 300, wall_ms = 60000 }
bindings = { BUCKET = { type = "blob", name = "b" } }
`,
  )
  .join("");
const FILES = { "cloudflare.js": CLOUDFLARE, "stream.js": STREAM };

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ config: CONFIG, files: FILES });
});
afterAll(async () => await server?.[Symbol.asyncDispose]());

const passes = async ({ url }: TestServer) => {
  const answer = await fetch(`${url}/cloudflare`);
  const told = answer.status === 200 ? (await answer.bytes()).length : await answer.text();
  expect([answer.status, told]).toEqual([200, 60_000]);
};

test("code written for R2 runs unchanged", () => passes(server));

test("code written for R2 runs unchanged when blobs are on a store of S3's kind", async () => {
  using store = new S3Server();
  const table = `
[blobs]
endpoint = "${store.endpoint}"
bucket = "isopod-blobs"
prefix = "isopod/"
access_key_id = "${S3_KEYS.accessKeyId}"
secret_access_key_file = "./secret"
`;
  const files = { ...FILES, secret: S3_KEYS.secretAccessKey };
  await using remote = await startTestServer({ config: table + CONFIG, files });
  await passes(remote);
  expect([...store.objects.keys()].every((key) => key.startsWith("isopod/default/b/"))).toBe(true);
  expect(store.uploads.size).toBe(0);
});

test("a client who hangs up in the middle of a put leaves nothing of it", async () => {
  await fetch(`${server.url}/stream`, { method: "PUT", body: "kept" });
  const drafts = join(server.directory, "data", "blobs", "default", "drafts");
  const changed = watchFolder(drafts);
  using client = await RawClient.connect(server.port);
  client.request(["PUT /stream HTTP/1.1", "host: localhost", "content-length: 1000000"], "x".repeat(100_000));
  await changed(() => readdirSync(drafts).length === 1);
  client.socket.destroy();
  await changed(() => readdirSync(drafts).length === 0);
  expect(await (await fetch(`${server.url}/stream`)).text()).toBe("kept");
});

/** Waits until something holds of a folder, looking whenever it changes. */
function watchFolder(path: string): (holds: () => boolean) => Promise<void> {
  return async (holds) => {
    const held = Promise.withResolvers<void>();
    const look = () => {
      if (holds()) held.resolve();
    };
    const watcher = watch(path, look);
    try {
      look();
      await held.promise;
    } finally {
      watcher.close();
    }
  };
}

test("200 MB stream through a function into a bucket and back, and are not gathered on the way", async () => {
  const chunk = new Uint8Array(1024 * 1024).map((_, at) => at % 251);
  let left = 200;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (left-- > 0) controller.enqueue(chunk);
      else controller.close();
    },
  });
  const before = process.memoryUsage().rss;
  const put = await fetch(`${server.url}/stream`, { method: "PUT", body });
  expect(await put.json()).toBe(200 * chunk.length);
  const hash = new Bun.CryptoHasher("sha256");
  for (let n = 0; n < 200; n += 1) hash.update(chunk);
  const back = new Bun.CryptoHasher("sha256");
  for await (const piece of (await fetch(`${server.url}/stream`)).body ?? []) back.update(piece);
  expect(back.digest("hex")).toBe(hash.digest("hex"));
  expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024);
});
