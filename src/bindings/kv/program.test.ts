/** KV as programs see it: code written for Cloudflare's KV runs unchanged, and what is ours beside it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startTestServer, type TestServer } from "../../testing/server.ts";

/** As it would be written for Cloudflare: every assertion is the program's own. */
const CLOUDFLARE = `
  const same = (a, b) => { if (JSON.stringify(a) !== JSON.stringify(b)) throw new Error(JSON.stringify([a, b])); };
  export default {
    async fetch(request, env, ctx) {
      const { NS } = env;
      same(await NS.get("missing"), null);
      same(await NS.getWithMetadata("missing"), { value: null, metadata: null, revision: 0, cacheStatus: null });
      await NS.put("text", "grüße");
      same(await NS.get("text"), "grüße");
      same(await NS.get("text", { type: "text", cacheTtl: 60 }), "grüße");
      await NS.put("json", JSON.stringify({ a: [1, null] }));
      same(await NS.get("json", "json"), { a: [1, null] });
      same(await NS.get("json", { type: "json" }), { a: [1, null] });
      const bytes = crypto.getRandomValues(new Uint8Array(50_000));
      await NS.put("bytes", bytes);
      same([...new Uint8Array(await NS.get("bytes", "arrayBuffer"))], [...bytes]);
      await NS.put("buffer", bytes.buffer);
      same((await NS.get("buffer", { type: "arrayBuffer" })).byteLength, 50_000);
      const long = new Uint8Array(3_000_000).map((_, at) => at % 251);
      await NS.put("stream", new Blob([long]).stream());
      const stream = await NS.get("stream", { type: "stream" });
      same(stream instanceof ReadableStream, true);
      same(new Uint8Array(await new Response(stream).arrayBuffer()).every((byte, at) => byte === at % 251), true);
      await NS.put("empty", "");
      same(await NS.get("empty"), "");
      const expiration = Math.floor(Date.now() / 1000) + 600;
      await NS.put("user:1", "eve", { expiration, metadata: { role: "ädmin", n: 1 } });
      await NS.put("user:2", "bob", { expirationTtl: 60 });
      const { value, metadata, cacheStatus } = await NS.getWithMetadata("user:1");
      same([value, metadata, cacheStatus], ["eve", { role: "ädmin", n: 1 }, null]);
      const { keys, list_complete } = await NS.list({ prefix: "user:" });
      same([keys.length, keys[0].name, keys[0].expiration, keys[0].metadata.n], [2, "user:1", expiration, 1]);
      same([list_complete, "metadata" in keys[1]], [true, false]);
      const names = [];
      let cursor;
      do {
        const page = await NS.list({ limit: 2, cursor });
        names.push(...page.keys.map(({ name }) => name));
        cursor = page.list_complete ? undefined : page.cursor;
      } while (cursor);
      same(names, ["buffer", "bytes", "empty", "json", "stream", "text", "user:1", "user:2"]);
      const many = await NS.get(["text", "missing", "user:1"]);
      same([...many], [["text", "grüße"], ["missing", null], ["user:1", "eve"]]);
      const both = await NS.getWithMetadata(["user:1", "missing"]);
      same([both.get("user:1").metadata.n, both.get("missing").value], [1, null]);
      await NS.delete("text");
      await NS.delete("text");
      same(await NS.get("text"), null);
      return new Response("all as on Cloudflare");
    },
  };
`;

const OURS = `
  const codeOf = (call) => call.then(() => "none", (error) => [error instanceof Error, error.code ?? error.name].join());
  export default async (request, { NS }) => {
    const out = {};
    const first = await NS.put("cas", "1", { ifRevision: 0 });
    out.taken = await codeOf(NS.put("cas", "2", { ifRevision: 0 }));
    const second = await NS.put("cas", "2", { ifRevision: first.revision });
    out.grew = second.revision > first.revision;
    out.stale = await codeOf(NS.delete("cas", { ifRevision: first.revision }));
    out.revision = (await NS.getWithMetadata("cas")).revision === second.revision;
    out.bytes = (await NS.getMany(["cas"], "bytes")).get("cas") instanceof Uint8Array;
    const changes = (await NS.watch({ prefix: "w:" }))[Symbol.asyncIterator]();
    const { revision } = await NS.put("w:1", "x", { ttl: 60 });
    out.put = (await changes.next()).value.revision === revision;
    await NS.delete("w:1");
    out.deleted = (await changes.next()).value;
    await changes.return();
    out.keyTooLong = await codeOf(NS.put("k".repeat(513), ""));
    out.keyForm = await codeOf(NS.get("\\ud800"));
    out.form = await codeOf(NS.get("cas", "xml"));
    out.value = await codeOf(NS.put("cas", { a: 1 }));
    return Response.json(out);
  };
`;

const table = (name: string) => `[[functions]]
name = "${name}"
path = "./${name}.js"
routes = ["GET /${name}"]
bindings.NS = { type = "kv", name = "${name}" }
`;

let server: TestServer;

beforeAll(async () => {
  const config = table("cloudflare") + table("ours");
  server = await startTestServer({ files: { "cloudflare.js": CLOUDFLARE, "ours.js": OURS }, config });
});
afterAll(async () => await server?.[Symbol.asyncDispose]());

test("code written for Cloudflare's KV runs unchanged", async () => {
  expect(await (await fetch(`${server.url}/cloudflare`)).text()).toBe("all as on Cloudflare");
});

test("revisions, watches and many keys at once are there beside it, and mistakes have names", async () => {
  expect(await (await fetch(`${server.url}/ours`)).json()).toEqual({
    taken: "true,changed_meanwhile",
    grew: true,
    stale: "true,changed_meanwhile",
    revision: true,
    bytes: true,
    put: true,
    deleted: { type: "delete", key: "w:1" },
    keyTooLong: "true,bad_request",
    keyForm: "true,TypeError",
    form: "true,TypeError",
    value: "true,TypeError",
  });
});
