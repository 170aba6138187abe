/**
 * Blobs on a store that speaks S3's protocol. The store is one of the tests', which checks each signature; by hand, putting,
 * reading, ranges, conditions, parts and lists were run against two independent ones (s3rver 3.7.1, moto 5.2.1).
 */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { answerText, bindingCall, describeBinding, userErrorOf } from "../../../testing/binding-suite.ts";
import { BlobRig, type BlobRigOptions, bucketGrant } from "../../../testing/blob_rig.ts";
import { describeBlobLists } from "../../../testing/blob-list-suite.ts";
import { describeBlobs, type OpenBlobRig } from "../../../testing/blob-suite.ts";
import { endlessBody } from "../../../testing/kv_rig.ts";
import { S3Server } from "../../../testing/s3_server.ts";

/** A rig on a store of its own, which goes with it. */
class S3Rig extends BlobRig {
  readonly store: S3Server;

  constructor(options: BlobRigOptions = {}) {
    const store = new S3Server();
    super({ ...options, store });
    this.store = store;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    this.store[Symbol.dispose]();
  }
}

const open: OpenBlobRig = (options) => new S3Rig(options);
describeBlobs("a store of S3's kind", open);
describeBlobLists("a store of S3's kind", open);

describeBinding("blob on S3", async () => {
  const rig = new S3Rig();
  await rig.put("long", "x".repeat(1024 * 1024));
  await rig.put("endless", new Uint8Array(20 * 1024 * 1024));
  return {
    binding: rig.binding,
    countsRequests: false,
    grant: bucketGrant(),
    good: bindingCall("/objects/long"),
    denied: bindingCall("/nothing"),
    silent: bindingCall("/objects/k", { method: "PUT", body: endlessBody() }),
    endless: bindingCall("/objects/endless"),
    gone: async () => {},
    close: () => rig[Symbol.asyncDispose](),
  };
});

test("every key stands below its project and bucket, and none leads out", async () => {
  await using rig = new S3Rig();
  await rig.put("k", "other", { grant: bucketGrant({ project: "other" }) });
  await rig.put("a/b é", "mine");
  expect([...rig.store.objects.keys()]).toEqual(["isopod/other/one/k", "isopod/default/one/a/b é"]);
  for (const key of ["../../other/one/k", "..", "a/../../x", "%2e%2e/%2e%2e/other/one/k", "./k", "x".repeat(1010)]) {
    const answer = await rig.call("GET", `/objects/${encodeURIComponent(key)}`).then(
      ({ status }) => status,
      (error) => error.code,
    );
    expect([key, answer]).toEqual([key, key.startsWith("%") ? 404 : "bad_request"]);
  }
});

test("of many who put under conditions that S3 does not have, on two servers, one wins", async () => {
  using store = new S3Server();
  await using one = new BlobRig({ store });
  await using two = new BlobRig({ store });
  const etagOf = (answer: { readonly headers: readonly (readonly [string, string])[] }) =>
    answer.headers.find(([name]) => name === "etag")?.[1] ?? "";
  for (let round = 0; round < 5; round += 1) {
    const etag = etagOf(await one.put("k", `first ${round}`));
    const put = (n: number) =>
      (n % 2 === 0 ? one : two).put("k", `${round}.${n}`, { headers: { "if-match": `"other", ${etag}` } });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => put(n)));
    const won = answers.flatMap(({ status }, n) => (status === 200 ? [n] : []));
    expect(won).toHaveLength(1);
    expect(await two.text("k")).toBe(`${round}.${won[0]}`);
  }
});

test("a date that held when the body came, and does not when it is put, holds no more", async () => {
  using store = new S3Server();
  await using one = new BlobRig({ store });
  await using two = new BlobRig({ store });
  const sending = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await sending.promise;
      controller.enqueue(new TextEncoder().encode("late"));
      controller.close();
    },
  });
  const headers = { "if-unmodified-since": new Date(Date.now() - 60_000).toUTCString() };
  const late = one.put("k", body, { headers });
  await two.put("k", "early");
  sending.resolve();
  expect((await late).status).toBe(412);
  expect(await one.text("k")).toBe("early");
});

test("a project that is removed leaves no object and no upload on the store", async () => {
  await using rig = new S3Rig();
  await rig.put("k", "other", { grant: bucketGrant({ project: "default2" }) });
  await Promise.all(Array.from({ length: 30 }, (_, n) => rig.put(`k${n}`, "v")));
  await rig.json("POST", "/uploads/a");
  await rig.json("POST", "/uploads/b");
  await rig.binding.removeProject?.("default");
  expect([...rig.store.objects.keys()]).toEqual(["isopod/default2/one/k"]);
  expect(rig.store.uploads.size).toBe(0);
});

test("an object that the store cuts off is never given as a whole", async () => {
  await using rig = new S3Rig();
  await rig.put("k", "x".repeat(100_000));
  rig.store.cutting = true;
  await expect(answerText(await rig.call("GET", "/objects/k"))).rejects.toThrow("not as long");
});

test("a store that fails is named, and nothing of it told; what it may have kept stays counted", async () => {
  await using rig = new S3Rig({ bytesMax: 1_000_000 });
  await rig.put("k", "v");
  for (const [status, code] of [
    [503, "overloaded"],
    [500, "binding_failed"],
    [403, "binding_failed"],
  ] as const) {
    rig.store.failing = status;
    const error = await rig.call("GET", "/objects/k").then(
      () => undefined,
      (thrown) => thrown,
    );
    expect([status, error.code]).toEqual([status, code]);
    expect(error.message).not.toContain("127.0.0.1");
    await expect(rig.put("other", "x".repeat(400_000))).rejects.toThrow();
  }
  rig.store.failing = undefined;
  expect(rig.drafts).toEqual([]);
  for (const key of ["a", "b"]) expect((await rig.put(key, "x".repeat(490_000))).status).toBe(200);
});

test("wrong keys and a store that is not there are told apart from mistakes of the program", async () => {
  await using rig = new S3Rig({ secret: "wrong" });
  expect((await userErrorOf(rig.call("GET", "/objects/k"))).message).toContain("it answered 403");
  rig.store[Symbol.dispose]();
  const error = await userErrorOf(rig.call("GET", "/objects/k"));
  expect([error.code, error.message.includes("127.0.0.1")]).toEqual(["binding_failed", false]);
});

test("what a crash has left in the spool is removed at the next start", async () => {
  await using rig = new S3Rig();
  writeFileSync(join(rig.directory, "spool", "left"), "half a body");
  await rig.reopen();
  expect(rig.drafts).toEqual([]);
});
