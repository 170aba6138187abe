/** The response cache through a real server: what is kept and for whom, what waits for what, and what is forgotten. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { hashOf } from "../../stdx/hash.ts";
import { deploy } from "../../testing/control_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

/** Answers as the query says, and how often it has run for this path. */
const CODE = `
  const runs = new Map();
  export default async (request, env, ctx) => {
    const url = new URL(request.url);
    const { searchParams: query } = url;
    const n = (runs.get(url.pathname) ?? 0) + 1;
    runs.set(url.pathname, n);
    if (query.has("fail") && n >= Number(query.get("fail"))) throw new Error("fails");
    if (query.get("turn") === String(n)) return new Response("turned", { status: 404 });
    if (query.has("etag") && request.headers.get("if-none-match") === '"' + query.get("etag") + '"') {
      return new Response(null, { status: 304, headers: { "cache-control": query.get("cc"), "x-run": String(n) } });
    }
    const headers = new Headers({ "x-run": String(n), "cache-control": query.get("cc") ?? "" });
    for (const name of ["vary", "etag", "tag", "expires", "cookie", "age", "pragma", "date"]) {
      const header = { tag: "cache-tag", cookie: "set-cookie" }[name] ?? name;
      if (query.has(name)) headers.set(header, name === "etag" ? '"' + query.get(name) + '"' : query.get(name));
    }
    const text = n + " " + (request.headers.get("accept-language") ?? "");
    const body = query.has("stream")
      ? new ReadableStream({ async pull(c) { c.enqueue(new TextEncoder().encode(text)); await Bun.sleep(5); c.enqueue(new Uint8Array(Number(query.get("stream")))); c.close(); } })
      : text;
    return new Response(body, { status: Number(query.get("status") ?? 200), headers });
  };`;

const KEY = "a-key-of-the-test";
const CONFIG = `
[[functions]]
name = "f"
path = "./f.js"
routes = ["ANY /f/*"]
instances = 1
limits = { concurrency = 500 }
[[functions]]
name = "from-file"
path = "./f.js"
routes = ["GET /from-file"]
cache = false
[plans.anonymous]
run = "any"
concurrency = 1000
bindings.KV = { type = "kv", name = "programs" }
[plans.paid]
run = "any"
[[keys]]
plan = "paid"
hash = "${hashOf(KEY)}"
`;

let server: TestServer;
let next = 0;
beforeAll(async () => {
  server = await startTestServer({ config: CONFIG, files: { "f.js": CODE } });
});
afterAll(async () => await server?.[Symbol.asyncDispose]());

/** An address that nobody else uses. */
const path = (query: Record<string, string>) => `/f/${++next}?${new URLSearchParams(query)}`;
const get = async (at: string, headers: Record<string, string> = {}, method = "GET") => {
  const answer = await fetch(server.url + at, { headers, method });
  const text = await answer.text();
  return { status: answer.status, run: Number(answer.headers.get("x-run")), text, headers: answer.headers };
};
/** Runs after two requests, one behind the other. */
const twice = async (at: string, first: Record<string, string> = {}, second = first) => {
  await get(at, first);
  return (await get(at, second)).run;
};

