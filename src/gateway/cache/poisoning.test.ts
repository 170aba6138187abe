/** Attacks on what others are given: heads that mean two things, addresses that look alike, floods, slow readers. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { RawClient } from "../../testing/raw_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

/** Tells what it saw of the request, and keeps it. */
const CODE = `
  export default async (request, env, ctx) => {
    const { searchParams: query } = new URL(request.url);
    const headers = { "cache-control": "max-age=60", "x-url": encodeURI(request.url), "x-host": request.headers.get("host") ?? "" };
    for (const name of ["vary", "cache-tag"]) if (query.has(name)) headers[name] = query.get(name);
    if (query.has("bytes")) return new Response(new Uint8Array(Number(query.get("bytes"))), { headers });
    return new Response(ctx.requestId + " " + request.method, { headers });
  };`;

const CONFIG = `
[cache]
max_mb = 8
[[functions]]
name = "f"
path = "./f.js"
routes = ["ANY /f/*", "ANY shop.example/f/*", "ANY evil.example/f/*"]
limits = { concurrency = 200 }
[plans.anonymous]
run = "any"
concurrency = 1000
`;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ config: CONFIG, files: { "f.js": CODE } });
});
afterAll(async () => await server?.[Symbol.asyncDispose]());

/** Sends a head as it is written, and reads one answer. */
async function raw(head: string) {
  using client = await RawClient.connect(server.port);
  client.socket.write(`${head.replaceAll("\n", "\r\n")}\r\n\r\n`);
  const answer = await client.response({ head: head.startsWith("HEAD") });
  if (answer === undefined) throw new Error(`no answer to ${head}`);
  return answer;
}
const victim = (path: string) => raw(`GET ${path} HTTP/1.1\nhost: shop.example`);

test("a head that means two things is refused, or is kept for nobody but those who send the same", async () => {
  const heads = [
    "GET /f/PATH HTTP/1.1\nhost: shop.example\nhost: evil.example",
    "GET /f/PATH HTTP/1.1\nhost: evil.example",
    "GET /f/PATH HTTP/1.1\nhost: shop.example:81",
    "GET http://evil.example/f/PATH HTTP/1.1\nhost: shop.example",
    "GET http://shop.example/f/PATH HTTP/1.1\nhost: evil.example",
    "GET /f/PATH#x HTTP/1.1\nhost: shop.example",
    "GET /f//PATH HTTP/1.1\nhost: shop.example",
    "GET /f/./PATH HTTP/1.1\nhost: shop.example",
    "GET /f/PATH? HTTP/1.1\nhost: shop.example",
    "GET /f/PATH%20 HTTP/1.1\nhost: shop.example",
    "GET /f/%50ATH HTTP/1.1\nhost: shop.example",
    "GET /F/../f/PATH HTTP/1.1\nhost: shop.example",
    "GET /f/PATH HTTP/1.1\nhost : shop.example",
    "GET /f/PATH HTTP/1.0\nhost: evil.example",
    "get /f/PATH HTTP/1.1\nhost: shop.example",
    "HEAD /f/PATH HTTP/1.1\nhost: shop.example",
  ];
  for (const [index, head] of heads.entries()) {
    const path = `PATH${index}`;
    const evil = await raw(head.replace("PATH", path)).catch(() => undefined);
    const seen = await victim(`/f/${path}`);
    expect([head, seen.status]).toEqual([head, 200]);
    const { "x-url": url, "x-host": host } = seen.headers;
    expect([head, url, host]).toEqual([head, `http://shop.example/f/${path}`, "shop.example"]);
    if (evil?.status === 200 && evil.body !== "" && evil.headers["x-url"] !== url)
      expect(evil.body).not.toBe(seen.body);
    expect((await victim(`/f/${path}`)).body).toBe(seen.body);
  }
});

test("hosts in another case are the same host, and each address of a query its own", async () => {
  const answers = ["shop.example", "SHOP.example", "Shop.Example"].map((host) =>
    raw(`GET /f/case HTTP/1.1\nhost: ${host}`),
  );
  for (const { headers } of await Promise.all(answers)) expect(headers["x-url"]).toBe("http://shop.example/f/case");
  const paths = ["/f/q?a=1&b=2", "/f/q?b=2&a=1", "/f/q?a=1&b=2&", "/f/q?a=1&a=1&b=2", "/f/Q?a=1&b=2", "/f/q"];
  const bodies = [];
  for (const path of paths) bodies.push((await victim(path)).body);
  expect(new Set(bodies).size).toBe(paths.length);
});

