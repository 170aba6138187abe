/** Blobs as programs see them: code written for Cloudflare's R2 runs unchanged. */
import { afterAll, beforeAll, expect, test } from "bun:test";
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

      const sha256 = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("sum"));
      same((await BUCKET.put("sum", "sum", { sha256 })).checksums.toJSON().sha256.length, 64);
      same(await fails(BUCKET.put("sum", "other", { sha256 })), true);
      same(await (await BUCKET.get("sum")).text(), "sum");

      for (const key of ["dir/a", "dir/b", "dir/sub/c"]) await BUCKET.put(key, key);
      const listed = await BUCKET.list({ prefix: "dir/", delimiter: "/" });
      same([listed.objects.map((o) => o.key), listed.delimitedPrefixes, listed.truncated], [["dir/a", "dir/b"], ["dir/sub/"], false]);
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

let server: TestServer;
beforeAll(async () => {
  const bindings = '[functions.bindings]\nBUCKET = { type = "blob", name = "b" }\n';
  const config = ["cloudflare", "stream"]
    .map(
      (name) =>
        `[[functions]]\nname = "${name}"\npath = "./${name}.js"\nroutes = ["ANY /${name}"]\nlimits = { body_mb = 300, response_mb = 300, wall_ms = 60000 }\n${bindings}`,
    )
    .join("");
  server = await startTestServer({ config, files: { "cloudflare.js": CLOUDFLARE, "stream.js": STREAM } });
});
afterAll(async () => await server?.[Symbol.asyncDispose]());

test("code written for R2 runs unchanged", async () => {
  const answer = await fetch(`${server.url}/cloudflare`);
  expect([answer.status, answer.status === 200 ? (await answer.bytes()).length : await answer.text()]).toEqual([
    200, 60_000,
  ]);
});

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
