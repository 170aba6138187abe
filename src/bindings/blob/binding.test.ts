/** The blob binding at its port, on local files: the conformance suites, what it keeps, and what it refuses. */
import { expect, test } from "bun:test";
import { appendFileSync, readdirSync, readFileSync, readlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { answerText, bindingCall, describeBinding, userErrorOf } from "../../testing/binding-suite.ts";
import { BlobRig, bucketGrant } from "../../testing/blob_rig.ts";
import { describeBlobLists } from "../../testing/blob-list-suite.ts";
import { describeBlobs } from "../../testing/blob-suite.ts";
import { describeEnvBinding } from "../../testing/env-binding-suite.ts";
import { endlessBody } from "../../testing/kv_rig.ts";

const MB = 1024 * 1024;

describeBinding("blob", async () => {
  const rig = new BlobRig();
  await rig.put("long", "x".repeat(MB));
  // As good as endless: it is read block by block, and nobody reads on.
  await rig.put("endless", new Uint8Array(20 * MB));
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

describeEnvBinding({
  type: "blob",
  script: { write: "await B.put(id, text)", read: "const found = await B.get(id); return found && found.text()" },
  python: {
    write: 'B("PUT", "/objects/" + quote(id, ""), text)',
    read: 's, b = B("GET", "/objects/" + quote(id, ""))\nreturn None if s == 404 else b.decode()',
  },
});

describeBlobs("local files", (options) => new BlobRig(options));
describeBlobLists("local files", (options) => new BlobRig(options));

test("what breaks a limit or a form is refused by its name", async () => {
  await using rig = new BlobRig();
  const put = (key: string, headers: Record<string, string> = {}) => userErrorOf(rig.put(key, "v", { headers }));
  expect((await put("é".repeat(513))).message).toContain("at most 1024 bytes, not 1026");
  expect((await put("")).code).toBe("bad_request");
  const long = encodeURIComponent(JSON.stringify({ a: "x".repeat(8192) }));
  expect((await put("k", { "custom-metadata": long })).code).toBe("value_too_large");
  for (const [name, value] of [
    ["custom-metadata", "[]"],
    ["custom-metadata", encodeURIComponent('{"a":1}')],
    ["http-metadata", encodeURIComponent('{"contentType":"a\\nb"}')],
    ["checksum-md5", "xyz"],
    ["if-modified-since", "soon"],
  ] as const) {
    expect([name, (await put("k", { [name]: value })).code]).toEqual([name, "bad_request"]);
  }
  for (const url of ["/objects?limit=1001", "/objects?cursor=%00", "/objects/%ff", "/uploads/k?id=%0a"]) {
    expect((await userErrorOf(rig.call("GET", url))).code).toMatch(/bad_request|not_found/);
  }
  for (const range of ["bytes=5-4", "bytes=-", "items=0-1", "bytes=0-1,3-4"]) {
    expect((await userErrorOf(rig.call("GET", "/objects/k", { headers: { range } }))).code).toBe("bad_request");
  }
  expect((await put("k", { "checksum-sha256": "0".repeat(64) })).code).toBe("integrity_mismatch");
  expect(await rig.text("k")).toBeNull();
});

test("the same bytes are kept once, and go when the last who has them goes", async () => {
  await using rig = new BlobRig();
  await Promise.all(Array.from({ length: 20 }, (_, n) => rig.put(`k${n}`, "the same")));
  expect(await rig.files()).toHaveLength(1);
  await rig.call("POST", "/deletions", { body: JSON.stringify(Array.from({ length: 19 }, (_, n) => `k${n}`)) });
  expect(await rig.files()).toHaveLength(1);
  expect(await rig.text("k19")).toBe("the same");
  await rig.call("DELETE", "/objects/k19");
  expect(await rig.files()).toEqual([]);
});

test("putting and deleting the same bytes at once never loses them", async () => {
  await using rig = new BlobRig();
  for (let round = 0; round < 40; round += 1) {
    await Promise.all([
      rig.put("a", "bytes"),
      rig.call("DELETE", "/objects/a"),
      rig.put("b", "bytes"),
      rig.call("DELETE", "/objects/b"),
      rig.put("c", "bytes"),
    ]);
    expect(await rig.text("c")).toBe("bytes");
  }
});

test("bytes that a disk has changed are never given as a whole answer", async () => {
  await using rig = new BlobRig();
  const spoil: ((file: string) => void)[] = [
    (file) => truncateSync(file, 300_000),
    (file) => writeFileSync(file, readFileSync(file).fill(0, 400_000, 400_001)),
    (file) => truncateSync(file, 0),
  ];
  for (const [n, change] of spoil.entries()) {
    await rig.put("k", `${n}`.padEnd(600_000, "x"));
    const [file = ""] = await rig.files();
    change(file);
    const answer = await rig.call("GET", "/objects/k");
    await expect(answerText(answer)).rejects.toThrow();
  }
  await rig.put("whole", "y".repeat(600_000));
  const grown = (await rig.files()).find((file) => readFileSync(file).includes("y"));
  appendFileSync(grown ?? "", "more");
  expect(await rig.text("whole")).toBe("y".repeat(600_000));
});

test("an object of many parts is read with one file open, and its files go when nobody reads it any more", async () => {
  await using rig = new BlobRig();
  const { id } = await rig.json("POST", "/uploads/k");
  const part = (n: number) =>
    rig.json("PUT", `/uploads/k?id=${id}&part=${n}`, { body: new Uint8Array(5 * MB).fill(n) });
  const parts = await Promise.all(Array.from({ length: 12 }, (_, n) => part(n + 1)));
  await rig.call("POST", `/uploads/k?id=${id}`, { body: JSON.stringify(parts) });
  const openFiles = () =>
    readdirSync("/proc/self/fd").filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(join(rig.directory, "default", "content"));
      } catch {
        return false;
      }
    });
  const { body } = await rig.call("GET", "/objects/k");
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  let bytes = (await reader.read()).value?.length ?? 0;
  expect(openFiles()).toHaveLength(1);
  await rig.call("DELETE", "/objects/k");
  for (let read = await reader.read(); !read.done; read = await reader.read()) bytes += read.value.length;
  expect(bytes).toBe(60 * MB);
  expect(openFiles()).toEqual([]);
  expect(await rig.files()).toEqual([]);
});

test("a list is no longer than a mebibyte, and goes on by its cursor", async () => {
  await using rig = new BlobRig();
  const headers = { "custom-metadata": encodeURIComponent(JSON.stringify({ note: "n".repeat(8000) })) };
  await Promise.all(Array.from({ length: 200 }, (_, n) => rig.put(`k${n}`, "v", { headers })));
  const text = await answerText(await rig.call("GET", "/objects?include=customMetadata"));
  expect(text.length).toBeLessThan(MB + 20_000);
  expect(JSON.parse(text).cursor).toBeString();
  expect(await rig.keys("include=customMetadata")).toHaveLength(200);
});

test("metadata counts, so that many small objects do not take more than the quota", async () => {
  await using rig = new BlobRig({ bytesMax: 100_000 });
  const headers = { "custom-metadata": encodeURIComponent(JSON.stringify({ note: "n".repeat(8000) })) };
  const put = (n: number) =>
    rig.put(`k${n}`, "", { headers }).then(
      () => 1,
      () => 0,
    );
  const kept = await Promise.all(Array.from({ length: 30 }, (_, n) => put(n)));
  expect(kept.reduce<number>((sum, each) => sum + each, 0)).toBe(11);
});
