/**
 * The conformance suite of places that keep blobs, through the binding: what an object is, when it is put, and who gets it.
 *
 * A backend's test calls `describeBlobs` with what opens a rig on it. Uploads in parts and lists have suites of their own.
 */
import { describe, expect, test } from "bun:test";
import { answerText, userErrorOf } from "./binding-suite.ts";
import { type BlobRig, type BlobRigOptions, bucketGrant } from "./blob_rig.ts";

/** Opens a rig on the backend under test. */
export type OpenBlobRig = (options?: Pick<BlobRigOptions, "bytesMax">) => BlobRig;

/** Declares the suite. */
export function describeBlobs(name: string, open: OpenBlobRig): void {
  describe(`blobs on ${name}`, () => {
    declareObjects(open);
    declareConditions(open);
    declareQuota(open);
  });
}

function declareObjects(open: OpenBlobRig): void {
  test("an object is kept with what was told of it, found, and deleted", async () => {
    await using rig = open();
    const headers = {
      "http-metadata": encodeURIComponent('{"contentType":"text/x","cacheExpiry":5}'),
      "custom-metadata": encodeURIComponent('{"who":"ä"}'),
    };
    const put = await rig.put("a/b é", "grüße", { headers });
    const object = JSON.parse(decodeURIComponent(put.headers[0]?.[1] ?? ""));
    const facts = { httpMetadata: { contentType: "text/x", cacheExpiry: 5 }, customMetadata: { who: "ä" } };
    expect(object).toMatchObject({
      key: "a/b é",
      size: 7,
      etag: new Bun.CryptoHasher("md5").update("grüße").digest("hex"),
      ...facts,
    });
    const head = await rig.call("HEAD", `/objects/${encodeURIComponent("a/b é")}`);
    expect(JSON.parse(decodeURIComponent(head.headers[0]?.[1] ?? ""))).toEqual(object);
    expect(await rig.text("a/b é")).toBe("grüße");
    await rig.put("empty", "");
    expect(await rig.text("empty")).toBe("");
    await rig.call("DELETE", `/objects/${encodeURIComponent("a/b é")}`);
    expect(await rig.text("a/b é")).toBeNull();
    expect(rig.drafts).toEqual([]);
  });

  test("ranges give what they name, over blocks, and nothing beyond the end", async () => {
    await using rig = open();
    const text = Array.from({ length: 700_000 }, (_, at) => String(at % 10)).join("");
    await rig.put("k", text);
    const at = (range: string, more = {}) => rig.text("k", { headers: { range, ...more } });
    expect(await at("bytes=0-9")).toBe("0123456789");
    expect(await at("bytes=262140-262150")).toBe(text.slice(262_140, 262_151));
    expect(await at("bytes=699995-")).toBe("56789");
    expect(await at("bytes=-3")).toBe("789");
    expect(await at("bytes=-900000")).toBe(text);
    expect(await at("bytes=0-99999999")).toBe(text);
    expect((await userErrorOf(at("bytes=700000-"))).code).toBe("bad_request");
    expect(await at("bytes=700000-", { "range-or-whole": "1" })).toBe(text);
  });

  test("bytes that are not those of the checksum are not kept", async () => {
    await using rig = open();
    for (const name of ["md5", "sha1", "sha256", "sha384", "sha512"] as const) {
      const sum = new Bun.CryptoHasher(name).update("v").digest("hex");
      expect((await rig.put("k", "v", { headers: { [`checksum-${name}`]: sum } })).status).toBe(200);
      const wrong = await userErrorOf(rig.put("other", "w", { headers: { [`checksum-${name}`]: sum } }));
      expect(wrong.code).toBe("integrity_mismatch");
    }
    expect(await rig.keys()).toEqual(["k"]);
    expect(rig.drafts).toEqual([]);
  });

  test("who gives a put up leaves nothing", async () => {
    await using rig = open();
    const ender = new AbortController();
    const begun = Promise.withResolvers<void>();
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new Uint8Array(100_000));
        begun.resolve();
      },
    });
    const putting = userErrorOf(rig.put("k", body, { signal: ender.signal }));
    await begun.promise;
    ender.abort();
    expect((await putting).code).toBe("binding_failed");
    expect(await rig.text("k")).toBeNull();
    expect(rig.drafts).toEqual([]);
  });

  test("what is read goes on to be read when another one takes its place, or it is deleted", async () => {
    await using rig = open();
    await rig.put("k", "x".repeat(600_000));
    const answers = await Promise.all([rig.call("GET", "/objects/k"), rig.call("GET", "/objects/k")]);
    await rig.put("k", "y");
    await rig.call("DELETE", "/objects/k");
    for (const answer of answers) expect(await answerText(answer)).toBe("x".repeat(600_000));
  });

  test("a project that is removed is gone as a whole, and another one's stays", async () => {
    await using rig = open();
    const other = bucketGrant({ project: "other" });
    await rig.put("k", "mine");
    await rig.call("POST", "/uploads/k");
    await rig.put("k", "theirs", { grant: other });
    await rig.binding.removeProject?.("default");
    expect(await rig.text("k")).toBeNull();
    expect(await rig.text("k", { grant: other })).toBe("theirs");
  });
}

