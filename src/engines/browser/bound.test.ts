/** What is bound to a function in a page, and what it may reach outside. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { noChromium, startPages } from "../../testing/browser_rig.ts";
import type { TestServer } from "../../testing/server.ts";

const CODE = `
export const add = (a: number, b: number) => a + b;
export default {
  async fetch(request: Request, env: any, ctx: any) {
    const url = new URL(request.url);
    const what = url.searchParams.get("do");
    if (what === "kv") {
      await env.CACHE.put("a/b", "v".repeat(300_000), { metadata: { m: 1 } });
      const { value, metadata } = await env.CACHE.getWithMetadata("a/b");
      return Response.json([value.length, metadata, await env.CACHE.get("none")]);
    }
    if (what === "blob") {
      await env.FILES.put("x", new Blob([new Uint8Array(3_000_000).fill(1)]).stream(), { httpMetadata: { contentType: "a/b" } });
      const found = await env.FILES.get("x");
      return Response.json([found.size, new Uint8Array(await found.arrayBuffer()).every((each: number) => each === 1)]);
    }
    if (what === "sql") {
      await env.DB.exec("CREATE TABLE IF NOT EXISTS t (a INTEGER, b TEXT)");
      await env.DB.prepare("INSERT INTO t VALUES (?, ?)").bind(1, "one").run();
      return Response.json((await env.DB.prepare("SELECT * FROM t").all()).results);
    }
    if (what === "function") return Response.json([await env.OTHER.add(1, 2), await (await env.OTHER.fetch("http://x/y?do=name")).text()]);
    if (what === "queue") { await env.JOBS.send({ a: 1 }); return Response.json("sent"); }
    if (what === "cache") {
      await caches.default.put("http://x/kept", new Response("kept", { headers: { "cache-control": "max-age=60" } }));
      return Response.json(await (await caches.default.match("http://x/kept")).text());
    }
    if (what === "secret") return Response.json([env.TOKEN, env.PLAIN]);
    if (what === "fetch") {
      const answer = await fetch(url.searchParams.get("url")!, { method: "POST", body: "sent", headers: { cookie: "own=1", "x-token": env.TOKEN } });
      return Response.json([answer.status, await answer.text(), answer.headers.getSetCookie()]);
    }
    if (what === "denied") return Response.json(await fetch("http://example.org/").then(() => "reached", (error) => error.code));
    if (what === "file") return Response.json(await Promise.all(["/token.txt", "/other.txt", "/index.ts", "/.hidden"].map(async (path) => (await fetch(path)).status)));
    return new Response(ctx.function.name);
  },
};`;

describe.skipIf(noChromium)("what is bound to a function in a page", () => {
  let server: TestServer;
  let outside: Bun.Server<undefined>;
  beforeAll(async () => {
    outside = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: async (request) => {
        const { headers } = request;
        const text = [
          request.method,
          new URL(request.url).pathname,
          await request.text(),
          headers.get("cookie"),
          headers.get("x-token"),
        ];
        return new Response(text.join(" "), { headers: { "set-cookie": "theirs=1" } });
      },
    });
    const host = `localhost:${outside.port}`;
    const config = `egress = ["${host}"]
instances = 1
limits = { wall_ms = 60000 }
[functions.bindings]
CACHE = { type = "kv", name = "cache" }
FILES = { type = "blob", name = "files" }
DB = { type = "sql", name = "shop" }
OTHER = { type = "function", name = "other" }
JOBS = { type = "queue", name = "jobs" }
TOKEN = { type = "secret", name = "t", value_file = "bound/token.txt", hosts = ["localhost"] }
PLAIN = { type = "secret", name = "p", value_file = "bound/plain.txt" }`;
    server = await startPages({
      bound: { code: CODE, config, files: { "token.txt": "the-secret", "plain.txt": "plain", "other.txt": "a file" } },
      other: CODE,
    });
  }, 30_000);
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await outside?.stop(true);
  });
  const ask = async (query: string) => (await fetch(`${server.url}/bound?${query}`)).json() as Promise<unknown>;

  test("is there as in every engine: keys, objects, rows, functions, queues, caches, secrets", async () => {
    expect(await ask("do=kv")).toEqual([300_000, { m: 1 }, null]);
    expect(await ask("do=blob")).toEqual([3_000_000, true]);
    expect(await ask("do=sql")).toEqual([{ a: 1, b: "one" }]);
    expect(await ask("do=function")).toEqual([3, "other"]);
    expect(await ask("do=queue")).toBe("sent");
    expect(await ask("do=cache")).toBe("kept");
    expect(await ask("do=secret")).toEqual([expect.stringMatching(/^isopod-secret-/), "plain"]);
  });

  test("is there for many requests at once on one tab", async () => {
    const asked = Array.from({ length: 12 }, (_, at) => ask(`do=${at % 2 === 0 ? "kv" : "blob"}`));
    const answers = await Promise.all(asked);
    expect(new Set(answers.map((each) => JSON.stringify(each)))).toEqual(
      new Set(['[300000,{"m":1},null]', "[3000000,true]"]),
    );
  });

  test("fetches what the function may reach, with all of its headers, and nothing else", async () => {
    const url = encodeURIComponent(`http://localhost:${outside.port}/there`);
    expect(await ask(`do=fetch&url=${url}`)).toEqual([200, "POST /there sent own=1 the-secret", ["theirs=1"]]);
    expect(await ask("do=denied")).toBe("egress_denied");
    // Files of secrets are no files of the page, sources neither.
    expect(await ask("do=file")).toEqual([404, 200, 404, 404]);
  });
});
