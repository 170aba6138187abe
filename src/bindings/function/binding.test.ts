/** Functions that call functions, through a real server: requests, methods, how deep and how long, and what cannot be reached. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ask, deploy } from "../../testing/control_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

const FRONT = `
  let running = 0;
  const told = (call) => call.then(
    (value) => Response.json({ value }),
    (error) => Response.json({ name: error.name, message: error.message, code: error.code, isError: error instanceof Error }),
  );
  export default async (request, env, ctx) => {
    const url = new URL(request.url);
    const what = url.pathname.split("/")[2];
    if (what === "pass") return env.BACK.fetch(request);
    if (what === "absolute") return told(env.BACK.fetch("ftp://x/").then((r) => r.text()));
    if (what === "add") return told(env.BACK.add(2, 3));
    if (what === "kinds") {
      const sent = { date: new Date(5), big: 2n ** 70n, bytes: new Uint8Array([1, 2]), map: new Map([[{ a: 1 }, new Set([undefined])]]), "$": 1, ["__proto__"]: { polluted: true } };
      const got = await env.BACK.same(sent);
      return Response.json({
        date: got.date.getTime(), big: String(got.big), bytes: [...got.bytes], isBytes: got.bytes instanceof Uint8Array,
        map: got.map instanceof Map && [...got.map.values()][0].has(undefined), tag: got.$,
        own: Object.hasOwn(got, "__proto__"), polluted: got.polluted ?? null,
      });
    }
    if (what === "many") return told(Promise.all(Array.from({ length: 500 }, (_, n) => env.BACK.add(n, 1))).then((all) => all.reduce((a, b) => a + b)));
    if (what === "throws") return told(env.BACK.throws());
    if (what === "missing") return told(env.BACK.nothing());
    if (what === "handler") return told(env.BACK.scheduled());
    if (what === "unsendable") return told(env.BACK.same(() => 1));
    if (what === "this") return told(env.BACK.whoami());
    if (what === "undeployed") return told(env.NOBODY.fetch("http://x/").then((r) => r.text()));
    if (what === "loop") return told(env.SELF.fetch("http://self/front/loop").then((r) => r.json()));
    if (what === "crash") return told(env.BACK.fetch("http://x/crash").then((r) => r.text()));
    if (what === "cut") return told(env.BACK.fetch("http://x/cut").then((r) => r.text()));
    if (what === "slow") return told(env.BACK.fetch("http://x/slow").then((r) => r.text()));
    if (what === "socket") return told(env.BACK.fetch("http://x/socket", { headers: { upgrade: "websocket" } }).then((r) => r.status));
    return new Response("front");
  };`;

const BACK = `
  let slow = 0;
  export const add = (a, b) => a + b;
  export const same = (value) => value;
  export function throws() { throw Object.assign(new RangeError("too far"), { code: "far" }); }
  export function whoami() { return { fn: this.ctx.function.name, word: this.env.WORD, deadline: this.ctx.deadline }; }
  export const running = () => slow;
  export default {
    async fetch(request, env, ctx) {
      const { pathname, search } = new URL(request.url);
      if (pathname === "/crash") process.exit(3);
      if (pathname === "/cut") return new Response(new ReadableStream({
        start(c) { c.enqueue(new TextEncoder().encode("begun")); },
        async pull() { await Bun.sleep(5); process.exit(1); },
      }));
      if (pathname === "/slow") {
        slow += 1;
        request.signal.addEventListener("abort", () => { slow -= 1; });
        return new Promise(() => {});
      }
      const body = request.body === null ? null : await request.text();
      return new Response(JSON.stringify({ method: request.method, pathname, search, body, sent: request.headers.get("x-sent") }), {
        status: 207, headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-back", "yes"]],
      });
    },
    scheduled() { return "never"; },
  };`;

const CONFIG = `
[[functions]]
name = "front"
path = "./front.js"
routes = ["ANY /front/*"]
limits = { wall_ms = 3000, concurrency = 64, subrequests = 1000 }
  [functions.bindings]
  BACK = { type = "function", name = "back" }
  SELF = { type = "function", name = "front" }
  NOBODY = { type = "function", name = "nobody" }
[[functions]]
name = "back"
path = "./back.js"
env = { WORD = "hush" }
routes = []
[[functions]]
name = "narrow"
path = "./front.js"
routes = ["ANY /narrow/*"]
instances = 1
limits = { wall_ms = 600, concurrency = 1 }
  [functions.bindings]
  SELF = { type = "function", name = "narrow" }
[plans.anonymous]
run = "any"
  [plans.anonymous.bindings]
  BACK = { type = "function", name = "back" }
`;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ config: CONFIG, files: { "front.js": FRONT, "back.js": BACK } });
});
afterAll(async () => await server?.[Symbol.asyncDispose]());

const get = async (path: string) => (await fetch(`${server.url}/front/${path}`)).json();

describe("fetch", () => {
  test("hands over method, address, headers and body, and hands back status, headers and body", async () => {
    const answer = await fetch(`${server.url}/front/pass?q=1`, {
      method: "PUT",
      body: "grüße",
      headers: { "x-sent": "s" },
    });
    expect(answer.status).toBe(207);
    expect(answer.headers.get("x-back")).toBe("yes");
    expect(answer.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    const expected = { method: "PUT", pathname: "/front/pass", search: "?q=1", body: "grüße", sent: "s" };
    expect(await answer.json()).toEqual(expected);
  });

  test("takes addresses of the web only", async () => {
    expect(await get("absolute")).toMatchObject({ code: "bad_request", isError: true });
  });

  test("a callee that dies is named, before it has answered and after", async () => {
    expect(await get("crash")).toMatchObject({ code: "program_ended", isError: true });
    expect(await get("cut")).toMatchObject({ isError: true });
  });

  test("does not become a WebSocket", async () => {
    expect(await get("socket")).toMatchObject({ value: 207 });
  });
});

describe("methods", () => {
  test("take and give what structured clones hold", async () => {
    expect(await get("add")).toEqual({ value: 5 });
    const kinds = {
      date: 5,
      big: String(2n ** 70n),
      bytes: [1, 2],
      isBytes: true,
      map: true,
      tag: 1,
      own: true,
      polluted: null,
    };
    expect(await get("kinds")).toEqual(kinds);
  });

  test("throw what was thrown", async () => {
    expect(await get("throws")).toEqual({ name: "RangeError", message: "too far", code: "far", isError: true });
  });

  test("are the exports, and neither handlers nor what is not there", async () => {
    expect(await get("missing")).toMatchObject({
      message: "Cannot call env.BACK.nothing: the function exports no such method",
    });
    expect(await get("handler")).toMatchObject({ name: "TypeError" });
    expect(await get("unsendable")).toMatchObject({ name: "TypeError", message: expect.stringContaining("function") });
  });

  test("run as their own function, until the caller's deadline", async () => {
    const before = Date.now();
    const { value } = (await get("this")) as { value: { fn: string; word: string; deadline: number } };
    expect(value).toMatchObject({ fn: "back", word: "hush" });
    expect(value.deadline).toBeLessThanOrEqual(before + 3500);
  });
});

describe("bounds", () => {
  test("calls stand upon one another to a depth", async () => {
    let answer = (await get("loop")) as { value?: unknown; code?: string };
    let depth = 0;
    while (answer.value !== undefined) {
      answer = answer.value as typeof answer;
      depth += 1;
    }
    expect(answer.code).toBe("call_depth");
    expect(depth).toBe(8);
  });

  test("a circle with room for one ends with its first caller's time, and the function answers on", async () => {
    const answer = await fetch(`${server.url}/narrow/loop`);
    expect([200, 500, 503, 504]).toContain(answer.status);
    await answer.text();
    expect(await (await fetch(`${server.url}/narrow/plain`)).text()).toBe("front");
  });

  test("a caller that hangs up ends what it has called", async () => {
    const running = async () =>
      (await (await server.run("export default (r, env) => env.BACK.running()")).json()) as number;
    const hangUp = new AbortController();
    const call = fetch(`${server.url}/front/slow`, { signal: hangUp.signal }).catch(() => {});
    while ((await running()) === 0) await Bun.sleep(1);
    hangUp.abort();
    await call;
    const since = performance.now();
    while ((await running()) > 0 && performance.now() - since < 2000) await Bun.sleep(1);
    expect(await running()).toBe(0);
  });

  test("what is not deployed is named by the call", async () => {
    expect(await get("undeployed")).toMatchObject({ code: "not_found", message: expect.stringContaining('"nobody"') });
  });

  test("a program has what its plan grants", async () => {
    expect(await (await server.run("export default (r, env) => env.BACK.add(20, 22)")).json()).toBe(42);
  });

  test("500 at a time lose nothing", async () => {
    expect(await get("many")).toEqual({ value: 125_250 });
  });

  test("functions of another project are not there", async () => {
    await ask(server, "POST", "/v1/projects", { name: "other" });
    const code = "export default (r, env) => env.BACK.add(1, 2).then(String, (e) => e.code)";
    const settings = { bindings: { BACK: { type: "function", name: "back" } } };
    await deploy(server, "spy", code, { project: "other", settings, routes: [{ route: "GET /spy" }] });
    expect(await (await fetch(`${server.url}/spy`)).json()).toBe("not_found");
  });
});

test("calls are in the access log and the log store under the callee's name", async () => {
  await get("add");
  const { items } = (await (await server.admin("/v1/logs?function=back&limit=500")).json()) as {
    items: { kind: string }[];
  };
  expect(items.some(({ kind }) => kind === "invocation")).toBe(true);
});
