/** What a function in a page is given and what it answers: requests, responses, streams, the log, errors, bindings. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { noChromium, startPages } from "../../testing/browser_rig.ts";
import { logsOf } from "../../testing/log_client.ts";
import { errorOf } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";

const PAGES = {
  given: {
    code: `
export default async (request: Request) => {
  const before = [request.constructor === Request, Object.prototype.toString.call(request), request.bodyUsed, request.redirect];
  request.headers.set("x-more", "added");
  const made = new Request(request, { headers: [...request.headers, ["x-made", "1"]] });
  const copy = made.clone();
  const seen = [copy.method, copy.url === request.url, copy.headers.get("cookie"), copy.headers.get("x-more"), copy.headers.get("x-made")];
  const file = await (await fetch(new Request(new URL("/said.txt", location.href), request.method === "GET" ? request : {}))).text();
  return Response.json({ before, seen, body: request.method === "GET" ? null : await copy.json(), used: request.bodyUsed, aborted: request.signal.aborted, file });
};`,
    files: { "said.txt": "said" },
  },
  echo: {
    code: `
import { double } from "./part.ts";
import text from "./note.txt";
export default {
  async fetch(request: Request, env: Record<string, string>, ctx: any) {
    const copy = request.clone();
    return Response.json({
      method: request.method, url: request.url, headers: [...request.headers], body: await request.text(),
      again: await copy.text(), copied: copy.headers.get("cookie"), isRequest: request instanceof Request,
      env: env.GREETING, id: ctx.requestId, fn: ctx.function.name, left: ctx.deadline - Date.now(), double: double(4), text,
      page: { address: location.href, secure: isSecureContext, title: document.title, width: document.querySelector("p").offsetWidth > 0 },
      file: await (await fetch("/data/list.json")).json(),
    }, { status: 201, headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-own", "yes"]] });
  },
};`,
    config: 'env = { GREETING = "hi" }',
    files: {
      "part.ts": "export const double = (n: number): number => n * 2;",
      "note.txt": "a note",
      "index.html":
        "<!doctype html>\n<html lang=en><head><title>The page</title></head><body><p>text</p></body></html>",
      "data/list.json": "[1, 2]",
    },
  },
  streams: `
export default async (request: Request) => {
  const what = new URL(request.url).pathname.split("/").pop();
  if (what === "echo") return new Response(request.body, { headers: { "content-type": "application/octet-stream" } });
  if (what === "count") { let n = 0; for await (const chunk of request.body!) n += chunk.length; return new Response(String(n)); }
  if (what === "big") {
    const chunk = new Uint8Array(100_000).fill(7);
    let left = 80;
    return new Response(new ReadableStream({ pull(c) { left-- > 0 ? c.enqueue(chunk) : c.close(); } }));
  }
  if (what === "cut") {
    let sent = false;
    return new Response(new ReadableStream({ pull(c) { sent ? c.error(new Error("no more")) : c.enqueue(new Uint8Array(300_000)); sent = true; } }));
  }
  if (what === "aborted") return Response.json(globalThis.aborted ?? null);
  let at = 0;
  return new Response(new ReadableStream({
    async pull(c) {
      if (at === 0) request.signal.addEventListener("abort", () => { globalThis.aborted = String(request.signal.reason?.name); });
      c.enqueue(new TextEncoder().encode("tick " + at++ + "\\n"));
      await new Promise((r) => setTimeout(r, 5));
    },
  }));
};`,
  fails: `
export default async (request: Request, env: unknown, ctx: any) => {
  const what = new URL(request.url).pathname.split("/").pop();
  if (what === "throw") throw new RangeError("out of range");
  if (what === "value") throw { odd: 1 };
  if (what === "used") { const r = new Response("x"); await r.text(); return r; }
  if (what === "json") return { a: 1 };
  if (what === "late") { ctx.waitUntil(new Promise((r) => setTimeout(r, 20)).then(() => console.log("after the answer"))); return new Response("now"); }
  if (what === "timer") { setTimeout(() => { throw new Error("in a timer"); }, 0); await new Promise((r) => setTimeout(r, 20)); return new Response("survived"); }
  console.log("plain %s %d", "text", 5, { a: [1, { b: null }] });
  console.warn(document.createElement("div"));
  console.error(new Error("logged"));
  return new Response(null, { status: 204 });
};`,
  // Every short name, as minified libraries have them, and a base that is somebody else's.
  names: {
    code: `
export default async (request: Request, env: any) => {
  for (const name of NAMES) try { (globalThis as any)["$" + name] = (globalThis as any)[name] = 1; } catch {}
  const picture = await env.PAGE.screenshot();
  return Response.json([declared, picture.length > 0, await request.text(), Object.keys(globalThis).filter((name) => /^[a-zA-Z]{2}$/.test(name))]);
};
declare const declared: number, NAMES: string[];`,
    files: {
      "index.html": `<!doctype html><base href="https://cdn.example.com/x/"><script>
const NAMES = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_$"]; var declared = 0;</script>
${[..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_$"].map((name) => `<script>const ${name} = 1; declared += 1;</script>`).join("")}`,
    },
  },
  broken: "throw new Error('at the top'); export default () => new Response('never')",
  none: "export const other = 1",
};

describe.skipIf(noChromium)("a function in a page", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startPages(PAGES);
  }, 30_000);
  afterAll(() => server?.[Symbol.asyncDispose]());
  const get = (path: string, init?: RequestInit) => fetch(`${server.url}${path}`, init);
  const textsOf = async (answer: Response) =>
    (await logsOf(server, answer)).flatMap((item) => (item.kind === "line" ? [`${item.level} ${item.text}`] : []));

  test("has the request as it was sent, its page, its files and its environment", async () => {
    const answer = await get("/echo/a?b=c", {
      method: "PUT",
      body: "the body",
      headers: { cookie: "x=1; y=2", "user-agent": "tester", "accept-charset": "utf-8", "content-type": "text/plain" },
    });
    expect(answer.status).toBe(201);
    expect(answer.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect(answer.headers.get("x-own")).toBe("yes");
    expect(answer.headers.get("content-type")).toBe("application/json");
    const said = (await answer.json()) as Record<string, unknown> & { headers: [string, string][] };
    expect(said).toMatchObject({
      ...{ method: "PUT", url: `${server.url}/echo/a?b=c`, body: "the body", again: "the body", copied: "x=1; y=2" },
      ...{ env: "hi", fn: "echo", double: 8, text: "a note", file: [1, 2], isRequest: true },
      page: { address: "http://echo.localhost/", secure: true, title: "The page", width: true },
    });
    const headers = Object.fromEntries(said.headers);
    expect(headers).toMatchObject({ cookie: "x=1; y=2", "user-agent": "tester", "accept-charset": "utf-8" });
    expect(headers["host"]).toBe(`127.0.0.1:${server.port}`);
    expect(said["id"]).toBe(answer.headers.get("isopod-request-id"));
    expect(said["left"]).toBeGreaterThan(0);
  });

  test("shares its page with scripts of any names, and a base of any host", async () => {
    const answer = await get("/names", { method: "POST", body: "body" });
    expect(await answer.json()).toEqual([54, true, "body", []]);
  });

  test("has a request that is one in all respects, whatever of it is asked for first", async () => {
    const headers = { cookie: "a=b", "content-type": "application/json" };
    const said = { before: [true, "[object Request]", false, "follow"], aborted: false, file: "said" };
    const posted = await fetch(`${server.url}/given?q=1`, { method: "POST", headers, body: '{"n":1}' });
    const seen = [true, "a=b", "added", "1"];
    expect(await posted.json()).toEqual({ ...said, seen: ["POST", ...seen], body: { n: 1 }, used: true });
    const got = await fetch(`${server.url}/given`, { headers });
    expect(await got.json()).toEqual({ ...said, seen: ["GET", ...seen], body: null, used: false });
  });

  test("streams both ways, however much it is", async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    const body = new Blob(Array.from({ length: 40 }, () => bytes));
    const answer = await get("/streams/echo", { method: "POST", body });
    expect(Bun.hash(await answer.bytes())).toBe(Bun.hash(await body.bytes()));
    expect(await (await get("/streams/count", { method: "POST", body })).text()).toBe(String(body.size));
    expect((await (await get("/streams/big")).bytes()).length).toBe(8_000_000);
  });

  test("hears that its caller has hung up", async () => {
    const ending = new AbortController();
    const answer = await get("/streams/ticks", { signal: ending.signal });
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toStartWith("tick 0");
    ending.abort();
    let reason: unknown = null;
    while (reason === null) reason = await (await get("/streams/aborted")).json();
    expect(reason).toBe("AbortError");
  });

  test("that fails in the middle of its body has an answer that does not look complete", async () => {
    const answer = await get("/streams/cut");
    expect(
      await answer.bytes().then(
        () => "complete",
        () => "cut off",
      ),
    ).toBe("cut off");
  });

  test("fails with what it threw, with the place in its own source", async () => {
    const failed = await get("/fails/throw");
    expect(failed.status).toBe(500);
    expect((await errorOf(failed)).code).toBe("uncaught_exception");
    const error = (await logsOf(server, failed)).find(({ kind }) => kind === "error");
    expect(JSON.stringify(error)).toContain("RangeError: out of range");
    expect(JSON.stringify(error)).toContain("index.ts:4:");
    expect((await errorOf(await get("/fails/used"))).code).toBe("invalid_result");
    expect(await (await get("/fails/value")).text()).toContain("uncaught_exception");
    expect(await (await get("/fails/json")).json()).toEqual({ a: 1 });
  });

  test("writes to its log, in the words of its own console", async () => {
    const logged = await get("/fails/log");
    expect(logged.status).toBe(204);
    const texts = await textsOf(logged);
    expect(texts.slice(0, 2)).toEqual(["info plain text 5 { a: [1, { b: null }] }", "warn <div></div>"]);
    expect(texts[2]).toStartWith("error Error: logged\n    at ");
    const timer = await get("/fails/timer");
    expect(await timer.text()).toBe("survived");
    expect((await textsOf(timer))[0]).toStartWith("error Uncaught Error: in a timer");
    const late = await get("/fails/late");
    expect(await late.text()).toBe("now");
    expect(await textsOf(late)).toEqual(["info after the answer"]);
  });

  test("that cannot be loaded says why", async () => {
    for (const [name, why] of [
      ["broken", "at the top"],
      ["none", "export default is missing"],
    ] as const) {
      const answer = await get(`/${name}`);
      expect(answer.status).toBe(500);
      expect(JSON.stringify(await logsOf(server, answer))).toContain(why);
    }
  });
});
