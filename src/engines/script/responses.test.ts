/** What a program may answer with, and what arrives of it, through a real server. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startTestServer, type TestServer } from "../../testing/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ prewarmed: 2 });
});
afterAll(() => server[Symbol.asyncDispose]());

/** Runs a module whose handler is `handler`. */
const answer = (handler: string) => server.run(`export default ${handler}`, { redirect: "manual" });

interface Failure {
  readonly error: { readonly code: string; readonly message: string; readonly line?: number };
}

describe("the type of a body that names none", () => {
  test.each([
    ["a text", `new Response("x")`, "text/plain;charset=UTF-8"],
    ["an empty text", `new Response("")`, "text/plain;charset=UTF-8"],
    [
      "form data in a URL's form",
      `new Response(new URLSearchParams({ a: "1" }))`,
      "application/x-www-form-urlencoded;charset=UTF-8",
    ],
    ["a Blob with a type", `new Response(new Blob(["x"], { type: "image/png" }))`, "image/png"],
    ["JSON", `Response.json({ a: 1 })`, /^application\/json/],
    [
      "form data",
      `(() => { const f = new FormData(); f.append("a", "b"); return new Response(f); })()`,
      /^multipart\/form-data; boundary=/,
    ],
    ["a clone of a text", `new Response("x").clone()`, "text/plain;charset=UTF-8"],
    ["a text with a type of its own", `new Response("x", { headers: { "Content-Type": "text/html" } })`, "text/html"],
  ])("%s", async (_name, response, type) => {
    const got = await answer(`() => ${response}`);
    expect(got.status).toBe(200);
    expect(got.headers.get("content-type")).toEqual(typeof type === "string" ? type : expect.stringMatching(type));
  });
});

test("a Response is one however it was made, and can be extended", async () => {
  const got = await answer(`() => {
    class Page extends Response { constructor(text) { super(text, { status: 201 }); } kind() { return "page"; } }
    const plain = new Response("a");
    const page = new Page("p");
    const all = [new Response("a"), new Response("a").clone(), Response.json({}), Response.redirect("http://a/"), Response.error(), page, page.clone()];
    return [all.every((each) => each instanceof Response), page instanceof Page, page.kind(), ({}) instanceof Response, null instanceof Response,
      Response.name, page.status, plain instanceof Page, new Response("x").constructor === Response];
  }`);
  expect(await got.json()).toEqual([true, true, "page", false, false, "Response", 201, false, true]);
  const extended = await answer(
    `() => { class Page extends Response {} return new Page("<p>", { status: 201, headers: { "content-type": "text/html" } }); }`,
  );
  expect([extended.status, extended.headers.get("content-type"), await extended.text()]).toEqual([
    201,
    "text/html",
    "<p>",
  ]);
});

test("the type of a text is there to be read, changed, copied and taken away", async () => {
  const got = await answer(`() => {
    const typed = new Response("x"), html = new Response("x"), bare = new Response("x");
    html.headers.set("content-type", "text/html");
    bare.headers.delete("content-type");
    const copy = new Response(typed.body, { headers: typed.headers });
    return [copy, html, html.clone(), bare].map((each) => each.headers.get("content-type"));
  }`);
  expect(await got.json()).toEqual(["text/plain;charset=UTF-8", "text/html", "text/html", null]);
});

test("status, repeated cookies, redirects and headers arrive as they were set", async () => {
  const got = await answer(`() => {
    const headers = new Headers([["x-b", "1"], ["set-cookie", "a=1"], ["x-a", "ü"], ["set-cookie", "b=2; Path=/"]]);
    headers.append("x-b", "2");
    return new Response("body", { status: 418, headers });
  }`);
  expect(got.status).toBe(418);
  expect(got.headers.getSetCookie()).toEqual(["a=1", "b=2; Path=/"]);
  expect([got.headers.get("x-b"), got.headers.get("x-a")]).toEqual(["1, 2", "ü"]);
  const redirect = await answer(`() => Response.redirect("http://example.org/there", 307)`);
  expect([redirect.status, redirect.headers.get("location")]).toEqual([307, "http://example.org/there"]);
});

test("answers without a body have none", async () => {
  for (const status of [204, 304]) {
    const got = await answer(`() => new Response(null, { status: ${status}, headers: { etag: '"e"' } })`);
    expect([got.status, got.headers.get("etag"), await got.text()]).toEqual([status, '"e"', ""]);
  }
  const nothing = await answer(`() => new Response()`);
  expect([nothing.status, nothing.headers.get("content-type"), await nothing.text()]).toEqual([200, null, ""]);
});

test("streams, transforms, generators and large texts arrive whole and in order", async () => {
  const bodies: Record<string, number> = {
    [`new Response("x".repeat(3e6))`]: 3e6,
    [`new Response(new Uint8Array(3e6))`]: 3e6,
    [`new Response(new Blob(["x".repeat(2e6)]))`]: 2e6,
    [`new Response(new ReadableStream({ n: 0, pull(c) { this.n++ < 40 ? c.enqueue(new Uint8Array(65536)) : c.close(); } }))`]:
      40 * 65_536,
    [`new Response(new Blob(["x".repeat(1e6)]).stream().pipeThrough(new TransformStream({ transform(b, c) { c.enqueue(b); c.enqueue(b); } })))`]: 2e6,
    [`(async function* () { for (let i = 0; i < 30; i++) yield "y".repeat(20_000); })()`]: 600_000,
    [`"z".repeat(1e6)`]: 1e6 + 2,
  };
  for (const [body, length] of Object.entries(bodies)) {
    expect((await (await answer(`() => ${body}`)).arrayBuffer()).byteLength, body).toBe(length);
  }
});

test("what cannot be sent is said to be, and costs a function none of its other requests", async () => {
  const cases: Record<string, RegExp> = {
    "Response.error()": /status is 0/,
    "new Response('x', { headers: Array.from({ length: 300 }, (_, i) => ['x-' + i, '1']) })": /headers are too many/,
    "new Response('x', { headers: { a: 'x'.repeat(300_000) } })": /headers are too many or too long/,
    "new Response('x', { headers: { ['x'.repeat(300)]: '1' } })": /headers are too many or too long/,
    "(() => { const a = {}; a.a = a; return a; })()": /result as JSON/,
    "1n": /result as JSON/,
    "(async () => { const r = new Response('x'); await r.text(); return r; })()": /used already/,
  };
  for (const [result, message] of Object.entries(cases)) {
    const got = await answer(`() => ${result}`);
    const { error } = (await got.json()) as Failure;
    expect([got.status, error.code], result).toEqual([500, "invalid_result"]);
    expect(error.message, result).toMatch(message);
  }
});

test("an error in the middle of a body cuts it off, and one before the first byte is an error", async () => {
  const early = await answer(`() => new Response(new ReadableStream({ pull() { throw new Error("mid"); } }))`);
  expect([early.status, ((await early.json()) as Failure).error.message]).toEqual([500, "Error: mid"]);
  const late = `() => {
    let n = 0;
    return new Response(new ReadableStream({ async pull(c) { await new Promise((r) => setTimeout(r, 5)); if (n++ < 3) c.enqueue("abc"); else throw new Error("mid"); } }));
  }`;
  const outcome = await answer(late)
    .then((got) => got.text())
    .then(
      () => "complete",
      () => "cut off",
    );
  expect(outcome).toBe("cut off");
});