function declareConditions(open: OpenBlobRig): void {
  const etagOf = (answer: { readonly headers: readonly (readonly [string, string])[] }) =>
    answer.headers.find(([name]) => name === "etag")?.[1] ?? "";

  test("of many who put under a condition, one wins", async () => {
    await using rig = open();
    const all = await Promise.all(
      Array.from({ length: 30 }, (_, n) => rig.put("k", `v${n}`, { headers: { "if-none-match": "*" } })),
    );
    const won = all.filter(({ status }) => status === 200);
    expect(won).toHaveLength(1);
    const etag = won[0] === undefined ? "" : etagOf(won[0]);
    const next = await Promise.all(
      Array.from({ length: 30 }, (_, n) => rig.put("k", `w${n}`, { headers: { "if-match": etag } })),
    );
    expect(next.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  test("ETags and dates are compared as HTTP and R2 have it", async () => {
    await using rig = open();
    const put = await rig.put("k", "v");
    const etag = etagOf(put);
    const { uploaded } = JSON.parse(decodeURIComponent(put.headers[0]?.[1] ?? "")) as { uploaded: number };
    const asHttp = new Date(uploaded).toUTCString();
    const rows = [
      [{ "if-match": etag }, 200],
      [{ "if-match": `W/${etag}` }, 412],
      [{ "if-match": `"x", ${etag}` }, 200],
      [{ "if-none-match": etag }, 412],
      [{ "if-none-match": `W/${etag}` }, 412],
      [{ "if-none-match": '"x"' }, 200],
      // What a browser was told as Last-Modified knows no milliseconds.
      [{ "if-modified-since": asHttp }, 412],
      [{ "if-unmodified-since": asHttp }, 200],
      [{ "if-modified-since": String(uploaded - 1) }, 200],
      [{ "if-unmodified-since": String(uploaded) }, 412],
      [{ "if-none-match": '"x"', "if-modified-since": asHttp }, 200],
      [{ "if-match": etag, "if-unmodified-since": "0" }, 200],
    ] as const;
    for (const [headers, status] of rows) {
      const answer = await rig.call("GET", "/objects/k", { headers });
      expect([headers, answer.status]).toEqual([headers, status]);
    }
    expect((await rig.put("new", "v", { headers: { "if-match": etag } })).status).toBe(412);
    expect((await rig.put("new", "v", { headers: { "if-modified-since": "0" } })).status).toBe(412);
    expect((await rig.put("new", "v", { headers: { "if-none-match": etag } })).status).toBe(200);
  });
}

function declareQuota(open: OpenBlobRig): void {
  test("a quota holds while many put at once, and what is deleted makes room", async () => {
    await using rig = open({ bytesMax: 1_000_000 });
    const put = (key: string) =>
      rig.put(key, key.padEnd(100_000, "x")).then(
        () => "put",
        (error) => error.code as string,
      );
    const outcomes = await Promise.all(Array.from({ length: 30 }, (_, n) => put(`k${n}`)));
    expect(outcomes.filter((outcome) => outcome === "put")).toHaveLength(9);
    expect(new Set(outcomes)).toEqual(new Set(["put", "quota_exceeded"]));
    const [first = ""] = await rig.keys();
    await rig.call("DELETE", `/objects/${first}`);
    expect(await put("k99")).toBe("put");
    expect(await put("k100")).toBe("quota_exceeded");
  });

  test("putting and deleting one key at once never miscounts", async () => {
    await using rig = open({ bytesMax: 1_000_000 });
    for (let round = 0; round < 10; round += 1) {
      await rig.put("k", "x".repeat(300_000));
      await Promise.all([
        ...Array.from({ length: 8 }, (_, n) => rig.put("k", String(n))),
        rig.call("DELETE", "/objects/k"),
        rig.call("DELETE", "/objects/k"),
      ]);
    }
    await rig.call("DELETE", "/objects/k");
    await rig.put("whole", "x".repeat(990_000));
    expect((await userErrorOf(rig.put("k", "x".repeat(20_000)))).code).toBe("quota_exceeded");
  });

  test("a body that passes the quota is refused while it comes, whatever is still to come", async () => {
    await using rig = open({ bytesMax: 1_000_000 });
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 100_000;
        controller.enqueue(new Uint8Array(100_000));
      },
    });
    expect((await userErrorOf(rig.put("k", body))).code).toBe("quota_exceeded");
    expect(sent).toBeLessThan(1_500_000);
    expect(rig.drafts).toEqual([]);
    await rig.put("k", "x".repeat(900_000));
    expect((await rig.put("k", "y".repeat(900_000))).status).toBe(200);
  });
}
