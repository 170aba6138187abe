/** Functions of a configuration file, end to end: what they import, what they are given, what they may not read. */
import { expect, test } from "bun:test";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startTestServer, type TestServer } from "../testing/server.ts";

const fn = (name: string, extra = "") => `
[[functions]]
name = "${name}"
path = "./${name}.ts"
routes = ["GET /${name}"]
${extra}`;

/** Why a server with these files does not start. */
async function refusal(files: Readonly<Record<string, string>>, config = fn("f")): Promise<string> {
  const started = await startTestServer({ config, files }).then(
    async (server) => {
      await server[Symbol.asyncDispose]();
      return undefined;
    },
    (error: unknown) => String(error instanceof Error ? error.message : error),
  );
  if (started === undefined) throw new Error("Cannot test the refusal: the server started");
  return started;
}

const text = async (server: TestServer, path: string) => (await fetch(server.url + path)).text();

test("relative files, JSON and text, npm packages and their own imports are bundled", async () => {
  await using server = await startTestServer({
    config: fn("f"),
    files: {
      "f.ts": `import { left } from "left"; import data from "./lib/data.json"; import note from "./lib/note.txt" with { type: "text" };
        import { upper } from "./lib/upper.ts"; import { readFileSync } from "node:fs"; import cjs from "cjs";
        export default () => Response.json([left("x"), data.n, note.trim(), upper("up"), typeof readFileSync, cjs.name]);`,
      "lib/data.json": `{"n": 7}`,
      "lib/note.txt": "a note\n",
      "lib/upper.ts": "export const upper = (text: string): string => text.toUpperCase();",
      "node_modules/left/package.json": `{"name": "left", "version": "1.0.0", "type": "module", "exports": "./main.js"}`,
      "node_modules/left/main.js": `import { pad } from "pad"; export const left = (text) => pad + text;`,
      "node_modules/pad/package.json": `{"name": "pad", "version": "1.0.0", "main": "index.js"}`,
      "node_modules/pad/index.js": `exports.pad = "<";`,
      "node_modules/cjs/package.json": `{"name": "cjs", "version": "1.0.0"}`,
      "node_modules/cjs/index.js": `module.exports = { name: "common" };`,
    },
  });
  expect(JSON.parse(await text(server, "/f"))).toEqual(["<x", 7, "a note", "UP", "function", "common"]);
});

test("a package that is linked from the project itself is bundled", async () => {
  const server = await startTestServer();
  await using _ = server;
  const at = (path: string) => join(server.directory, path);
  mkdirSync(at("packages/linked"), { recursive: true });
  mkdirSync(at("node_modules"), { recursive: true });
  writeFileSync(at("packages/linked/package.json"), `{"name": "linked", "main": "main.ts"}`);
  writeFileSync(at("packages/linked/main.ts"), `export const from: string = "linked";`);
  writeFileSync(at("package.json"), `{"name": "project"}`);
  writeFileSync(at("f.ts"), `import { from } from "linked"; export default () => new Response(from);`);
  symlinkSync("../packages/linked", at("node_modules/linked"));
  await server.reload(fn("f"));
  expect(await text(server, "/f")).toBe("linked");
});

test("a function is given its variables, its name and version, its parameters and deadline", async () => {
  await using server = await startTestServer({
    config: fn("f", `env = { GREETING = "hi" }`),
    files: {
      "f.ts": `export default { fetch(request, env, ctx) {
        return Response.json({ env, process: process.env, deno: Deno.env.get("GREETING"), fn: ctx.function, left: ctx.deadline - Date.now() });
      } };`,
    },
  });
  const seen = JSON.parse(await text(server, "/f"));
  expect(seen).toMatchObject({
    env: { GREETING: "hi" },
    process: { GREETING: "hi" },
    deno: "hi",
    fn: { name: "f", version: expect.stringMatching(/^sha256-/) },
  });
  expect(seen.left).toBeGreaterThan(5000);
  expect(seen.left).toBeLessThanOrEqual(10_000);
});

test("the function's limits and its caller's plan both hold", async () => {
  const code = `export default async (request) => { await new Promise((resolve) => setTimeout(resolve, 3000)); return new Response(); };`;
  await using server = await startTestServer({
    config: `[plans.anonymous]\nrun = "any"\nwall_ms = 200\nbody_mb = 1\n${fn("f", "limits = { wall_ms = 60000, body_mb = 2 }").replace('"GET /f"', '"ANY /f"')}`,
    files: { "f.ts": code },
  });
  const late = await fetch(`${server.url}/f`);
  expect([late.status, await late.json()]).toMatchObject([
    504,
    { error: { code: "wall_limit", limit: { value: 200 } } },
  ]);
  const large = await fetch(`${server.url}/f`, { method: "POST", body: new Uint8Array(1024 * 1024 + 1) });
  expect([large.status, await large.json()]).toMatchObject([
    413,
    { error: { code: "body_too_large", limit: { value: 1024 * 1024 } } },
  ]);
  const chunks = new Blob([new Uint8Array(1024 * 1024 + 1)]).stream();
  const chunked = await fetch(`${server.url}/f`, { method: "POST", body: chunks });
  expect([chunked.status, await chunked.json()]).toMatchObject([413, { error: { code: "body_too_large" } }]);
});

