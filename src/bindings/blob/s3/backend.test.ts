/**
 * Blobs on a store that speaks S3's protocol. The store is one of the tests', which checks each signature; by hand, putting,
 * reading, ranges, parts and lists were run against an independent one (s3rver 3.7.1), which knows no conditions on puts.
 */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { answerText, bindingCall, fakeScope, userErrorOf } from "../../../testing/binding-suite.ts";
import { bucketGrant } from "../../../testing/blob_rig.ts";
import { S3_KEYS, S3Server } from "../../../testing/s3_server.ts";
import { createBlobs } from "../binding.ts";
import { openS3 } from "./open.ts";

const MB = 1024 * 1024;

const store = new S3Server();
afterAll(() => store[Symbol.dispose]());
beforeEach(() => {
  store.objects.clear();
  store.failing = undefined;
});

function open({ endpoint = store.endpoint, secret = S3_KEYS.secretAccessKey as string, bytesMax = 1e9 } = {}) {
  const where = { endpoint, bucket: "b", region: "eu-test-1", prefix: "isopod/", pathStyle: true };
  const keys = { accessKeyId: S3_KEYS.accessKeyId, secretAccessKey: secret };
  const blobs = createBlobs(openS3({ ...where, ...keys }, { bytesMax: () => bytesMax }));
  const call = (
    method: string,
    url: string,
    body?: string | Uint8Array,
    headers: Record<string, string> = {},
    grant = bucketGrant(),
  ) => {
    const stream = body === undefined ? null : new Blob([body as string]).stream();
    return blobs.call(bindingCall(url, { method, headers: Object.entries(headers), body: stream }), grant, fakeScope());
  };
  return { blobs, call };
}

describe("objects", () => {
  test("are kept with what was told of them, and found, listed and deleted", async () => {
    const { call } = open();
    const facts = {
      "http-metadata": encodeURIComponent('{"contentType":"text/x","cacheExpiry":5}'),
      "custom-metadata": encodeURIComponent('{"who":"ä"}'),
    };
    const put = await call("PUT", "/objects/a%2Fb%20%C3%A9", "grüße", facts);
    expect(put.status).toBe(200);
    const object = JSON.parse(decodeURIComponent(put.headers[0]?.[1] ?? ""));
    expect(object).toMatchObject({
      key: "a/b é",
      size: 7,
      httpMetadata: { contentType: "text/x", cacheExpiry: 5 },
      customMetadata: { who: "ä" },
    });
    expect(await answerText(await call("GET", "/objects/a%2Fb%20%C3%A9"))).toBe("grüße");
    expect(await answerText(await call("GET", "/objects/a%2Fb%20%C3%A9", undefined, { range: "bytes=1-3" }))).toBe(
      "rü",
    );
    expect([...store.objects.keys()]).toEqual(["isopod/default/one/a/b é"]);
    await call("DELETE", "/objects/a%2Fb%20%C3%A9");
    expect((await call("HEAD", "/objects/a%2Fb%20%C3%A9")).status).toBe(404);
  });

  test("hold to conditions and checksums", async () => {
    const { call } = open();
    const first = await call("PUT", "/objects/k", "one", { "if-none-match": "*" });
    expect(first.status).toBe(200);
    const etag = first.headers.find(([name]) => name === "etag")?.[1] ?? "";
    expect((await call("PUT", "/objects/k", "two", { "if-none-match": "*" })).status).toBe(412);
    expect((await call("GET", "/objects/k", undefined, { "if-none-match": etag })).status).toBe(412);
    const races = await Promise.all(
      Array.from({ length: 10 }, (_, n) => call("PUT", "/objects/k", `r${n}`, { "if-match": etag })),
    );
    expect(races.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await userErrorOf(call("PUT", "/objects/s", "x", { "checksum-md5": "0".repeat(32) }))).code).toBe(
      "integrity_mismatch",
    );
    expect((await call("HEAD", "/objects/s")).status).toBe(404);
  });

  test("that are long go up in parts and come back whole", async () => {
    const { call } = open();
    const bytes = new Uint8Array(20 * MB).map((_, at) => at % 253);
    await call("PUT", "/objects/long", bytes);
    const back = await new Response((await call("GET", "/objects/long")).body as ReadableStream).bytes();
    expect(Bun.hash(back)).toBe(Bun.hash(bytes));
    expect(store.uploads.size).toBe(0);
    expect((await userErrorOf(call("PUT", "/objects/bad", bytes, { "checksum-md5": "0".repeat(32) }))).code).toBe(
      "integrity_mismatch",
    );
    expect(store.uploads.size).toBe(0);
  });

  test("are listed by prefix, delimiter and page", async () => {
    const { call } = open();
    const keys = ["a", "a/1", "a/2", "b/x/1", "b/y", "c", "é"];
    for (const key of keys) await call("PUT", `/objects/${encodeURIComponent(key)}`, key);
    const all = async (query: string) => {
      const found: string[] = [];
      for (let cursor: string | undefined = ""; cursor !== undefined; ) {
        const page = JSON.parse(
          await answerText(await call("GET", `/objects?${query}${cursor && `&cursor=${cursor}`}`)),
        );
        found.push(...page.objects.map(({ key }: { key: string }) => key), ...page.prefixes);
        cursor = page.cursor;
      }
      return found;
    };
    expect(await all("limit=2")).toEqual(keys);
    expect((await all("limit=1&delimiter=/")).sort()).toEqual(["a", "a/", "b/", "c", "é"]);
    expect(await all("prefix=b/&delimiter=/")).toEqual(["b/y", "b/x/"]);
  });

  test("are uploaded in parts by programs", async () => {
    const { call } = open();
    const json = async (method: string, url: string, body?: string | Uint8Array) =>
      JSON.parse(await answerText(await call(method, url, body)));
    const { id } = await json("POST", "/uploads/big");
    const parts = [
      await json("PUT", `/uploads/big?id=${id}&part=1`, new Uint8Array(5 * MB)),
      await json("PUT", `/uploads/big?id=${id}&part=2`, "end"),
    ];
    expect((await userErrorOf(call("PUT", `/uploads/other?id=${id}&part=1`, "x"))).code).toBe("not_found");
    expect(await json("POST", `/uploads/big?id=${id}`, JSON.stringify(parts))).toMatchObject({
      key: "big",
      size: 5 * MB + 3,
    });
    const gone = await json("POST", "/uploads/gone");
    await call("DELETE", `/uploads/gone?id=${gone.id}`);
    expect((await userErrorOf(call("PUT", `/uploads/gone?id=${gone.id}&part=1`, "x"))).code).toBe("not_found");
  });
});

