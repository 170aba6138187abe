/** The blob binding at its port, on local files: the conformance suites, what it keeps, and what it refuses. */
import { expect, test } from "bun:test";
import { appendFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { answerText, bindingCall, describeBinding, userErrorOf } from "../../testing/binding-suite.ts";
import { BlobRig, bucketGrant } from "../../testing/blob_rig.ts";
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
  write: "await B.put(id, text)",
  read: "const found = await B.get(id); return found && found.text()",
});

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

test("ranges give what they name, over blocks, and nothing beyond the end", async () => {
  await using rig = new BlobRig();
  const text = Array.from({ length: 700_000 }, (_, at) => String(at % 10)).join("");
  await rig.put("k", text);
  const at = (range: string) => rig.text("k", { headers: { range } });
  expect(await at("bytes=0-9")).toBe("0123456789");
  expect(await at("bytes=262140-262150")).toBe(text.slice(262_140, 262_151));
  expect(await at("bytes=699995-")).toBe("56789");
  expect(await at("bytes=-3")).toBe("789");
  expect(await at("bytes=-900000")).toBe(text);
  expect(await at("bytes=0-99999999")).toBe(text);
  expect((await userErrorOf(rig.call("GET", "/objects/k", { headers: { range: "bytes=700000-" } }))).code).toBe(
    "bad_request",
  );
});

test("of many who put under a condition, one wins", async () => {
  await using rig = new BlobRig();
  const all = await Promise.all(
    Array.from({ length: 30 }, (_, n) => rig.put("k", `v${n}`, { headers: { "if-none-match": "*" } })),
  );
  expect(all.filter(({ status }) => status === 200)).toHaveLength(1);
  const [, etag = ""] = all.find(({ status }) => status === 200)?.headers.find(([name]) => name === "etag") ?? [];
  const next = await Promise.all(
    Array.from({ length: 30 }, (_, n) => rig.put("k", `w${n}`, { headers: { "if-match": etag } })),
  );
  expect(next.filter(({ status }) => status === 200)).toHaveLength(1);
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

test("a quota holds while many put at once, and what is deleted makes room", async () => {
  await using rig = new BlobRig(1000 * 1000);
  const put = (n: number) =>
    rig.put(`k${n}`, String(n).padEnd(100_000, "x")).then(
      () => "put",
      (error) => error.code as string,
    );
  const outcomes = await Promise.all(Array.from({ length: 30 }, (_, n) => put(n)));
  expect(outcomes.filter((outcome) => outcome === "put")).toHaveLength(9);
  expect(new Set(outcomes)).toEqual(new Set(["put", "quota_exceeded"]));
  expect(await rig.files()).toHaveLength(9);
  const [first = ""] = await rig.keys();
  await rig.call("DELETE", `/objects/${first}`);
  expect(await put(99)).toBe("put");
});

test("who gives a put up leaves nothing", async () => {
  await using rig = new BlobRig();
  const ender = new AbortController();
  let sent = () => {};
  const begun = new Promise<void>((resolve) => {
    sent = resolve;
  });
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(new Uint8Array(100_000));
      sent();
    },
  });
  const putting = userErrorOf(rig.put("k", body, { signal: ender.signal }));
  await begun;
  ender.abort();
  expect((await putting).code).toBe("binding_failed");
  expect(await rig.text("k")).toBeNull();
  expect(readdirSync(join(rig.directory, "default", "drafts"))).toEqual([]);
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

test("uploads in parts: their order, their sizes, their ends", async () => {
  await using rig = new BlobRig();
  const json = async (method: string, url: string, body?: string | Uint8Array) =>
    JSON.parse(await answerText(await rig.call(method, url, body === undefined ? {} : { body })));
  const { id } = await json("POST", "/uploads/big");
  const part = (n: number, bytes: number) =>
    json("PUT", `/uploads/big?id=${id}&part=${n}`, new Uint8Array(bytes).fill(n));
  const parts = [await part(3, 10), await part(1, 5 * MB), await part(2, 5 * MB)];
  expect(await rig.text("big")).toBeNull();
  const complete = (chosen: unknown) => rig.call("POST", `/uploads/big?id=${id}`, { body: JSON.stringify(chosen) });
  expect((await userErrorOf(complete([{ partNumber: 9, etag: "x" }]))).message).toContain("part 9 is not there");
  expect(
    (await userErrorOf(complete([parts[0], { partNumber: 4, etag: (await part(4, 10)).etag }]))).message,
  ).toContain("part 3 has 10 bytes");
  expect((await userErrorOf(rig.call("PUT", `/uploads/other?id=${id}&part=1`, { body: "x" }))).code).toBe("not_found");
  const object = JSON.parse(await answerText(await complete(parts)));
  expect(object).toMatchObject({ size: 10 * MB + 10, etag: expect.stringMatching(/-3$/) });
  const whole = await new Response((await rig.call("GET", "/objects/big")).body as ReadableStream).bytes();
  expect([whole.length, whole[0], whole[5 * MB], whole[10 * MB]]).toEqual([10 * MB + 10, 1, 2, 3]);
  const seam = await new Response(
    (await rig.call("GET", "/objects/big", { headers: { range: `bytes=${5 * MB - 1}-${5 * MB}` } }))
      .body as ReadableStream,
  ).bytes();
  expect([...seam]).toEqual([1, 2]);
  expect((await userErrorOf(complete(parts))).code).toBe("not_found");
  await rig.call("DELETE", "/objects/big");
  expect(await rig.files()).toEqual([]);
});

test("an upload that nobody completes is given up after a week", async () => {
  await using rig = new BlobRig();
  const { id } = JSON.parse(await answerText(await rig.call("POST", "/uploads/k")));
  await rig.call("PUT", `/uploads/k?id=${id}&part=1`, { body: "left" });
  await rig.clock.advance(7 * 86_400_000 + 20_000);
  await rig.put("other", "v");
  await rig.clock.advance(10_000);
  expect((await userErrorOf(rig.call("PUT", `/uploads/k?id=${id}&part=2`, { body: "x" }))).code).toBe("not_found");
  expect(await rig.files()).toHaveLength(1);
});

test("lists go by prefix, delimiter and page, in the order of the keys' bytes", async () => {
  await using rig = new BlobRig();
  const keys = ["a", "a/1", "a/2", "b/x/1", "b/x/2", "b/y", "c", "é", "\u{10ffff}"];
  for (const key of keys) await rig.put(key, key);
  expect(await rig.keys("limit=2")).toEqual(keys);
  expect(await rig.keys("prefix=b/")).toEqual(["b/x/1", "b/x/2", "b/y"]);
  expect((await rig.keys("delimiter=/")).sort()).toEqual(["a", "a/", "b/", "c", "é", "\u{10ffff}"].sort());
  expect((await rig.keys("delimiter=/&limit=1")).sort()).toEqual(["a", "a/", "b/", "c", "é", "\u{10ffff}"].sort());
  expect(await rig.keys("prefix=b/&delimiter=/&limit=1")).toEqual(["b/x/", "b/y"]);
  expect(await rig.keys("start-after=b/x/1")).toEqual(["b/x/2", "b/y", "c", "é", "\u{10ffff}"]);
});

test("a project that is removed is gone as a whole, and another one's stays", async () => {
  await using rig = new BlobRig();
  const other = bucketGrant({ project: "other" });
  await rig.put("k", "mine");
  await rig.put("k", "theirs", { grant: other });
  await rig.binding.removeProject?.("default");
  expect(await rig.text("k")).toBeNull();
  expect(await rig.text("k", { grant: other })).toBe("theirs");
});
