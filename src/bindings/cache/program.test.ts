/** The Cache API as programs see it: code written for Cloudflare's runs unchanged, and nobody reaches another's. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { ask, deploy, functionPath } from "../../testing/control_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

/** As it would be written for Cloudflare: every assertion is the program's own. */
const CLOUDFLARE = `
  const same = (a, b) => { if (JSON.stringify(a) !== JSON.stringify(b)) throw new Error(JSON.stringify([a, b])); };
  const fails = async (promise) => { try { await promise; } catch (error) { return error instanceof TypeError; } throw new Error("did not fail"); };
  const page = (text, headers = {}, status = 200) => new Response(text, { status, headers: { "cache-control": "max-age=60", ...headers } });
  export default {
    async fetch(request, env, ctx) {
      const cache = caches.default;
      const key = new Request("https://example.com/a?b=1#c", request);
      same(await cache.match(key), undefined);
      const response = page("grüße", { "content-type": "text/plain", etag: '"v1"' });
      ctx.waitUntil(cache.put(key, response.clone()));
      await cache.put(key, response);
      const hit = await cache.match("https://example.com/a?b=1");
      same([hit.status, await hit.text(), hit.headers.get("content-type"), hit.headers.get("cf-cache-status")], [200, "grüße", "text/plain", "HIT"]);
      same((await cache.match(new Request("https://example.com/a?b=1", { headers: { "if-none-match": '"v1"' } }))).status, 304);
      const part = await cache.match(new Request("https://example.com/a?b=1", { headers: { range: "bytes=0-1" } }));
      same([part.status, await part.text(), part.headers.get("content-range")], [206, "gr", "bytes 0-1/7"]);
      same(await cache.match(new Request("https://example.com/a?b=1", { method: "POST", body: "" })), undefined);
      same(await (await cache.match(new Request("https://example.com/a?b=1", { method: "POST", body: "" }), { ignoreMethod: true })).text(), "grüße");

      const named = await caches.open("named");
      same(await named.match(key), undefined);
      await named.put(key, page("named"));
      same([await (await named.match(key)).text(), await (await cache.match(key)).text()], ["named", "grüße"]);

      same(await fails(cache.put(new Request(key, { method: "POST", body: "" }), page("x"))), true);
      same(await fails(cache.put(key, page("x", {}, 206))), true);
      same(await fails(cache.put(key, page("x", { vary: "*" }))), true);
      for (const control of ["no-store", "private", "max-age=0", "no-cache"]) {
        await cache.put("https://example.com/" + control, page("x", { "cache-control": control }));
        same(await cache.match("https://example.com/" + control), undefined);
      }
      await cache.put("https://example.com/cookie", page("x", { "set-cookie": "a=1" }));
      same(await cache.match("https://example.com/cookie"), undefined);
      await cache.put("https://example.com/cookie", page("x", { "set-cookie": "a=1", "cache-control": "max-age=60, private=Set-Cookie" }));
      same((await cache.match("https://example.com/cookie")).headers.get("set-cookie"), null);
      await cache.put("https://example.com/silent", new Response("kept"));
      same(await (await cache.match("https://example.com/silent")).text(), "kept");
      same([await cache.delete(key), await cache.delete(key), await cache.match(key)], [true, false, undefined]);
      await cache.put("https://example.com/large", page(new Uint8Array(3_000_000)));
      same((await (await cache.match("https://example.com/large")).arrayBuffer()).byteLength, 3_000_000);
      return new Response("all as on Cloudflare");
    },
  };`;

const SHARED = `
  export default async (request) => {
    const query = new URL(request.url).searchParams;
    const at = "https://shared.example/" + (query.get("at") ?? "");
    if (query.has("put")) return await caches.default.put(at, new Response(query.get("put"), { headers: { "cache-control": "max-age=60" } })), new Response("put");
    return new Response(await (await caches.default.match(at))?.text() ?? "none");
  };`;

const CONFIG = `
[[functions]]
name = "cloudflare"
path = "./cloudflare.js"
routes = ["GET /cloudflare"]
[[functions]]
name = "one"
path = "./shared.js"
routes = ["GET /one"]
[[functions]]
name = "two"
path = "./shared.js"
routes = ["GET /two"]
[plans.anonymous]
run = "any"
`;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ config: CONFIG, files: { "cloudflare.js": CLOUDFLARE, "shared.js": SHARED } });
});
afterAll(async () => await server?.[Symbol.asyncDispose]());

const text = async (path: string) => (await fetch(server.url + path)).text();

test("code written for the Cache API runs unchanged", async () => {
  expect(await text("/cloudflare")).toBe("all as on Cloudflare");
});

test("functions of a project share it; another project, and programs, have their own", async () => {
  await text("/one?put=ours");
  expect(await text("/two")).toBe("ours");
  await ask(server, "POST", "/v1/projects", { name: "other" });
  await deploy(server, "spy", SHARED, { project: "other", routes: [{ route: "GET /spy" }] });
  expect(await text("/spy")).toBe("none");
  await text("/spy?put=theirs");
  expect([await text("/one"), await text("/spy")]).toEqual(["ours", "theirs"]);
  expect(
    await (
      await server.run(
        "export default async () => new Response(await (await caches.default.match('https://shared.example/'))?.text() ?? 'none')",
      )
    ).text(),
  ).toBe("none");
  await ask(server, "DELETE", functionPath("spy", "", "other"));
  expect((await ask(server, "DELETE", "/v1/projects/other")).status).toBeLessThan(300);
  expect(await text("/one")).toBe("ours");
});

test("a flood stays within its bytes, and takes nothing from another project", async () => {
  const flood = `export default async () => {
    for (let n = 0; n < 24; n += 1) await caches.default.put("https://flood.example/" + n, new Response(new Uint8Array(4_000_000), { headers: { "cache-control": "max-age=60" } }));
    const left = await Promise.all(Array.from({ length: 24 }, (_, n) => caches.default.match("https://flood.example/" + n)));
    return new Response(left.map((each) => (each ? 1 : 0)).join(""));
  };`;
  const kept = await (await server.run(flood)).text();
  expect(kept).toMatch(/^0{8}1{16}$/);
  expect(await text("/one")).toBe("ours");
});

test("what is no address, or too large, is refused by name", async () => {
  const code = `export default async () => {
    const told = (promise) => promise.then(() => "kept", (error) => error.code ?? error.name);
    const page = (bytes) => new Response(new Uint8Array(bytes), { headers: { "cache-control": "max-age=60" } });
    return [
      await told(caches.default.put("ftp://x/", page(1))),
      await told(caches.default.put("https://x/" + "y".repeat(5000), page(1))),
      await told(caches.default.put("https://x/", page(9_000_000))),
    ];
  };`;
  expect(await (await server.run(code)).json()).toEqual(["bad_request", "bad_request", "value_too_large"]);
});