test("a request for a part, with a condition or a cookie takes and leaves nothing", async () => {
  const first = (await victim("/f/body")).body;
  for (const more of ["range: bytes=0-1", "if-match: x", "cookie: a=1"]) {
    const answer = await raw(`GET /f/body HTTP/1.1\nhost: shop.example\n${more}`);
    expect(answer.body).not.toBe(first);
  }
  // A body of GET reaches no function, so its answer is the one without it.
  for (const length of ["0", "3"]) {
    const asked = await raw(`GET /f/body HTTP/1.1\nhost: shop.example\ncontent-length: ${length}\n\nabc`);
    expect(asked.body).toBe(first);
  }
  expect((await victim("/f/body")).body).toBe(first);
});

test("headers that claim another address change nobody's answer", async () => {
  const claims = ["x-forwarded-host", "x-original-url", "x-rewrite-url", "x-http-method-override", "forwarded"];
  const head = claims.map((name) => `${name}: evil.example`).join("\n");
  await raw(`GET /f/claims HTTP/1.1\nhost: shop.example\n${head}`);
  expect((await victim("/f/claims")).headers["x-url"]).toBe("http://shop.example/f/claims");
  expect((await raw(`GET /f/claims HTTP/1.1\nhost: shop.example\nx-http-method-override: DELETE`)).body).toEndWith(
    " GET",
  );
});

test("a flood of addresses, variants and tags stays within the memory, and the server as it was", async () => {
  const cached = async () => {
    const text = await (await server.admin("/metrics")).text();
    return Number(/^isopod_cache_bytes (\d+)/m.exec(text)?.[1]);
  };
  const flood = async (at: (index: number) => string, headers: (index: number) => Record<string, string>) => {
    for (let round = 0; round < 10; round += 1) {
      const all = Array.from({ length: 50 }, async (_, index) => {
        const number = round * 50 + index;
        await (await fetch(server.url + at(number), { headers: headers(number) })).arrayBuffer();
      });
      await Promise.all(all);
      expect(await cached()).toBeLessThanOrEqual(8 * 1024 * 1024);
    }
  };
  await flood(
    (index) => `/f/${"x".repeat(4000)}${index}?bytes=50000`,
    () => ({}),
  );
  expect(await cached()).toBeGreaterThan(4 * 1024 * 1024);
  const tags = Array.from({ length: 64 }, (_, index) => `tag${index}`).join();
  await flood(
    (index) => `/f/tags${index}?cache-tag=${tags}`,
    () => ({}),
  );
  await flood(
    () => "/f/vary?vary=x-v",
    (index) => ({ "x-v": "v".repeat(6000) + index }),
  );
  // Of those that came at once, any may have pushed out any other: this one comes by itself.
  const ask = () => fetch(`${server.url}/f/vary?vary=x-v`, { headers: { "x-v": "another" } });
  await (await ask()).arrayBuffer();
  const last = await ask();
  expect(last.headers.get("cache-status")).toStartWith("isopod; hit");
});

test("who reads kept answers slowly, or hangs up, takes neither memory nor anything else from the others", async () => {
  const path = "/f/large?bytes=900000";
  await (await fetch(server.url + path)).arrayBuffer();
  const before = process.memoryUsage.rss();
  const slow = await Promise.all(Array.from({ length: 200 }, () => RawClient.connect(server.port)));
  for (const client of slow) {
    client.socket.pause();
    client.socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\n\r\n`);
  }
  const answer = await fetch(server.url + path);
  expect(answer.headers.get("cache-status")).toStartWith("isopod; hit");
  expect((await answer.arrayBuffer()).byteLength).toBe(900_000);
  expect(process.memoryUsage.rss() - before).toBeLessThan(100 * 1024 * 1024);
  for (const client of slow) client.socket.destroy();
  expect((await (await fetch(server.url + path)).arrayBuffer()).byteLength).toBe(900_000);
});
