/** The conformance suite of places that keep blobs: lists, and uploads in parts. */
import { describe, expect, test } from "bun:test";
import { answerText, userErrorOf } from "./binding-suite.ts";
import type { BlobRig } from "./blob_rig.ts";
import type { OpenBlobRig } from "./blob-suite.ts";

const MB = 1024 * 1024;
const DAY_MS = 86_400_000;

interface Part {
  readonly partNumber: number;
  readonly etag: string;
}

/** Declares the suite. */
export function describeBlobLists(name: string, open: OpenBlobRig): void {
  describe(`lists and uploads on ${name}`, () => {
    declareLists(open);
    declareUploads(open);
  });
}

function declareLists(open: OpenBlobRig): void {
  test("lists go by prefix, delimiter and page, in the order of the keys' bytes", async () => {
    await using rig = open();
    const keys = ["a", "a/1", "a/2", "b/x/1", "b/x/2", "b/y", "c", "é", "\u{10ffff}"];
    for (const key of keys) await rig.put(key, key);
    expect(await rig.keys("limit=2")).toEqual(keys);
    expect(await rig.keys("prefix=b/")).toEqual(["b/x/1", "b/x/2", "b/y"]);
    const folders = ["a", "a/", "b/", "c", "é", "\u{10ffff}"].sort();
    expect((await rig.keys("delimiter=/")).sort()).toEqual(folders);
    expect((await rig.keys("delimiter=/&limit=1")).sort()).toEqual(folders);
    expect(await rig.keys("prefix=b/&delimiter=/&limit=1")).toEqual(["b/x/", "b/y"]);
    expect(await rig.keys("start-after=b/x/1")).toEqual(["b/x/2", "b/y", "c", "é", "\u{10ffff}"]);
  });

  test("keys are data: whatever characters they are of, they come back as they were", async () => {
    await using rig = open();
    const keys = [
      "\x01\x1f",
      " +%20&amp;<b>]]>",
      "a\\b",
      "f/\u{10ffff}/x",
      "f/\u{10ffff}\u{10ffff}",
      "\u{fffd}\r\n",
      "x/../",
    ];
    const taken: string[] = [];
    for (const key of keys) {
      const outcome = await rig.put(key, key).then(
        () => "put",
        (error) => error.code as string,
      );
      // A store whose names are addresses says so.
      expect([key, outcome]).toEqual([key, outcome === "put" ? "put" : "bad_request"]);
      if (outcome === "put") taken.push(key);
    }
    expect(taken.length).toBeGreaterThanOrEqual(keys.length - 1);
    expect((await rig.keys()).sort()).toEqual([...taken].sort());
    expect((await rig.keys("delimiter=/&limit=1")).filter((key) => key === "f/")).toEqual(["f/"]);
    for (const key of taken) expect(await rig.text(key)).toBe(key);
  });

  test("a list tells the metadata that it includes, and ends early where that is much", async () => {
    await using rig = open();
    const note = "n".repeat(1200);
    const headers = {
      "http-metadata": encodeURIComponent('{"contentType":"text/x"}'),
      "custom-metadata": encodeURIComponent(JSON.stringify({ note })),
    };
    await Promise.all(Array.from({ length: 120 }, (_, n) => rig.put(`k${n}`, "v", { headers })));
    const first = async (query: string) => {
      const { objects, cursor } = (await rig.json("GET", `/objects?${query}`)) as {
        objects: object[];
        cursor?: string;
      };
      return { object: objects[0], count: objects.length, cursor };
    };
    const plain = await first("limit=1");
    expect(plain.object).toMatchObject({ key: "k0", size: 1 });
    expect(plain.object).not.toHaveProperty("customMetadata");
    expect((await first("include=customMetadata&limit=1")).object).toMatchObject({ customMetadata: { note } });
    expect((await first("include=httpMetadata&limit=1")).object).toMatchObject({
      httpMetadata: { contentType: "text/x" },
    });
    expect(await rig.keys("include=customMetadata&include=httpMetadata")).toHaveLength(120);
    expect((await userErrorOf(rig.call("GET", "/objects?include=secrets"))).code).toBe("bad_request");
  });
}

