/** Applications that were written for other places run unchanged: Hono, itty-router, modules as Cloudflare has them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { startTestServer, type TestServer } from "../testing/server.ts";

const MODULES = join(import.meta.dir, "..", "..", "node_modules");

const FILES: Readonly<Record<string, string>> = {
  "hono.ts": `
    import { Hono } from "hono"; import { HTTPException } from "hono/http-exception";
    const app = new Hono<{ Bindings: { NAME: string } }>().basePath("/hono");
    app.use(async (c, next) => { await next(); c.header("x-after", "1"); });
    app.get("/:id", (c) => c.json({ id: c.req.param("id"), name: c.env.NAME, late: typeof c.executionCtx.waitUntil }));
    app.post("/echo", async (c) => c.text((await c.req.text()).toUpperCase()));
    app.get("/refused/now", () => { throw new HTTPException(418, { message: "no tea" }); });
    export default app;`,
  "itty.ts": `${itty("/itty")} export default router;`,
  "spread.ts": `${itty("/spread")} export default { ...router };`,
  "plain.ts": `
    export default {
      async fetch(request: Request, env: { NAME: string }, ctx: { waitUntil(work: Promise<unknown>): void }) {
        ctx.waitUntil(Promise.resolve());
        return new Response(request.method + " " + new URL(request.url).pathname + " " + env.NAME);
      },
    };`,
};

const names = Object.keys(FILES).map((file) => file.replace(".ts", ""));
const CONFIG = names.map(
  (name) => `[[functions]]
name = "${name}"
path = "./${name}.ts"
routes = ["ANY /${name}/*"]
env = { NAME = "n" }
`,
);

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ files: { ...FILES, "package.json": "{}" } });
  symlinkSync(MODULES, join(server.directory, "node_modules"));
  await server.reload(CONFIG.join(""));
});
afterAll(() => server[Symbol.asyncDispose]());

/** Status and body of an answer. */
async function ask(path: string, init?: RequestInit): Promise<[number, string]> {
  const response = await fetch(server.url + path, init);
  return [response.status, await response.text()];
}

test("a Hono application has its routes, middlewares, bindings and errors", async () => {
  const response = await fetch(`${server.url}/hono/7`);
  expect(response.headers.get("x-after")).toBe("1");
  expect(await response.json()).toEqual({ id: "7", name: "n", late: "function" });
  expect(await ask("/hono/echo", { method: "POST", body: "text" })).toEqual([200, "TEXT"]);
  expect(await ask("/hono/refused/now")).toEqual([418, "no tea"]);
  expect((await ask("/hono/a/b/c"))[0]).toBe(404);
  expect(await ask("/hono/7", { method: "HEAD" })).toEqual([200, ""]);
});

test("an itty-router has its routes and middlewares, given as it is or spread", async () => {
  for (const name of ["itty", "spread"]) {
    expect(JSON.parse((await ask(`/${name}/7`))[1])).toEqual({ id: "7", start: 1, name: "n" });
    const body = JSON.stringify({ text: "said" });
    expect(await ask(`/${name}/echo`, { method: "POST", body })).toEqual([200, '"said"']);
    expect(await ask(`/${name}/a/b`)).toEqual([404, '{"status":404,"error":"none"}']);
  }
});

test("a module with a fetch function is one", async () => {
  expect(await ask("/plain/x", { method: "PUT" })).toEqual([200, "PUT /plain/x n"]);
});

function itty(base: string): string {
  return `
    import { AutoRouter, error } from "itty-router";
    const router = AutoRouter({ base: "${base}", before: [(request) => { request.start = 1; }] });
    router.get("/:id", ({ params, start }, env) => ({ id: params.id, start, name: env.NAME }))
      .post("/echo", async (request) => (await request.json()).text)
      .all("*", () => error(404, "none"));`;
}
