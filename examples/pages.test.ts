/** The pages in `docs/` say what is so: code that they show for functions is served here as it stands. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { isopod } from "../src/testing/command_line.ts";
import { startTestServer, type TestServer } from "../src/testing/server.ts";

const PYTHON = existsSync("/usr/bin/python3");

let server: TestServer;

/** The blocks of a page in one language. */
async function blocks(page: string, language: string): Promise<string[]> {
  const text = await Bun.file(join(import.meta.dir, "..", "docs", `${page}.md`)).text();
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].flatMap(([, named, code = ""]) =>
    named === language ? [code] : [],
  );
}

/** The only one that contains `word`. */
async function block(page: string, language: string, word: string): Promise<string> {
  const [only, ...others] = (await blocks(page, language)).filter((code) => code.includes(word));
  if (only === undefined || others.length > 0)
    throw new Error(`docs/${page}.md: not one block of ${language} has ${word}`);
  return only;
}

const route = (name: string, file: string, more = "") =>
  `[[functions]]\nname = "${name}"\npath = "./${file}"\nroutes = ["ANY /${name}"]\n${more}\n`;

beforeAll(async () => {
  const count = await block("bindings", "js", "changed_meanwhile");
  const files = {
    "cached.js": await block("caching", "js", "stale-while-revalidate"),
    "own.js": await block("caching", "js", "caches.default"),
    "reports.js": await block("triggers", "js", "scheduled("),
    "middlewares/auth.js": await block("middlewares", "js", "function before"),
    "middlewares/log": await block("middlewares", "sh", "ISOPOD_METHOD"),
    "echo/bootstrap": await block("processes", "sh", "while read"),
    "words/app.py": 'def handle(event, context):\n    return {"words": len(event["body"].split())}\n',
    "sum.ts": await block("wasm", "ts", "WebAssembly.Instance"),
    "adler32.wasm": await Bun.file(join(import.meta.dir, "wasm/imported/adler32.wasm")).bytes(),
    "count.js": `export default { async fetch(request, env) {\n${count}\nreturn env.CACHE.get("count"); } };`,
    "orders.ts": 'export default (request: Request) => new Response(request.headers.get("x-user"));',
  };
  const orders = (await block("middlewares", "toml", "orders"))
    .replace('"log", "auth", "trace"', '"log", "auth"')
    .split("[plans")[0];
  server = await startTestServer({
    files,
    config: [
      ...["cached", "own", "sum"].map((name) => route(name, name === "sum" ? "sum.ts" : `${name}.js`)),
      route("count", "count.js", '[functions.bindings]\nCACHE = { type = "kv", name = "cache" }'),
      route("echo", "echo", 'dialect = "stdio"'),
      ...[PYTHON ? await block("processes", "toml", "words") : "", orders, await block("triggers", "toml", "cron")],
    ].join("\n"),
  });
}, 60_000);
afterAll(() => server[Symbol.asyncDispose]());

const text = async (path: string, init?: RequestInit) => (await fetch(`${server.url}${path}`, init)).text();

test("answers are kept as the page of caching says, by their headers and by the program itself", async () => {
  for (const path of ["/cached", "/own"]) {
    const first = await text(path);
    expect(first).toStartWith("made at ");
    expect(await text(path)).toBe(first);
  }
});

test("the loop of compare and set counts", async () => {
  await Promise.all(Array.from({ length: 5 }, () => text("/count")));
  expect(await text("/count")).toContain("6");
});

test("the schedule of the page sends, and its queue takes", async () => {
  const env = { ISOPOD_URL: server.adminUrl, ISOPOD_TOKEN: server.token };
  const run = await isopod(["schedules", "run", "reports"], { env });
  expect([run.code, run.stderr]).toEqual([0, ""]);
  expect((await isopod(["queues"], { env })).stdout).toMatch(/^jobs +1 .* reports +jobs-dead$/m);
});

test("middlewares of the page let in who is known", async () => {
  expect(await text("/orders/1")).toBe("No");
  const answer = await fetch(`${server.url}/orders/1`, { headers: { authorization: "Bearer 1234" } });
  expect(await answer.text()).toBe("ada");
  expect(answer.headers.get("server-timing")).toStartWith("function;dur=");
});

test("a language of one loop, and a module that a script imports", async () => {
  expect(JSON.parse(await text("/echo")).echo).toMatchObject({ rawPath: "/echo" });
  expect(JSON.parse(await text("/sum"))).toEqual({ exports: ["memory", "adler32"] });
});

test.skipIf(!PYTHON)("a ready-made runtime (skipped where there is no python3)", async () => {
  expect(JSON.parse(await text("/words", { method: "POST", body: "a b c" }))).toEqual({ words: 3 });
});