function declareUploads(open: OpenBlobRig): void {
  const begin = async (rig: BlobRig, key: string) => String((await rig.json("POST", `/uploads/${key}`))["id"]);
  const send = async (rig: BlobRig, key: string, id: string, part: number, body: string | Uint8Array) =>
    (await rig.json("PUT", `/uploads/${key}?id=${id}&part=${part}`, { body })) as unknown as Part;
  const complete = (rig: BlobRig, key: string, id: string, parts: readonly Part[]) =>
    rig.call("POST", `/uploads/${key}?id=${id}`, { body: JSON.stringify(parts) });

  test("uploads in parts: their order, their sizes, their ends", async () => {
    await using rig = open();
    const id = await begin(rig, "big");
    const part = (n: number, bytes: number) => send(rig, "big", id, n, new Uint8Array(bytes).fill(n));
    const parts = [await part(3, 10), await part(1, 5 * MB), await part(2, 5 * MB)];
    expect(await rig.text("big")).toBeNull();
    const unknown = await userErrorOf(complete(rig, "big", id, [{ partNumber: 9, etag: "a".repeat(32) }]));
    expect(unknown.code).toBe("bad_request");
    const short = [parts[0], { partNumber: 4, etag: (await part(4, 10)).etag }] as Part[];
    expect((await userErrorOf(complete(rig, "big", id, short))).code).toBe("bad_request");
    const elsewhere = rig.call("PUT", `/uploads/other?id=${id}&part=1`, { body: "x" });
    expect((await userErrorOf(elsewhere)).code).toBe("not_found");
    const object = JSON.parse(await answerText(await complete(rig, "big", id, parts)));
    expect(object).toMatchObject({ size: 10 * MB + 10, etag: expect.stringMatching(/^[0-9a-f]{32}-3$/) });
    const bytesOf = async (headers = {}) =>
      new Response((await rig.call("GET", "/objects/big", { headers })).body as ReadableStream).bytes();
    const whole = await bytesOf();
    expect([whole.length, whole[0], whole[5 * MB], whole[10 * MB]]).toEqual([10 * MB + 10, 1, 2, 3]);
    expect([...(await bytesOf({ range: `bytes=${5 * MB - 1}-${5 * MB}` }))]).toEqual([1, 2]);
    expect((await userErrorOf(complete(rig, "big", id, parts))).code).toBe("not_found");
    expect((await userErrorOf(send(rig, "big", id, 5, "x"))).code).toBe("not_found");
  });

  test("an upload that is given up is gone, with its parts", async () => {
    await using rig = open({ bytesMax: 1_000_000 });
    const id = await begin(rig, "k");
    await send(rig, "k", id, 1, "x".repeat(600_000));
    expect((await userErrorOf(rig.put("l", "y".repeat(600_000)))).code).toBe("quota_exceeded");
    expect((await userErrorOf(send(rig, "k", id, 2, "x".repeat(600_000)))).code).toBe("quota_exceeded");
    await rig.call("DELETE", `/uploads/k?id=${id}`);
    expect((await userErrorOf(send(rig, "k", id, 2, "y"))).code).toBe("not_found");
    expect((await userErrorOf(rig.call("DELETE", `/uploads/k?id=${id}`))).code).toBe("not_found");
    expect((await rig.put("l", "y".repeat(600_000))).status).toBe(200);
  });

  test("parts count until an upload is over, also after a restart, and then the object does", async () => {
    await using rig = open({ bytesMax: 12 * MB });
    const id = await begin(rig, "k");
    const parts = [await send(rig, "k", id, 1, new Uint8Array(5 * MB)), await send(rig, "k", id, 2, "end")];
    await rig.reopen();
    expect((await userErrorOf(rig.put("l", new Uint8Array(8 * MB)))).code).toBe("quota_exceeded");
    await complete(rig, "k", id, parts);
    expect((await userErrorOf(rig.put("l", new Uint8Array(8 * MB)))).code).toBe("quota_exceeded");
    expect((await rig.put("l", new Uint8Array(6 * MB))).status).toBe(200);
    await rig.call("DELETE", "/objects/k");
    expect((await rig.put("m", new Uint8Array(5 * MB))).status).toBe(200);
  });

  test("an upload that nobody completes is given up after a week", async () => {
    await using rig = open();
    const id = await begin(rig, "k");
    await send(rig, "k", id, 1, "left");
    await rig.clock.advance(7 * DAY_MS + 20_000);
    await rig.put("other", "v");
    await rig.clock.advance(3_600_000);
    // Closing waits for what is under way.
    await rig.reopen();
    expect((await userErrorOf(send(rig, "k", id, 2, "x"))).code).toBe("not_found");
  });
}