describe("what is kept", () => {
  const cases: readonly (readonly [
    what: string,
    query: Record<string, string>,
    runs: number,
    headers?: Record<string, string>,
  ])[] = [
    ["max-age", { cc: "max-age=60" }, 1],
    ["s-maxage over max-age", { cc: "max-age=0, s-maxage=60" }, 1],
    ["Expires", { cc: "public", expires: "Thu, 01 Jan 2099 00:00:00 GMT" }, 1],
    ["nothing said", {}, 2],
    ["public without a lifetime", { cc: "public" }, 2],
    ["no-store", { cc: "max-age=60, no-store" }, 2],
    ["private", { cc: "private, max-age=60" }, 2],
    ["no-cache", { cc: "no-cache, max-age=60" }, 2],
    ["max-age=0", { cc: "max-age=0" }, 2],
    ["s-maxage=0", { cc: "max-age=60, s-maxage=0" }, 2],
    ["an old Expires", { cc: "public", expires: "Thu, 01 Jan 1970 00:00:00 GMT" }, 2],
    ["a cookie is set", { cc: "public, max-age=60", cookie: "a=1" }, 2],
    ["Vary: *", { cc: "max-age=60", vary: "*" }, 2],
    ["404", { cc: "max-age=60", status: "404" }, 1],
    ["301", { cc: "max-age=60", status: "301" }, 1],
    ["500", { cc: "max-age=60", status: "500" }, 2],
    ["206", { cc: "max-age=60", status: "206" }, 2],
    ["it has no body", { cc: "max-age=60", status: "204" }, 1],
    ["308", { cc: "max-age=60", status: "308" }, 1],
    ["410", { cc: "max-age=60", status: "410" }, 1],
    ["302 and a lifetime", { cc: "max-age=60", status: "302" }, 1],
    ["a status that means nothing to caches", { cc: "max-age=60", status: "299" }, 2],
    ["403", { cc: "max-age=60", status: "403" }, 2],
    ["directives in capitals", { cc: "Max-Age=60" }, 1],
    ["no-store in capitals", { cc: "max-age=60, No-Store" }, 2],
    ["private in capitals", { cc: "MAX-AGE=60,PRIVATE" }, 2],
    ["no-store without a space", { cc: "max-age=60,no-store" }, 2],
    ["a quoted lifetime", { cc: 'max-age="60"' }, 1],
    ["a lifetime with spaces", { cc: "public , max-age = 60" }, 1],
    ["a lifetime below nothing", { cc: "max-age=-60" }, 2],
    ["a lifetime that is no whole number", { cc: "max-age=60.5" }, 2],
    ["a lifetime of words", { cc: "max-age=forever" }, 2],
    ["an endless lifetime", { cc: "max-age=99999999999999999999" }, 1],
    ["two lifetimes", { cc: "max-age=60, max-age=0" }, 2],
    ["two lifetimes the other way", { cc: "max-age=0, max-age=60" }, 2],
    ["a lifetime within a quoted text", { cc: 'ext="max-age=60"' }, 2],
    ["no-store within a quoted text", { cc: 'max-age=60, ext="no-store"' }, 1],
    ["private for a header", { cc: 'max-age=60, private="x-run"' }, 2],
    ["no-cache for a header", { cc: 'max-age=60, no-cache="x-run"' }, 2],
    ["must-revalidate", { cc: "max-age=60, must-revalidate" }, 1],
    ["proxy-revalidate", { cc: "max-age=60, proxy-revalidate" }, 1],
    ["immutable without a lifetime", { cc: "immutable" }, 2],
    ["an unknown directive", { cc: "max-age=60, x-something=1" }, 1],
    ["must-understand and a known status", { cc: "max-age=60, must-understand" }, 1],
    ["max-age over an old Expires", { cc: "max-age=60", expires: "0" }, 1],
    ["s-maxage over Expires", { cc: "s-maxage=0", expires: "Thu, 01 Jan 2099 00:00:00 GMT" }, 2],
    ["an Expires that is none", { cc: "public", expires: "soon" }, 2],
    ["it is older than it may be", { cc: "max-age=60", age: "60" }, 2],
    ["it is old, but not too old", { cc: "max-age=60", age: "30" }, 1],
    ["an age that is none", { cc: "max-age=60", age: "-600" }, 1],
    ["Pragma", { pragma: "no-cache", expires: "Thu, 01 Jan 2099 00:00:00 GMT" }, 2],
    ["Expires alone", { expires: "Thu, 01 Jan 2099 00:00:00 GMT" }, 1],
    ["more names in Vary than are worth it", { cc: "max-age=60", vary: Array.from("abcdefghijklmnopq").join() }, 2],
    ["* among the names of Vary", { cc: "max-age=60", vary: "accept, *" }, 2],
    ["a cookie is sent, which it varies by", { cc: "max-age=60", vary: "Cookie" }, 1, { cookie: "a=1" }],
    [
      "a credential is sent, which it varies by",
      { cc: "max-age=60", vary: "Authorization" },
      2,
      { authorization: "Basic eDp5" },
    ],
    [
      "a credential is sent, must-revalidate",
      { cc: "max-age=60, must-revalidate" },
      2,
      { authorization: "Basic eDp5" },
    ],
    ["a credential is sent, s-maxage", { cc: "s-maxage=60" }, 1, { authorization: "Basic eDp5" }],
    ["the client's no-store", { cc: "max-age=60" }, 2, { "cache-control": "no-store" }],
    ["the client's Pragma", { cc: "max-age=60" }, 2, { pragma: "no-cache" }],
    ["the client's max-age is longer", { cc: "max-age=60" }, 1, { "cache-control": "max-age=100" }],
    ["the client's max-age is shorter", { cc: "max-age=60", age: "30" }, 2, { "cache-control": "max-age=20" }],
    ["the client's min-fresh is shorter", { cc: "max-age=60" }, 1, { "cache-control": "min-fresh=20" }],
    ["the client's min-fresh is longer", { cc: "max-age=60" }, 2, { "cache-control": "min-fresh=100" }],
    ["the client takes what is stale", { cc: "max-age=60" }, 1, { "cache-control": "max-stale" }],
    ["If-Match", { cc: "max-age=60" }, 2, { "if-match": '"x"' }],
    ["a cookie is sent", { cc: "max-age=60" }, 2, { cookie: "a=1" }],
    ["a cookie is sent, public", { cc: "public, max-age=60" }, 1, { cookie: "a=1" }],
    ["a credential is sent", { cc: "max-age=60" }, 2, { authorization: "Basic eDp5" }],
    ["a credential is sent, public", { cc: "public, max-age=60" }, 1, { authorization: "Basic eDp5" }],
    ["the client takes nothing kept", { cc: "max-age=60" }, 2, { "cache-control": "no-cache" }],
    ["the client's max-age=0", { cc: "max-age=60" }, 2, { "cache-control": "max-age=0" }],
    ["a range is asked for", { cc: "max-age=60" }, 2, { range: "bytes=0-0" }],
    ["it streams", { cc: "max-age=60", stream: "1000" }, 1],
    ["it is larger than is kept", { cc: "max-age=60", stream: String(9 * 1024 * 1024) }, 2],
  ];
  for (const [what, query, runs, headers] of cases) {
    test(`${what}: ${runs === 1 ? "kept" : "not kept"}`, async () => {
      const answer = async () => {
        const got = await fetch(server.url + at, { headers: headers ?? {}, redirect: "manual" });
        await got.arrayBuffer();
        return Number(got.headers.get("x-run"));
      };
      const at = path(query);
      await answer();
      expect(await answer()).toBe(runs);
    });
  }

  test("a hit says so, and how old it is; it has its own request id and keeps the rest", async () => {
    const at = path({ cc: "max-age=60", tag: "a,b" });
    const [first, second] = [await get(at), await get(at)];
    expect(first.headers.get("cache-status")).toBe("isopod; fwd=miss; stored");
    expect([second.text, second.headers.get("cache-status"), second.headers.get("age")]).toEqual([
      first.text,
      expect.stringMatching(/^isopod; hit; ttl=(59|60)$/),
      "0",
    ]);
    expect(second.headers.get("isopod-request-id")).not.toBe(first.headers.get("isopod-request-id"));
    expect(second.headers.get("isopod-version")).toBe(first.headers.get("isopod-version") ?? "");
    expect([first.headers.get("cache-tag"), second.headers.get("cache-tag")]).toEqual([null, null]);
  });

  test("what a credential or a cookie got is given to nobody without it", async () => {
    for (const cc of ["max-age=60", "max-age=60, must-revalidate"]) {
      for (const headers of [{ authorization: "Basic eDp5" }, { cookie: "a=1" }] as Record<string, string>[]) {
        expect(await twice(path({ cc }), headers, {})).toBe(2);
      }
    }
    const byCookie = path({ cc: "max-age=60", vary: "cookie" });
    expect(await twice(byCookie, { cookie: "a=1" }, { cookie: "a=2" })).toBe(2);
    expect(await twice(byCookie, {}, { authorization: "Basic eDp5" })).toBe(4);
  });

  test("who sends what is not kept keeps nobody else's answer from being kept", async () => {
    const at = path({ cc: "max-age=60" });
    for (const [headers, method] of [
      [{ cookie: "a=1" }, "GET"],
      [{}, "POST"],
      [{ "if-none-match": '"x"' }, "GET"],
    ] as const) {
      await get(at, headers as Record<string, string>, method);
    }
    expect(await twice(at)).toBe(4);
  });

  test("a function that has its cache turned off runs each time", async () => {
    const code =
      "let runs = 0; export default () => new Response(String(++runs), { headers: { 'cache-control': 'max-age=60' } });";
    await deploy(server, "off", code, { routes: [{ route: "GET /off" }], settings: { cache: false } });
    const texts = [await (await fetch(`${server.url}/off`)).text(), await (await fetch(`${server.url}/off`)).text()];
    expect(texts).toEqual(["1", "2"]);
    expect((await fetch(`${server.url}/from-file`)).headers.get("cache-status")).toBeNull();
  });

  test("what is kept for nobody's cookie is not given to who has one", async () => {
    const at = path({ cc: "max-age=60" });
    expect(await twice(at, {}, { cookie: "session=1" })).toBe(2);
    expect((await get(at)).run).toBe(1);
  });

  test("Vary: each has its own", async () => {
    const at = path({ cc: "max-age=60", vary: "Accept-Language" });
    const [de, en] = [{ "accept-language": "de" }, { "accept-language": "en" }];
    expect([(await get(at, de)).text, (await get(at, en)).text]).toEqual(["1 de", "2 en"]);
    expect([(await get(at, de)).text, (await get(at, en)).text]).toEqual(["1 de", "2 en"]);
  });

  test("HEAD, and conditions of clients, are answered by what GET has kept", async () => {
    const at = path({ cc: "max-age=60", etag: "v1" });
    await get(at);
    const head = await get(at, {}, "HEAD");
    expect(head).toMatchObject({ status: 200, run: 1, text: "" });
    expect(head.headers.get("content-length")).toBe("2");
    expect(await get(at, { "if-none-match": '"v1"' })).toMatchObject({ status: 304, text: "" });
    expect(await get(at, { "if-none-match": '"v2"' })).toMatchObject({ status: 200, run: 1 });
  });

  test("only-if-cached is answered from the cache or not at all", async () => {
    const at = path({ cc: "max-age=60" });
    expect((await get(at, { "cache-control": "only-if-cached" })).status).toBe(504);
    await get(at);
    expect(await get(at, { "cache-control": "only-if-cached" })).toMatchObject({ status: 200, run: 1 });
  });

  test("what changes a resource makes what is kept of it old", async () => {
    const at = path({ cc: "max-age=60" });
    await get(at);
    await get(at, {}, "PUT");
    expect((await get(at)).run).toBe(3);
  });
});