test("the older form is served: a named export, one route, env", async () => {
  await using server = await startTestServer({
    config: `[[applications]]\nfile_path = "./old.ts"\nmethod = "GET"\nurl_path = "/old"\nfunction = "hello"\nenv = { "/env/backend" = "127.0.0.1:8181" }\n`,
    files: { "old.ts": `export const hello = (request, env) => new Response("old " + env["/env/backend"]);` },
  });
  expect(await text(server, "/old")).toBe("old 127.0.0.1:8181");
  expect((await fetch(`${server.url}/old`, { method: "POST" })).status).toBe(405);
});

test("a syntax error is one line with the function, the file and the place", async () => {
  const reason = await refusal({
    "f.ts": `import "./g.ts";\nexport default () => {};`,
    "g.ts": "const a = 1;\nconst = 2;\n",
  });
  expect(reason).toContain(`Cannot load function "f"`);
  expect(reason).toMatch(/g\.ts:2:\d+/);
  expect(reason).not.toContain("\n");
});

test("a syntax error in a file without imports is found at the start too", async () => {
  const reason = await refusal({ "f.ts": "export default () => {\n  const = 2;\n};" });
  expect(reason).toContain(`Cannot load function "f"`);
  expect(reason).toMatch(/f\.ts:2:\d+/);
});

test("an import that is not there is named, with who imports it", async () => {
  const reason = await refusal({
    "f.ts": `import "./lib/g.ts";\nexport default () => {};`,
    "lib/g.ts": `import "missing-package";`,
  });
  expect(reason).toContain("missing-package");
  expect(reason).toContain("lib/g.ts");
});

test.each([
  ["an absolute path", `import x from "/etc/passwd" with { type: "text" };`],
  ["a way up", `import x from "../../../../../../../../etc/passwd" with { type: "text" };`],
  ["a file URL", `import x from "file:///etc/passwd" with { type: "text" };`],
  ["a require", `const x = require("/etc/passwd");`],
  ["a dynamic import", `const x = await import("/etc/passwd", { with: { type: "text" } });`],
  ["the configuration", `import x from "./isopod.toml";`],
  ["the configuration as text", `import x from "./isopod.toml" with { type: "text" };`],
  ["a dot file", `import x from "./.env" with { type: "text" };`],
  ["a file in a dot folder", `import x from "./.git/config" with { type: "text" };`],
  ["a link out of the project", `import x from "./link.txt" with { type: "text" };`],
  ["a link to a dot file", `import x from "./plain.txt" with { type: "text" };`],
])("an import cannot read %s", async (_name, statement) => {
  await using server = await startTestServer();
  const at = (path: string) => join(server.directory, path);
  writeFileSync(at("f.ts"), `${statement}\nexport default () => new Response(JSON.stringify(x));`);
  mkdirSync(at(".git"));
  writeFileSync(at(".env"), "SECRET=1");
  writeFileSync(at(".git/config"), "SECRET=1");
  symlinkSync("/etc/passwd", at("link.txt"));
  symlinkSync(".env", at("plain.txt"));
  const reason = await server.reload(fn("f")).then(
    () => "it was loaded",
    (error: Error) => error.message,
  );
  expect(reason).toContain("Cannot resolve import");
});

test("a file that a secret is read from is not given to programs", async () => {
  const files = {
    "f.ts": `import x from "./token.txt" with { type: "text" }; export default () => new Response(x);`,
    "token.txt": "s3cret",
  };
  const reason = await refusal(
    files,
    `${fn("f")}\n[functions.bindings]\nT = { type = "secret", hosts = ["a.example"], value_file = "./token.txt" }`,
  );
  expect(reason).toContain("Cannot resolve import");
});

test("macros never run on the host", async () => {
  const marker = `/tmp/isopod-macro-${process.pid}`;
  const macro = `import { writeFileSync } from "node:fs"; export function evil() { writeFileSync("${marker}", "ran"); return 1; }`;
  const code = `import { evil } from "./macro.ts" with { type: "macro" };\nexport default () => new Response(String(evil()));`;
  const server = await startTestServer({ config: fn("f"), files: { "f.ts": code, "macro.ts": macro } }).catch(
    () => undefined,
  );
  await server?.run(`import { evil } from "./macro.ts" with { type: "macro" }; console.log(evil());`);
  await server?.[Symbol.asyncDispose]();
  const ran = await Bun.file(marker).exists();
  rmSync(marker, { force: true });
  expect(ran).toBe(false);
});
