import { afterAll, beforeEach, expect, test } from "bun:test";
import { IsopodError } from "../../core/errors.ts";
import { hashOf } from "../../stdx/hash.ts";
import { parseSourceRule } from "./rules.ts";
import { createSources, type SourcesOptions } from "./sources.ts";

type Answer = (request: Request) => Response | Promise<Response>;

const sha = "0123456789abcdef0123456789abcdef01234567";
const answers = new Map<string, Answer>();
let asked: Request[] = [];
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request) {
    asked.push(request);
    return answers.get(new URL(request.url).pathname)?.(request) ?? new Response("none", { status: 404 });
  },
});
const origin = `http://127.0.0.1:${server.port}`;
const signal = new AbortController().signal;

beforeEach(() => {
  answers.clear();
  asked = [];
});
afterAll(() => server.stop(true));

function setUp(over: Partial<SourcesOptions> = {}) {
  return createSources({
    rules: [parseSourceRule(`${origin}/ok/`)],
    cacheBytesMax: 1_000_000,
    fetchTimeoutMs: 5000,
    codeBytesMax: 10_000,
    ...over,
  });
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof IsopodError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "none";
}

test("fetches a program, says its language, and revalidates it", async () => {
  const sources = setUp();
  let body = "one";
  answers.set("/ok/a.ts", (request) => {
    const etag = `"${body}"`;
    if (request.headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers: { etag } });
    return new Response(body, { headers: { etag, "content-type": "video/mp2t" } });
  });
  const first = await sources.fetch(`//127.0.0.1:${server.port}/ok/a.ts`, { signal });
  expect([text(first.bytes), first.language, first.immutable, first.url]).toEqual([
    "one",
    "typescript",
    false,
    `${origin}/ok/a.ts`,
  ]);
  expect(first.hash).toBe(hashOf(first.bytes));
  const second = await sources.fetch(`${origin}/ok/a.ts`, { signal });
  expect(second.bytes).toBe(first.bytes);
  expect(asked[1]?.headers.get("if-none-match")).toBe('"one"');
  body = "two";
  expect(text((await sources.fetch(`${origin}/ok/a.ts`, { signal })).bytes)).toBe("two");
  expect(asked.length).toBe(3);
  sources.close();
});

test("compares by date where there is no tag", async () => {
  const sources = setUp();
  const modified = "Thu, 01 Jan 2026 00:00:00 GMT";
  answers.set("/ok/a", (request) =>
    request.headers.get("if-modified-since") === modified
      ? new Response(null, { status: 304 })
      : new Response("1", { headers: { "last-modified": modified, "content-type": "text/javascript" } }),
  );
  const first = await sources.fetch(`${origin}/ok/a`, { signal });
  expect(first.language).toBe("javascript");
  expect((await sources.fetch(`${origin}/ok/a`, { signal })).bytes).toBe(first.bytes);
});

test("a commit's URL is asked for once; a failure is not held", async () => {
  const sources = setUp();
  expect(await refusal(sources.fetch(`${origin}/ok/${sha}/a.ts`, { signal }))).toContain("it answered 404");
  answers.set(`/ok/${sha}/a.ts`, () => new Response("1"));
  for (let round = 0; round < 3; round++) {
    expect((await sources.fetch(`${origin}/ok/${sha}/a.ts`, { signal })).immutable).toBeTrue();
  }
  expect(asked.length).toBe(2);
  answers.set(`/ok/x${sha}/a.ts`, () => new Response("1"));
  expect((await sources.fetch(`${origin}/ok/x${sha}/a.ts`, { signal })).immutable).toBeFalse();
});

test("max-age saves asking until it has passed, no-store is not held", async () => {
  let now = 0;
  const clock = { now: () => now, wallNow: () => now, after: () => () => {}, every: () => () => {} };
  const sources = setUp({ clock });
  answers.set("/ok/a", () => new Response("1", { headers: { "cache-control": "public, max-age=60", age: "20" } }));
  answers.set("/ok/b", () => new Response("1", { headers: { "cache-control": "no-store, max-age=60", etag: '"x"' } }));
  await sources.fetch(`${origin}/ok/a`, { signal });
  now = 39_999;
  await sources.fetch(`${origin}/ok/a`, { signal });
  expect(asked.length).toBe(1);
  now = 40_000;
  await sources.fetch(`${origin}/ok/a`, { signal });
  expect(asked.length).toBe(2);
  await sources.fetch(`${origin}/ok/b`, { signal });
  await sources.fetch(`${origin}/ok/b`, { signal });
  expect(asked[3]?.headers.get("if-none-match")).toBeNull();
});

test("redirects lead to allowed sources only", async () => {
  const sources = setUp();
  answers.set("/ok/in", () => Response.redirect(`${origin}/ok/dir/b.js`, 302));
  answers.set("/ok/dir/b.js", () => new Response("b"));
  answers.set("/ok/out", () => new Response(null, { status: 307, headers: { location: "/evil" } }));
  answers.set("/ok/up", () => new Response(null, { status: 301, headers: { location: "../evil" } }));
  answers.set("/ok/meta", () => new Response(null, { status: 302, headers: { location: "http://169.254.169.254/" } }));
  answers.set("/ok/file", () => new Response(null, { status: 302, headers: { location: "file:///etc/passwd" } }));
  answers.set("/ok/loop", () => Response.redirect(`${origin}/ok/loop`, 302));
  answers.set("/evil", () => new Response("evil"));
  const source = await sources.fetch(`${origin}/ok/in`, { signal });
  expect([source.url, source.language, text(source.bytes)]).toEqual([`${origin}/ok/dir/b.js`, "javascript", "b"]);
  for (const name of ["out", "up", "meta", "file"]) {
    expect(await refusal(sources.fetch(`${origin}/ok/${name}`, { signal }))).toStartWith("source_refused");
  }
  expect(await refusal(sources.fetch(`${origin}/ok/loop`, { signal }))).toContain("redirects more than 5 times");
  expect(asked.some((request) => request.url.endsWith("/evil"))).toBeFalse();
  answers.set(`/ok/${sha}/moved`, () => Response.redirect(`${origin}/ok/dir/b.js`, 302));
  expect((await sources.fetch(`${origin}/ok/${sha}/moved`, { signal })).immutable).toBeFalse();
});