describe("what is stale", () => {
  test("is asked for by its tag, and given on when it is current", async () => {
    const at = path({ cc: "max-age=0, stale-if-error=60", etag: "same" });
    const first = await get(at);
    const second = await get(at);
    expect([second.status, second.text, second.run]).toEqual([200, first.text, 2]);
    expect(second.headers.get("cache-status")).toBe("isopod; fwd=stale; fwd-status=304; stored");
    expect((await get(at, { "if-none-match": '"same"' })).status).toBe(304);
  });

  test("is not given any more once the function answers what is not for keeping", async () => {
    const at = path({ cc: "max-age=0, stale-if-error=60", turn: "2", fail: "3" });
    await get(at);
    expect((await get(at)).status).toBe(404);
    expect((await get(at)).status).toBe(500);
  });

  test("is given at once while it is asked for anew, once", async () => {
    const at = path({ cc: "max-age=0, stale-while-revalidate=60" });
    await get(at);
    const stale = await Promise.all(Array.from({ length: 10 }, () => get(at)));
    for (const { headers } of stale) expect(headers.get("cache-status")).toMatch(/^isopod; hit; ttl=-?\d+$/);
    let run = 1;
    while (run === 1) run = (await get(at)).run;
    expect(run).toBeGreaterThan(1);
  });

  test("is never given where it must be asked for anew", async () => {
    for (const directive of ["must-revalidate", "proxy-revalidate", "s-maxage=0"]) {
      const cc = `max-age=0, stale-while-revalidate=60, stale-if-error=60, ${directive}`;
      expect(await twice(path({ cc }))).toBe(2);
    }
    const at = path({ cc: "max-age=0, stale-while-revalidate=60" });
    expect(await twice(at, {}, { "cache-control": "no-cache" })).toBe(2);
  });

  test("is given where the function fails and said that it may", async () => {
    const at = path({ cc: "max-age=0, stale-if-error=60", fail: "2" });
    await get(at);
    expect(await get(at)).toMatchObject({ status: 200, run: 1 });
    const strict = path({ cc: "max-age=0", fail: "2" });
    await get(strict);
    expect((await get(strict)).status).toBe(500);
  });
});

