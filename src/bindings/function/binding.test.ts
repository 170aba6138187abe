/** Functions that call functions, through a real server: requests, methods, how deep and how long, and what cannot be reached. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ask, deploy } from "../../testing/control_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

const FRONT = `
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
    if (what === "throws") return told(env.BACK.throws());
    if (what === "missing") return told(env.BACK.nothing());
    if (what === "handler") return told(env.BACK.scheduled());
    if (what === "unsendable") return told(env.BACK.same(() => 1));
    if (what === "this") return told(env.BACK.whoami());
    if (what === "undeployed") return told(env.NOBODY.fetch("http://x/").then((r) => r.text()));
    if (what === "mirror") return env.BACK.fetch(new Request("http://back/echo", request));
    if (what === "redirect") return told(env.BACK.fetch("http://x/redirect").then((r) => [r.status, r.headers.get("location"), r.redirected]));
    if (what === "accept") return told(env.BACK.fetch("http://x/accept").then((r) => r.status));
    if (what === "file") return told(env.BACK.fetch("http://x/style.css", { headers: { "accept-encoding": "gzip" } })
      .then(async (r) => [r.headers.get("content-type"), await r.text()]));
    if (what === "params") return told(env.BACK.fetch("http://x/items/7").then((r) => r.json()));
    if (what === "form" || what === "multipart") {
      const body = what === "form" ? new URLSearchParams({ a: 1, b: 2 }) : new FormData();
      if (what === "multipart") body.append("file", new File(["data"], "f.txt"));
      const answer = await env.BACK.fetch("http://x/echo", { method: "POST", body });
      return told(answer.text().then((text) => [answer.headers.get("content-type"), text]));
    }
    if (what === "pingpong") {
      let send;
      const body = new ReadableStream({ start: (c) => { send = c; } });
      send.enqueue("ping 0");
      const { body: back } = await env.BACK.fetch("http://x/echo", { method: "POST", body, duplex: "half" });
      const got = [];
      for await (const chunk of back) {
        got.push(new TextDecoder().decode(chunk));
        if (got.length === 20) send.close();
        else send.enqueue("ping " + got.length);
      }
      return Response.json({ value: got });
    }
    if (what === "socket") return told(env.BACK.fetch("http://x/socket", { headers: { upgrade: "websocket" } }).then((r) => r.status));
    return new Response("front");
  };`;

const BACK = `
  export const add = (a, b) => a + b;
  export const same = (value) => value;
  export function throws() { throw Object.assign(new RangeError("too far"), { code: "far" }); }
  export function whoami() { return { fn: this.ctx.function.name, word: this.env.WORD }; }
  export default {
    async fetch(request, env, ctx) {
      const { pathname, search } = new URL(request.url);
      if (pathname === "/echo") return new Response(request.body, { headers: { "content-type": request.headers.get("content-type") ?? "" } });
      if (pathname === "/redirect") return Response.redirect("/elsewhere", 302);
      if (pathname === "/accept") return new Response(null, { status: 101, webSocket: new WebSocketPair()[0] });
      if (ctx.params.id) return Response.json(ctx.params);
      const body = request.body === null ? null : await request.text();
      const [sent, caller] = ["x-sent", "isopod-caller"].map((name) => request.headers.get(name));
      return new Response(JSON.stringify({ method: request.method, pathname, search, body, sent, caller }), {
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
limits = { wall_ms = 20000, body_mb = 32 }
  [functions.bindings]
  BACK = { type = "function", name = "back" }
  NOBODY = { type = "function", name = "nobody" }
[[functions]]
name = "back"
path = "./back.js"
env = { WORD = "hush" }
routes = ["GET /back", "GET /items/:id"]
assets = "./public"
limits = { body_mb = 32 }
[plans.anonymous]
run = "any"
  [plans.anonymous.bindings]
  BACK = { type = "function", name = "back" }
`;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({
    config: CONFIG,
    files: { "front.js": FRONT, "back.js": BACK, "public/style.css": "p { color: red }" },
  });
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
    const { caller: _, ...rest } = (await answer.json()) as Record<string, unknown>;
    expect(rest).toEqual(expected);
  });

  test("takes addresses of the web only", async () => {
    expect(await get("absolute")).toMatchObject({ code: "bad_request", isError: true });
  });

  test("does not become a WebSocket, and says so", async () => {
    expect(await get("socket")).toMatchObject({ code: "bad_request", message: expect.stringContaining("WebSockets") });
    const accepted = await get("accept");
    expect(accepted).toMatchObject({ code: "invalid_result", message: expect.stringContaining("WebSocket") });
  });

  test("says who calls, which nobody outside can", async () => {
    const headers = { "isopod-caller": "function:admin", "Isopod-Caller": "function:admin" };
    const caller = async (path: string, init?: RequestInit) =>
      ((await (await fetch(`${server.url}${path}`, init)).json()) as { caller: unknown }).caller;
    expect(await caller("/back", { headers })).toBe(null);
    expect(await caller("/front/pass", { headers })).toBe("function:front");
    const program = "export default (r, env) => env.BACK.fetch(r)";
    expect(await caller("/run", { method: "POST", body: program, headers })).toBe("program");
  });

  test("does not follow redirects", async () => {
    expect(await get("redirect")).toEqual({ value: [302, "/elsewhere", false] });
  });

  test("reaches the static files of the other function, and the parameters of its routes", async () => {
    expect(await get("file")).toEqual({ value: ["text/css; charset=utf-8", "p { color: red }"] });
    expect(await get("params")).toEqual({ value: { id: "7" } });
  });

  test("streams both ways at the same time", async () => {
    expect(await get("pingpong")).toEqual({ value: Array.from({ length: 20 }, (_, at) => `ping ${at}`) });
    const bytes = 20 * 1024 * 1024;
    const body = new Uint8Array(bytes).fill(7);
    const answer = await fetch(`${server.url}/front/mirror`, { method: "POST", body });
    expect(Bun.hash(await answer.bytes())).toBe(Bun.hash(body));
  });

  test("sends what a request holds: forms, searches, JSON", async () => {
    expect(await get("form")).toEqual({ value: ["application/x-www-form-urlencoded;charset=UTF-8", "a=1&b=2"] });
    const [type, text] = ((await get("multipart")) as { value: [string, string] }).value;
    expect(type).toStartWith("multipart/form-data; boundary=");
    expect(text).toContain('name="file"; filename="f.txt"');
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

  test("run as their own function", async () => {
    expect(await get("this")).toEqual({ value: { fn: "back", word: "hush" } });
  });
});

test("what is not deployed is named by the call", async () => {
  expect(await get("undeployed")).toMatchObject({ code: "not_found", message: expect.stringContaining('"nobody"') });
});

test("a program has what its plan grants", async () => {
  expect(await (await server.run("export default (r, env) => env.BACK.add(20, 22)")).json()).toBe(42);
});

test("functions of another project are not there", async () => {
  await ask(server, "POST", "/v1/projects", { name: "other" });
  const code = "export default (r, env) => env.BACK.add(1, 2).then(String, (e) => e.code)";
  const settings = { bindings: { BACK: { type: "function", name: "back" } } };
  await deploy(server, "spy", code, { project: "other", settings, routes: [{ route: "GET /spy" }] });
  expect(await (await fetch(`${server.url}/spy`)).json()).toBe("not_found");
});

test("a call is logged, remembered and counted as its function's, and names its caller", async () => {
  const { headers } = await fetch(`${server.url}/front/add`);
  const parent = headers.get("isopod-request-id") as string;
  const { items } = (await (await server.admin("/v1/logs?function=back&limit=500")).json()) as {
    items: { kind: string; request_id: string; parent_request_id?: string }[];
  };
  const [record] = items.filter((item) => item.parent_request_id === parent);
  expect(record).toMatchObject({ kind: "invocation", path: "/", status: 200, project: "default" });
  const remembered = await (await server.admin(`/v1/invocations/${record?.request_id}`)).json();
  expect(remembered).toMatchObject({ functionName: "back", parentRequestId: parent, status: 200 });
  const caller = await (await server.admin(`/v1/invocations/${parent}`)).json();
  expect(caller).toMatchObject({ functionName: "front", figures: { subrequests: 1 } });
  const counted = /request_duration_seconds_count\{target="back",status="2xx"\} [1-9]/;
  expect(counted.test(await (await server.admin("/metrics")).text())).toBe(true);
});