test("no key leads out of the project's bucket", async () => {
  const { call } = open();
  await call("PUT", "/objects/k", "other", {}, bucketGrant({ project: "other" }));
  for (const key of ["../../other/one/k", "..", "a/../../x", "%2e%2e/%2e%2e/other/one/k", "./k"]) {
    const url = `/objects/${encodeURIComponent(key)}`;
    const answer = await call("GET", url).then(
      ({ status }) => status,
      (error) => error.code,
    );
    expect([key, answer]).toEqual([key, key.startsWith("%") ? 404 : "bad_request"]);
  }
});

test("a quota is held, a project is removed as a whole, and another one's stays", async () => {
  const { blobs, call } = open({ bytesMax: 1000 });
  const other = bucketGrant({ project: "other" });
  await call("PUT", "/objects/k", "x".repeat(600));
  expect((await userErrorOf(call("PUT", "/objects/l", "x".repeat(600)))).code).toBe("quota_exceeded");
  await call("PUT", "/objects/k", "x".repeat(600), {}, other);
  await call("DELETE", "/objects/k");
  await call("PUT", "/objects/l", "x".repeat(600));
  await blobs.removeProject?.("default");
  expect([...store.objects.keys()]).toEqual(["isopod/other/one/k"]);
});

test("a store that fails is named, and nothing of it told", async () => {
  const { call } = open();
  for (const [status, code] of [
    [503, "overloaded"],
    [500, "binding_failed"],
    [403, "binding_failed"],
  ] as const) {
    store.failing = status;
    const error = await call("GET", "/objects/k").then(
      () => undefined,
      (thrown) => thrown,
    );
    expect([status, error.code]).toEqual([status, code]);
    expect(error.message).not.toContain("127.0.0.1");
  }
  store.failing = undefined;
  expect((await userErrorOf(open({ secret: "wrong" }).call("GET", "/objects/k"))).message).toContain("it answered 403");
  const error = await userErrorOf(open({ endpoint: "http://127.0.0.1:1" }).call("GET", "/objects/k"));
  expect([error.code, error.message.includes("127.0.0.1")]).toEqual(["binding_failed", false]);
});