test("a program over its limit, also when it is compressed, is refused", async () => {
  const sources = setUp();
  answers.set("/ok/big", () => new Response("x".repeat(10_001)));
  const bomb = Bun.gzipSync(new Uint8Array(50_000_000));
  answers.set("/ok/bomb", () => new Response(bomb, { headers: { "content-encoding": "gzip" } }));
  expect(await refusal(sources.fetch(`${origin}/ok/big`, { signal }))).toStartWith("code_too_large");
  expect(await refusal(sources.fetch(`${origin}/ok/bomb`, { signal }))).toStartWith("code_too_large");
});

test("integrity is checked for each who asks", async () => {
  const sources = setUp();
  answers.set(`/ok/${sha}/a`, () => new Response("1"));
  const url = `${origin}/ok/${sha}/a`;
  const right = hashOf(new TextEncoder().encode("1"));
  const wrong = hashOf(new TextEncoder().encode("2"));
  expect((await sources.fetch(url, { signal, integrity: right })).hash).toBe(right);
  expect(await refusal(sources.fetch(url, { signal, integrity: wrong }))).toStartWith("integrity_mismatch");
});

test("who asks at the same time shares one fetch, and one hanging up ends it for itself alone", async () => {
  const sources = setUp();
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  answers.set("/ok/slow", async () => {
    arrived.resolve();
    await gate.promise;
    return new Response("slow");
  });
  const gone = new AbortController();
  const first = refusal(sources.fetch(`${origin}/ok/slow`, { signal: gone.signal }));
  const second = sources.fetch(`${origin}/ok/slow`, { signal });
  await arrived.promise;
  gone.abort();
  expect(await first).toStartWith("client_gone");
  gate.resolve();
  expect(text((await second).bytes)).toBe("slow");
  expect(asked.length).toBe(1);
});

test("when the last has hung up the fetch ends, and the next starts anew", async () => {
  const sources = setUp();
  const arrived = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  answers.set("/ok/slow", (request) => {
    arrived.resolve();
    request.signal.addEventListener("abort", () => ended.resolve());
    return new Promise<Response>(() => {});
  });
  const gone = new AbortController();
  const first = refusal(sources.fetch(`${origin}/ok/slow`, { signal: gone.signal }));
  await arrived.promise;
  gone.abort();
  expect(await first).toStartWith("client_gone");
  await ended.promise;
  answers.set("/ok/slow", () => new Response("fast"));
  expect(text((await sources.fetch(`${origin}/ok/slow`, { signal })).bytes)).toBe("fast");
});

test("a source that is slow, refuses or is gone is unavailable", async () => {
  const timers: (() => void)[] = [];
  const after = (_: number, callback: () => void): (() => void) => {
    timers.push(callback);
    return () => {};
  };
  const sources = setUp({ clock: { now: () => 0, wallNow: () => 0, after, every: () => () => {} } });
  const arrived = Promise.withResolvers<void>();
  answers.set("/ok/slow", () => {
    arrived.resolve();
    return new Promise<Response>(() => {});
  });
  const slow = refusal(sources.fetch(`${origin}/ok/slow`, { signal }));
  await arrived.promise;
  for (const fire of timers) fire();
  expect(await slow).toContain("it did not answer within 5000 ms");
  answers.set("/ok/500", () => new Response("x", { status: 500 }));
  expect(await refusal(sources.fetch(`${origin}/ok/500`, { signal }))).toStartWith("source_unavailable");
  const nobody = setUp({ rules: [parseSourceRule("http://127.0.0.1:1/")] });
  expect(await refusal(nobody.fetch("//127.0.0.1:1/x", { signal }))).toContain("the connection failed");
});

test("fetches beyond the most at a time wait, and closing ends all", async () => {
  const sources = setUp({ fetchesMax: 2 });
  const arrived = Promise.withResolvers<void>();
  for (let index = 0; index < 6; index++) {
    answers.set(`/ok/${index}`, () => {
      if (asked.length === 2) arrived.resolve();
      return new Promise<Response>(() => {});
    });
  }
  const all = [0, 1, 2, 3, 4, 5].map((index) => refusal(sources.fetch(`${origin}/ok/${index}`, { signal })));
  await arrived.promise;
  sources.close();
  for (const said of await Promise.all(all)) expect(said).toStartWith("draining");
  expect(asked.length).toBe(2);
  expect(await refusal(sources.fetch(`${origin}/ok/0`, { signal }))).toStartWith("draining");
});

test("takes no proxy from the environment and sends no credentials", async () => {
  const before = process.env.http_proxy;
  let proxied = 0;
  const proxy = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(String(++proxied)) });
  process.env.http_proxy = `http://127.0.0.1:${proxy.port}`;
  try {
    answers.set("/ok/a", () => new Response("direct"));
    expect(text((await setUp().fetch(`${origin}/ok/a`, { signal })).bytes)).toBe("direct");
    expect(proxied).toBe(0);
    const names = [...(asked[0]?.headers.keys() ?? [])];
    expect(names).not.toContain("authorization");
    expect(names).not.toContain("cookie");
  } finally {
    if (before === undefined) delete process.env.http_proxy;
    else process.env.http_proxy = before;
    await proxy.stop(true);
  }
});