describe("programs", () => {
  const text = async (code: string, init: RequestInit = {}) => (await server.run(code, init)).text();
  const kept =
    "export default (r, e, ctx) => new Response(ctx.requestId + ' ' + (ctx.args ?? ''), { headers: { 'cache-control': 'max-age=60' } })";

  test("are answered from the cache when they say so, by program, arguments and variables", async () => {
    const first = await text(kept);
    expect(await text(kept)).toBe(first);
    expect(await text(`${kept};`)).not.toBe(first);
    const other = await text(kept, { headers: { "isopod-args": "1" } });
    expect([other === first, (await text(kept, { headers: { "isopod-args": "1" } })) === other]).toEqual([false, true]);
    expect(await text(kept, { headers: { "isopod-env-a": "1" } })).not.toBe(first);
  });

  test("are told apart by their input, and by who calls", async () => {
    const echo = `export default async (r, e, ctx) => new Response(ctx.requestId + " " + await r.text(), { headers: { "cache-control": "max-age=60" } })`;
    const sent = async (input: unknown, init: RequestInit = {}) => {
      const headers = { "content-type": "application/json", ...init.headers };
      return text(JSON.stringify({ code: echo, input }), { ...init, headers });
    };
    const [one, two] = [await sent("one"), await sent("two")];
    expect([await sent("one"), await sent("two")]).toEqual([one, two]);
    expect(one).not.toBe(two);
    const keyed = await sent("one", { headers: { authorization: `Bearer ${KEY}` } });
    expect(keyed).not.toBe(one);
    expect(await sent("one", { headers: { authorization: `Bearer ${KEY}` } })).toBe(keyed);
    expect(await sent("one", { headers: { accept: "text/event-stream" } })).not.toContain(one);
  });

  test("are not given stale while they run for nobody, and are where they fail and have said so", async () => {
    const kept = (cc: string, before = "") =>
      `export default async (r, env, ctx) => { ${before} return new Response(ctx.requestId, { headers: { "cache-control": "${cc}" } }); }`;
    const stale = kept("max-age=0, stale-while-revalidate=60");
    expect(await text(stale)).not.toBe(await text(stale));
    const once =
      "if ((await env.KV.get('ran')) !== null) throw new Error('fails'); await env.KV.put('ran', 'yes', { ifRevision: 0 });";
    const failing = kept("max-age=0, stale-if-error=60", once);
    const first = await text(failing);
    expect(await text(failing)).toBe(first);
  });

  test("run each time when they say nothing, and scripts always do", async () => {
    const plain = "export default (r, e, ctx) => new Response(ctx.requestId)";
    expect(await text(plain)).not.toBe(await text(plain));
    const script = "console.log(Math.random())";
    expect(await text(script)).not.toBe(await text(script));
  });
});

test("a new version has none of the old one's answers", async () => {
  const code = (text: string) =>
    `export default () => new Response("${text}", { headers: { "cache-control": "max-age=60" } });`;
  await deploy(server, "v", code("one"), { routes: [{ route: "GET /v" }] });
  const now = async () => (await fetch(`${server.url}/v`)).text();
  expect([await now(), await now()]).toEqual(["one", "one"]);
  await deploy(server, "v", code("two"));
  expect(await now()).toBe("two");
});
