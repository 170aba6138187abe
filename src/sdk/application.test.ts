/** Applications as their callers meet them: on a port of this process, and as functions and programs of a server. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { startTestServer, type TestServer } from "../testing/server.ts";
import { Application } from "./application.ts";
import { Router } from "./router.ts";

const SDK = join(import.meta.dir, "main.ts");

/** Listens for one test; what `ask` gives is the status and the text. */
async function listen(app: Application) {
  const server = await app.listen(0);
  return {
    url: server.url,
    ask: async (path: string, init?: RequestInit) => {
      const response = await fetch(server.url + path, init);
      return [response.status, await response.text()];
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
}

test("a route has its parameters, whatever their spelling, and every method", async () => {
  const app = new Application();
  app.router.get("/greet/:name", (request) => Response.json(request.routeParameters));
  app.router.get("/:year{[0-9]+}/:slug?", ({ routeParameters: { year, slug } }) => new Response(`${year} ${slug}`));
  app.router.get("/café/:x", ({ routeParameters }) => new Response(routeParameters.x));
  for (const method of ["post", "put", "patch", "delete", "options"] as const)
    app.router[method]("/m", () => new Response(method));
  app.router.on("PROPFIND", "/m", () => new Response("propfind"));
  app.router.all("/any/*", (request) => new Response(request.method));
  await using server = await listen(app);
  expect(await server.ask("/greet/Ada")).toEqual([200, '{"name":"Ada"}']);
  expect(await server.ask("/greet/a%2Fb%25")).toEqual([200, '{"name":"a/b%"}']);
  expect(await server.ask("/greet/%ff")).toEqual([200, '{"name":"%ff"}']);
  expect(await server.ask("/2026/spring")).toEqual([200, "2026 spring"]);
  expect(await server.ask("/2026")).toEqual([200, "2026 undefined"]);
  expect(await server.ask("/café/ü")).toEqual([200, "ü"]);
  for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
    expect(await server.ask("/m", { method })).toEqual([200, method.toLowerCase()]);
  expect(await server.ask("/any/thing", { method: "DELETE" })).toEqual([200, "DELETE"]);
});

test("the first answer wins, and those before it may leave it to others", async () => {
  const seen: string[] = [];
  const note = (name: string) => () => void seen.push(name);
  const app = new Application();
  app.router.use((request) => (request.headers.has("x-stop") ? new Response("stopped", { status: 401 }) : null));
  app.router.use("/deep/*", async () => note("middleware")());
  app.router.get("/deep/:x", note("first"), () => new Response("second"), note("third"));
  app.router.all("*", ({ url }) => new Response(`rest ${new URL(url).pathname}`));
  await using server = await listen(app);
  expect(await server.ask("/deep/1")).toEqual([200, "second"]);
  expect(seen).toEqual(["middleware", "first"]);
  expect(await server.ask("/deep/1", { headers: { "x-stop": "1" } })).toEqual([401, "stopped"]);
  expect(seen).toHaveLength(2);
  expect(await server.ask("/other")).toEqual([200, "rest /other"]);
});

test("after it was answered, middlewares see every answer and may change it", async () => {
  const app = new Application();
  app.router.get("/", () => new Response("home"));
  app.router.get("/throws", () => Promise.reject(new Error("not for callers")));
  app.onError(() => undefined);
  app.router.after((_request, response) => {
    response.headers.set("x-status", String(response.status));
  });
  app.router.after("/replaced", () => new Response("replaced"));
  await using server = await listen(app);
  const status = async (path: string) => (await fetch(server.url + path)).headers.get("x-status");
  expect(await Promise.all(["/", "/none", "/throws"].map(status))).toEqual(["200", "404", "500"]);
  expect(await server.ask("/replaced")).toEqual([200, "replaced"]);
});

test("what no route answers is 404, or 405 with the methods that are; HEAD is GET without a body", async () => {
  const app = new Application();
  app.router.use(() => null);
  app.router.get("/x", () => new Response("body", { headers: { "x-length": "4" } }));
  app.router.post("/x", () => null);
  app.router.all("/fallback/*", () => null);
  await using server = await listen(app);
  expect(await server.ask("/y")).toEqual([404, "Not Found\n"]);
  expect(await server.ask("/fallback/x")).toEqual([404, "Not Found\n"]);
  expect(await server.ask("/x", { method: "POST" })).toEqual([404, "Not Found\n"]);
  const refused = await fetch(`${server.url}/x`, { method: "DELETE" });
  expect([refused.status, refused.headers.get("allow")]).toEqual([405, "GET, POST, HEAD"]);
  const head = await fetch(`${server.url}/x`, { method: "HEAD" });
  expect([head.status, head.headers.get("x-length"), await head.text()]).toEqual([200, "4", ""]);
});

test("HEAD meets a catch-all only when GET does", async () => {
  const app = new Application();
  app.router.get("/x", () => new Response("x", { headers: { "x-by": "get" } }));
  app.router.all("*", () => new Response("rest", { status: 404 }));
  await using server = await listen(app);
  const head = await fetch(`${server.url}/x`, { method: "HEAD" });
  expect([head.status, head.headers.get("x-by")]).toEqual([200, "get"]);
});

test("an error is 500 and tells callers nothing, unless the application says otherwise", async () => {
  const app = new Application();
  app.router.get("/throws", () => {
    throw new RangeError("secret");
  });
  app.router.get("/text", (() => "text") as never);
  const errors: unknown[] = [];
  app.onError((error, request) => {
    errors.push(error);
    return request.headers.has("x-own") ? Response.json({ sorry: true }, { status: 503 }) : null;
  });
  app.onNotFound(() => new Response("nothing here", { status: 404 }));
  await using server = await listen(app);
  expect(await server.ask("/throws")).toEqual([500, "Internal Server Error\n"]);
  expect(await server.ask("/throws", { headers: { "x-own": "1" } })).toEqual([503, '{"sorry":true}']);
  expect(await server.ask("/text")).toEqual([500, "Internal Server Error\n"]);
  expect(errors.map(String)).toEqual([
    "RangeError: secret",
    "RangeError: secret",
    "TypeError: Cannot answer GET /text: expected a Response or nothing from the handler, not string",
  ]);
  expect(await server.ask("/y")).toEqual([404, "nothing here"]);
});

test("routers and other applications are mounted; what is mounted is fixed by the first request", async () => {
  const users = new Router<Readonly<Record<string, unknown>>>();
  users.get("/", () => new Response("all"));
  users.get("/:id", ({ routeParameters }) => new Response(routeParameters.id));
  const app = new Application();
  app.router.mount("/users", users);
  app.router.mount("/other/", {
    fetch: (request) => new Response(`${request.method} ${new URL(request.url).pathname}`),
  });
  await using server = await listen(app);
  expect(await server.ask("/users")).toEqual([200, "all"]);
  expect(await server.ask("/users/7")).toEqual([200, "7"]);
  expect(await server.ask("/other/a/b", { method: "POST", body: "x" })).toEqual([200, "POST /a/b"]);
  expect(await server.ask("/other")).toEqual([200, "GET /"]);
  for (const router of [app.router, users])
    expect(() => router.get("/late", () => null)).toThrow("Cannot add /late: the application has begun to answer");
});

test("a port that is taken is an error that says so, and a closed server answers no more", async () => {
  const app = new Application();
  const server = await app.listen(0);
  expect(app.listen(server.port)).rejects.toThrow(/port|EADDRINUSE/i);
  await server.close();
  expect(fetch(server.url)).rejects.toThrow();
});

let isopod: TestServer;
const APP = `import { Application } from "isopod";
const app = new Application();
app.router.get("/:fn/:name", ({ routeParameters, env, ctx }) => Response.json({ ...routeParameters, env, fn: ctx.function.name }));
`;
const fn = (name: string) => `
[[functions]]
name = "${name}"
path = "./${name}.ts"
routes = ["ANY /${name}/*"]
env = { GREETING = "hi" }
`;

beforeAll(async () => {
  isopod = await startTestServer({
    config: fn("listens") + fn("exports") + fn("both"),
    files: {
      "package.json": "{}",
      "node_modules/isopod/package.json": '{"name": "isopod", "main": "main.js"}',
      "node_modules/isopod/main.js": await bundle(),
      "listens.ts": `${APP}const { url, port } = await app.listen(8000); app.router.get("/:fn/:a/where", () => Response.json({ url, port }));`,
      "exports.ts": `${APP}export default app;`,
      "both.ts": `${APP}app.listen(8000); export default () => new Response("the export");`,
    },
  });
});
afterAll(() => isopod[Symbol.asyncDispose]());

async function bundle(): Promise<string> {
  const built = await Bun.build({ entrypoints: [SDK], target: "browser" });
  return (await built.outputs[0]?.text()) ?? "";
}

const ask = async (path: string, init?: RequestInit) => {
  const response = await fetch(isopod.url + path, init);
  return [response.status, await response.text()];
};

test("under Isopod an application answers invocations, by listening or as the default export", async () => {
  for (const name of ["listens", "exports"]) {
    const answer = JSON.stringify({ fn: name, name: "Ada", env: { GREETING: "hi" } });
    expect(JSON.parse(String((await ask(`/${name}/Ada`))[1]))).toEqual(JSON.parse(answer));
    expect(await ask(`/${name}/x/y/z`)).toEqual([404, "Not Found\n"]);
    expect(await ask(`/${name}/x`, { method: "PUT" })).toEqual([405, "Method Not Allowed\n"]);
  }
  expect(await ask("/listens/x/where")).toEqual([200, '{"url":"","port":0}']);
  expect(await ask("/both/x")).toEqual([200, "the export"]);
});

test("a program that is sent may listen too; its console is then its log, and not its answer", async () => {
  const sdk = await bundle();
  const app = sdk.replace(/export \{[^}]*\};?\s*$/, "");
  const run = async (code: string, headers = {}) => {
    const response = await isopod.run(`${app}\nconst app = new Application();\n${code}`, { headers });
    return [response.status, await response.text()];
  };
  const route = `app.router.all("*", async (request) => new Response(request.method));`;
  expect(await run(`${route} app.listen(1); console.log("to the log");`)).toEqual([200, "POST"]);
  expect(await run(`${route} await app.listen(1); setInterval(() => {}, 1000);`)).toEqual([200, "POST"]);
  const events = { accept: "text/event-stream" };
  const [, text] = await run(`${route} console.log("first"); await app.listen(1);`, events);
  expect(text).toContain("Cannot listen: what was written to the console before");
  expect((await run(`${route} app.listen(1); await app.listen(2);`))[1]).toContain("the program listens already");
  const late = await run(`${route} setTimeout(() => app.listen(1), 20);`);
  expect(late[1]).toContain("the program's top level is over");
});
