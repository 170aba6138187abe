/** Modules as middlewares: a part of a script's program where the order allows it, a process of their own elsewhere. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  FUNCTION_TABLES,
  functionFiles,
  linesOf,
  marking,
  startMiddlewares,
  tables,
} from "../../testing/middleware_rig.ts";
import { errorOf } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";
import { WebSocketClient } from "../../testing/websocket_client.ts";

const module = (name: string) => `import { mark } from "./marks/mark.ts";
export function before(event: any) { mark(event.headers, "${name}"); }
export function after(response: Response) {
  response.headers.set("x-order", (response.headers.get("x-order") ?? "") + "${name}");
}`;

const MIDDLEWARES: Readonly<Record<string, string>> = {
  "marks/mark.ts": `export const mark = (headers: Record<string, string>, name: string) => {
  headers["x-order"] = (headers["x-order"] ?? "") + name; };`,
  "m.ts": module("m"),
  "n.js": module("n")
    .replace(/: (any|Response)/g, "")
    .replace('"./marks/mark.ts"', '"./marks/mark.ts"'),
  p: marking("p"),
  "full.ts": `export async function before(event: any, ctx: any) {
    ctx.state.began = ctx.startedAt;
    const { http } = event.requestContext;
    if (event.rawPath.endsWith("/deny")) return new Response("denied", { status: 403, headers: { "x-by": "full" } });
    if (event.rawPath.endsWith("/result")) return { statusCode: 402, body: "pay" };
    if (event.rawPath.endsWith("/text")) return { statusCode: "402", body: "pay" };
    if (event.rawPath.endsWith("/slip")) return { status: 401, headers: {} };
    if (event.rawPath.endsWith("/null")) return null;
    if (event.rawPath.endsWith("/throw")) throw new Error("before is broken");
    if (event.rawPath.endsWith("/change")) return { ...event, rawPath: "/other", body: "new body", isBase64Encoded: false,
      requestContext: { ...event.requestContext, http: { ...http, method: "PUT" } } };
  }
  export async function after(response: Response, ctx: any) {
    console.log("after", response.status, ctx.error ?? "-", ctx.state.began === ctx.startedAt, ctx.durationMs >= 0,
      ctx.function.name, typeof ctx.env);
    if (response.headers.has("x-replace")) return Response.json({ replaced: await response.text() }, { status: 203 });
  }`,
  "none.ts": "export const nothing = 1;",
  "only-after.ts": 'export const after = (response: Response) => response.headers.set("x-seen", "1");',
  "broken.ts": "export function before( {",
};

const FUNCTION = `export const extra = (a: number) => a + 1;
export default { fetch: async (request: Request, env: unknown, ctx: any) => {
  const path = new URL(request.url).pathname;
  if (path.endsWith("/fail")) throw new Error("the function is broken");
  if (path.endsWith("/replace")) return new Response("old", { headers: { "x-replace": "1" } });
  if (path.endsWith("/value")) return { a: 1 };
  if (path.endsWith("/stream")) return new Response(new ReadableStream({ async start(controller) {
    controller.enqueue(new TextEncoder().encode("first "));
    for await (const _ of request.body ?? []) {}
    controller.enqueue(new TextEncoder().encode("last"));
    controller.close();
  } }));
  if (path.endsWith("/socket")) {
    const { 0: client, 1: server } = new (globalThis as any).WebSocketPair();
    server.accept();
    server.addEventListener("message", (event: any) => server.send("echo " + event.data));
    return new Response(null, { status: 101, webSocket: client } as any);
  }
  return new Response([request.method, path, await request.text(), ctx.params["*"]].join(" "));
} };`;

let server: TestServer;

beforeAll(async () => {
  const engines = Object.entries(FUNCTION_TABLES).map(([name, toml]) => [name, `${toml}\nmiddlewares = ["m", "n"]`]);
  const script = (list: string, more = "") => `${FUNCTION_TABLES.script}\nmiddlewares = [${list}]\n${more}`;
  server = await startMiddlewares(
    MIDDLEWARES,
    tables({
      ...Object.fromEntries(engines),
      mixed: script('"m", "p", "n"'),
      behind: script('"p", "m", "n"'),
      same: script('"m", "n"', 'middleware_order = "same"'),
      "mixed-same": script('"m", "p"', 'middleware_order = "same"'),
      full: 'path = "full.ts"\nmiddlewares = ["full"]',
      streams: 'path = "full.ts"\nmiddlewares = ["only-after"]',
    }),
    { ...(await functionFiles()), "full.ts": FUNCTION },
  );
}, 60_000);

afterAll(() => server[Symbol.asyncDispose]());

const ask = (path: string, init?: RequestInit) => fetch(`${server.url}/${path}`, init);
const orders = async (path: string) => {
  const answer = await ask(path);
  return [answer.status, await answer.text(), answer.headers.get("x-order")];
};

for (const engine of Object.keys(FUNCTION_TABLES)) {
  test(`${engine}: modules run around it`, async () => {
    expect(await orders(engine)).toEqual([200, "mn", "nm"]);
  });
}

test("modules and executables keep their order, whichever of them is a part of the program", async () => {
  expect(await orders("mixed")).toEqual([200, "mpn", "npm"]);
  expect(await orders("behind")).toEqual([200, "pmn", "nmp"]);
  expect(await orders("same")).toEqual([200, "mn", "mn"]);
  expect(await orders("mixed-same")).toEqual([200, "mp", "mp"]);
});

test("a function that has only modules has no instance but its own", async () => {
  const before = (server.server.status() as { pool: { functions: number } }).pool.functions;
  expect((await ask("full/x")).status).toBe(200);
  const after = (server.server.status() as { pool: { functions: number } }).pool.functions;
  expect(after - before).toBeLessThanOrEqual(1);
});

test("a request that is not changed reaches the function as it was", async () => {
  const answer = await ask("full/a%2Fb?x=1", { method: "POST", body: "body" });
  expect(await answer.text()).toBe("POST /full/a%2Fb body a/b");
});

test("before may change the request, answer in the function's place, or throw", async () => {
  expect(await (await ask("full/change", { method: "POST", body: "old" })).text()).toBe("PUT /other new body change");
  const denied = await ask("full/deny");
  expect([denied.status, await denied.text(), denied.headers.get("x-by")]).toEqual([403, "denied", "full"]);
  for (const path of ["full/result", "full/text"]) {
    const paid = await ask(path);
    expect([paid.status, await paid.text()]).toEqual([402, "pay"]);
  }
  // Whoever means to refuse lets nothing pass by a slip.
  for (const path of ["full/slip", "full/null"]) {
    const { code, message } = await errorOf(await ask(path));
    expect([code, message]).toEqual(["uncaught_exception", expect.stringContaining("neither an event nor an answer")]);
  }
  const thrown = await ask("full/throw");
  expect([thrown.status, await errorOf(thrown)]).toMatchObject([500, { code: "uncaught_exception" }]);
});

test("after may give another answer, and sees what the function failed of without changing it", async () => {
  const replaced = await ask("full/replace");
  expect([replaced.status, await replaced.json()]).toEqual([203, { replaced: "old" }]);
  const failed = await ask("full/fail");
  expect([failed.status, await errorOf(failed)]).toMatchObject([
    500,
    { code: "uncaught_exception", message: "Error: the function is broken" },
  ]);
  expect(await linesOf(server, failed)).toContain("after 500 uncaught_exception true true full object");
  const value = await ask("full/value");
  expect([value.headers.get("content-type"), await value.json()]).toEqual(["application/json", { a: 1 }]);
  expect(await linesOf(server, value)).toContain("after 200 - true true full object");
});

test("an answer streams through after, while the request is still being sent", async () => {
  const rest = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(new TextEncoder().encode("begin"));
      await rest.promise;
      controller.close();
    },
  });
  const answer = await ask("streams/stream", { method: "POST", body });
  expect(answer.headers.get("x-seen")).toBe("1");
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("first ");
  rest.resolve();
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("last");
});

test("exports that are no handler stay as they are", async () => {
  const init = { method: "POST", body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "extra", params: [4] }) };
  const answer = await ask("rpc/full", { ...init, headers: { "content-type": "application/json" } });
  expect(await answer.json()).toMatchObject({ result: 5 });
});

test("a WebSocket is accepted behind before, and after says nothing", async () => {
  for (const path of ["full", "streams"]) {
    await using socket = await WebSocketClient.connect(`${server.url.replace("http", "ws")}/${path}/socket`);
    socket.send("hello");
    expect(await socket.next()).toBe("echo hello");
  }
});

test("a module that cannot be used is a mistake of the configuration, with its place", async () => {
  const files = { ...(await functionFiles()), "full.ts": FUNCTION };
  const start = (name: string) =>
    startMiddlewares(MIDDLEWARES, tables({ f: `path = "full.ts"\nmiddlewares = ["${name}"]` }), files);
  await expect(start("broken")).rejects.toThrow(/Cannot load function "f": .*broken\.ts:1/);
  await using late = await start("none");
  const answer = await fetch(`${late.url}/f`);
  expect(await errorOf(answer)).toMatchObject({ message: expect.stringContaining("exports neither before nor after") });
}, 30_000);

test("a change of a module, or of what it imports, is a new version", async () => {
  const config = tables({
    f: `${FUNCTION_TABLES.script}\nmiddlewares = ["m"]`,
    w: `${FUNCTION_TABLES.wasm}\nmiddlewares = ["m"]`,
  });
  await using changing = await startMiddlewares(MIDDLEWARES, config, await functionFiles());
  const both = async () => [
    await (await fetch(`${changing.url}/f`)).text(),
    await (await fetch(`${changing.url}/w`)).text(),
  ];
  expect(await both()).toEqual(["m", "m"]);
  const mark = `${changing.directory}/middlewares/marks/mark.ts`;
  await Bun.write(mark, (await Bun.file(mark).text()).replace("+ name", '+ name + "2"'));
  await changing.reload(config);
  expect(await both()).toEqual(["m2", "m2"]);
}, 30_000);
