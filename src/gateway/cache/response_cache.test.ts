/** The response cache through a real server: what is kept and for whom, what waits for what, and what is forgotten. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ask, deploy } from "../../testing/control_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

/** Answers as the query says, and how often it has run for this path. */
const CODE = `
  const runs = new Map();
  export default async (request, env, ctx) => {
    const url = new URL(request.url);
    const { searchParams: query } = url;
    const n = (runs.get(url.pathname) ?? 0) + 1;
    runs.set(url.pathname, n);
    if (query.has("ms")) await Bun.sleep(Number(query.get("ms")));
    if (query.has("fail") && n >= Number(query.get("fail"))) throw new Error("fails");
    if (query.has("etag") && request.headers.get("if-none-match") === '"' + query.get("etag") + '"') {
      return new Response(null, { status: 304, headers: { "cache-control": query.get("cc"), "x-run": String(n) } });
    }
    const headers = new Headers({ "x-run": String(n), "cache-control": query.get("cc") ?? "" });
    for (const name of ["vary", "etag", "tag", "expires", "cookie"]) {
      const header = { tag: "cache-tag", cookie: "set-cookie" }[name] ?? name;
      if (query.has(name)) headers.set(header, name === "etag" ? '"' + query.get(name) + '"' : query.get(name));
    }
    const text = n + " " + (request.headers.get("accept-language") ?? "");
    const body = query.has("stream")
      ? new ReadableStream({ async pull(c) { c.enqueue(new TextEncoder().encode(text)); await Bun.sleep(5); c.enqueue(new Uint8Array(Number(query.get("stream")))); c.close(); } })
      : text;
    return new Response(body, { status: Number(query.get("status") ?? 200), headers });
  };`;

const CONFIG = `
[[functions]]
name = "f"
path = "./f.js"
routes = ["ANY /f/*"]
instances = 1
limits = { concurrency = 500 }
[plans.anonymous]
run = "any"
concurrency = 1000
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
    expect(await get(at, {}, "HEAD")).toMatchObject({ status: 200, run: 1, text: "" });
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
    const at = path({ cc: "max-age=1", etag: "same" });
    const first = await get(at);
    await Bun.sleep(1100);
    const second = await get(at);
    expect([second.status, second.text, second.run]).toEqual([200, first.text, 2]);
    expect(second.headers.get("cache-status")).toBe("isopod; fwd=stale; fwd-status=304; stored");
    expect((await get(at)).headers.get("cache-status")).toMatch(/^isopod; hit; ttl=[01]$/);
  });

  test("is given at once while it is asked for anew, once", async () => {
    const at = path({ cc: "max-age=0, stale-while-revalidate=60" });
    await get(at);
    const stale = await Promise.all(Array.from({ length: 10 }, () => get(at)));
    for (const { headers } of stale) expect(headers.get("cache-status")).toMatch(/^isopod; hit; ttl=-\d+$/);
    let run = 1;
    while (run === 1) run = (await get(at)).run;
    expect(run).toBeGreaterThan(1);
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

describe("identical requests in flight", () => {
  test("run once, 100 of them", async () => {
    const at = path({ cc: "max-age=60", ms: "50" });
    const all = await Promise.all(Array.from({ length: 100 }, () => get(at)));
    expect(new Set(all.map(({ run, status }) => `${status} ${run}`))).toEqual(new Set(["200 1"]));
  });

  test("run by themselves where the answer is not for keeping, and are not held up from then on", async () => {
    const code =
      "let runs = 0; export default async () => { await Bun.sleep(200); return new Response(String(++runs), { headers: { 'cache-control': 'no-store' } }); };";
    await deploy(server, "plain", code, { routes: [{ route: "GET /plain/*" }] });
    const burst = async (at: string) => {
      const since = performance.now();
      const texts = await Promise.all(Array.from({ length: 8 }, async () => (await fetch(server.url + at)).text()));
      return { ms: performance.now() - since, runs: new Set(texts).size };
    };
    await (await fetch(`${server.url}/plain/first`)).text();
    const { ms, runs } = await burst("/plain/second");
    expect(runs).toBe(8);
    expect(ms).toBeLessThan(390);
  });

  test("do not fail with the first of them", async () => {
    const at = path({ cc: "max-age=60", ms: "100" });
    const hangUp = new AbortController();
    const first = fetch(server.url + at, { signal: hangUp.signal }).catch(() => "gone");
    await Bun.sleep(20);
    const others = Array.from({ length: 5 }, () => get(at));
    await Bun.sleep(20);
    hangUp.abort();
    expect(await first).toBe("gone");
    for (const other of await Promise.all(others)) expect(other.status).toBe(200);
  });
});

describe("purge", () => {
  const purge = async (body: unknown) =>
    ((await ask(server, "POST", "/v1/projects/default/cache/purge", body)).body as unknown as { purged: number })
      .purged;

  test("by address, tag, function, and all", async () => {
    const [one, two, three] = [
      path({ cc: "max-age=60", tag: "t1" }),
      path({ cc: "max-age=60", tag: "t1, t2" }),
      path({ cc: "max-age=60" }),
    ];
    for (const at of [one, two, three]) await get(at);
    expect(await purge({ tags: ["t2"] })).toBe(1);
    expect(await purge({ urls: [server.url + one] })).toBe(1);
    expect([(await get(one)).run, (await get(two)).run, (await get(three)).run]).toEqual([2, 2, 1]);
    expect(await purge({ function: "other" })).toBe(0);
    expect(await purge({ function: "f" })).toBeGreaterThan(2);
    expect((await get(three)).run).toBe(2);
    expect(await purge({ everything: true })).toBe(1);
  });

  test("what was on its way is not kept after it", async () => {
    const at = path({ cc: "max-age=60", ms: "100" });
    const first = get(at);
    await Bun.sleep(30);
    await purge({ everything: true });
    await first;
    expect((await get(at)).run).toBe(2);
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

test("poison stays with who sends it", async () => {
  const at = path({ cc: "max-age=60" });
  await get(at, { host: "evil.example" }).catch(() => {});
  await get(at, { "x-forwarded-host": "evil.example", "x-original-url": "/other" });
  expect((await get(at)).text).toBe((await get(at)).text);
  const [one, two] = [`${at}&a=1&b=2`, `${at}&b=2&a=1`];
  expect((await get(one)).run).not.toBe((await get(two)).run);
});
