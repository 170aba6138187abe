/** What is asked anew in the background: once, in bounds, by its tag, and not longer than what it is of is there. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { ask, deploy, functionPath } from "../../testing/control_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

/** Answers at once the first time, and from then on when \`POST ?open\` has opened the gate; knows who asked how. */
const CODE = `
  const gates = new Map(), seen = new Map();
  const gate = (name) => { if (!gates.has(name)) gates.set(name, Promise.withResolvers()); return gates.get(name); };
  export default async (request, env, ctx) => {
    const { pathname, searchParams: query } = new URL(request.url);
    if (request.method === "POST") {
      if (query.has("open")) gate(pathname).resolve();
      return Response.json(seen.get(pathname) ?? []);
    }
    const runs = seen.get(pathname) ?? [];
    seen.set(pathname, [...runs, request.headers.get("if-none-match")]);
    const headers = { "cache-control": "max-age=0, stale-while-revalidate=600", "x-run": String(runs.length + 1), etag: '"e"' };
    if (runs.length > 0) await gate(pathname).promise;
    if (query.has("tagged") && runs.length > 0) return new Response(null, { status: 304, headers });
    return new Response("text", { headers });
  };`;

const CONFIG = `
[[functions]]
name = "f"
path = "./f.js"
routes = ["ANY /f/*"]
instances = 1
limits = { concurrency = 200 }
`;
const FILES = { "f.js": CODE };

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ config: CONFIG, files: FILES });
});
afterAll(async () => await server?.[Symbol.asyncDispose]());

const get = async (at: string, from = server) => {
  const answer = await fetch(from.url + at);
  await answer.arrayBuffer();
  return { run: answer.headers.get("x-run"), cache: answer.headers.get("cache-status") ?? "" };
};
const post = async (at: string, from = server) => (await fetch(from.url + at, { method: "POST" })).json();
const running = (from = server) => (from.server.status() as { pool: { invocations: number } }).pool.invocations;
const until = async (isSo: () => boolean | Promise<boolean>) => {
  while (!(await isSo())) await new Promise((resolve) => setImmediate(resolve));
};

test("is given stale at once, and asked for once, by its tag and without the client's conditions", async () => {
  await get("/f/once");
  const stale = await Promise.all(Array.from({ length: 20 }, () => get("/f/once")));
  for (const { run, cache } of stale) expect([run, cache.slice(0, 17)]).toEqual(["1", "isopod; hit; ttl="]);
  await until(async () => ((await post("/f/once")) as string[]).length === 2);
  expect(await post("/f/once?open")).toEqual([null, '"e"']);
  await until(async () => (await get("/f/once")).run !== "1");
});

test("what is said to be current has the new headers", async () => {
  await get("/f/tagged?tagged");
  await get("/f/tagged?tagged");
  await post("/f/tagged?open");
  await until(async () => (await get("/f/tagged?tagged")).run === "2");
});

test("only so many are asked for at a time, however many are stale", async () => {
  const paths = Array.from({ length: 60 }, (_, index) => `/f/many${index}`);
  await Promise.all(paths.map((path) => get(path)));
  await Promise.all(paths.map((path) => get(path)));
  await until(() => running() >= 16);
  expect(running()).toBe(16);
  await Promise.all(paths.map((path) => post(`${path}?open`)));
  await until(() => running() === 0);
  // What was left out is asked for when somebody asks for it again.
  await until(async () => (await Promise.all(paths.map((path) => get(path)))).every(({ run }) => run !== "1"));
  await until(() => running() === 0);
});

test("ends with the function, and is not kept", async () => {
  await deploy(server, "gone", CODE, { routes: [{ route: "ANY /gone" }] });
  await get("/gone");
  await get("/gone");
  await until(() => running() === 1);
  await ask(server, "DELETE", functionPath("gone"));
  await until(() => running() === 0);
  expect((await fetch(`${server.url}/gone`)).status).toBe(404);
});

test("ends with the server, at once", async () => {
  const other = await startTestServer({ config: CONFIG, files: FILES });
  await get("/f/end", other);
  await get("/f/end", other);
  await until(() => running(other) === 1);
  const begun = performance.now();
  await other[Symbol.asyncDispose]();
  // An invocation that went on would have been waited for: 10 s.
  expect(performance.now() - begun).toBeLessThan(5000);
});
