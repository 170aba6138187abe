/** `isopod deploy`: what is compared, uploaded and served, and what is refused with its place in the source. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { isopod } from "../../testing/command_line.ts";
import { ask } from "../../testing/control_client.ts";
import { ProjectFolder } from "../../testing/project_folder.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

let server: TestServer;
let env: Record<string, string>;

beforeAll(async () => {
  server = await startTestServer();
  env = { ISOPOD_URL: server.adminUrl, ISOPOD_DATA: join(server.directory, "data") };
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

/** A project of one function `name`, which imports a file and a package. */
function project(name: string, more = ""): ProjectFolder {
  return new ProjectFolder({
    "isopod.toml": tomlOf(name, more),
    "src/main.ts": `import { greeting } from "./greeting.ts";
import { shout } from "shouting";
export default { fetch: (_: Request, env: { WHO: string }) => new Response(shout(greeting(env.WHO))) };`,
    "src/greeting.ts": 'export const greeting = (who: string): string => "hello " + who;\n',
    "node_modules/shouting/package.json": '{ "name": "shouting", "version": "1.0.0", "main": "main.js" }',
    "node_modules/shouting/main.js": "exports.shout = (text) => text.toUpperCase();",
  });
}

function tomlOf(name: string, more = ""): string {
  return `[[functions]]\nname = "${name}"\npath = "./src/main.ts"\nroutes = ["GET /${name}"]\nenv = { WHO = "you" }\n${more}`;
}

async function deploy(folder: string, ...args: string[]) {
  const { code, stdout, stderr } = await isopod(["deploy", folder, "--json", ...args], { env });
  return { code, stderr, answer: stdout === "" ? undefined : JSON.parse(stdout) };
}

const text = async (path: string) => (await fetch(`${server.url}${path}`)).text();

test("a deploy serves when the command ends, the same again changes and uploads nothing", async () => {
  using folder = project("first");
  const { code, stdout, stderr } = await isopod(["deploy", folder.path], { env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("+ first  new");
  expect(stdout).toContain("+ route GET /first");
  expect(stdout).toContain("+ env WHO");
  expect(stdout).toContain(`GET ${server.url}/first`);
  expect(stdout).not.toContain("\u001b");
  expect(await text("/first")).toBe("HELLO YOU");
  const preview = /preview (http\S+)/.exec(stdout)?.[1] ?? "";
  const { hostname, port } = new URL(preview);
  const seen = await fetch(`http://127.0.0.1:${port}/`, { headers: { host: hostname } });
  expect(await seen.text()).toBe("HELLO YOU");

  const again = await deploy(folder.path);
  expect(again.answer).toMatchObject({ dry_run: false, uploaded: { blobs: 0, bytes: 0 } });
  expect(again.answer.functions[0]).toMatchObject({ change: "unchanged", details: [], unchanged: true });
  const versions = await ask(server, "GET", "/v1/projects/default/functions/first/versions");
  expect(versions.body.items).toHaveLength(1);
});

test("the same sources give the same version from another folder", async () => {
  using one = project("twice");
  using other = project("twice");
  const first = await deploy(one.path);
  const second = await deploy(other.path);
  expect(second.answer.functions[0]).toMatchObject({ unchanged: true, version: first.answer.functions[0].version });
});

test("what changes is told, and only what the server lacks is uploaded", async () => {
  using folder = project("changing");
  await deploy(folder.path);
  folder.write(
    "isopod.toml",
    '[[functions]]\nname = "changing"\npath = "./src/main.ts"\nroutes = ["GET /changed"]\nenv = { WHO = "all" }\nlimits = { wall_ms = 900 }\n',
  );
  const dry = await deploy(folder.path, "--dry-run");
  const details = ["+ route GET /changed", "- route GET /changing", "~ env WHO", "+ limit wallMs"];
  expect(dry.answer).toMatchObject({ dry_run: true, functions: [{ change: "changed", details }] });
  expect(await text("/changing")).toBe("HELLO YOU");
  const settings = await deploy(folder.path, "--message", "for all");
  expect(settings.answer.uploaded).toEqual({ blobs: 0, bytes: 0 });
  expect(settings.answer.functions[0]).toMatchObject({ change: "changed", details });
  expect(await text("/changed")).toBe("HELLO ALL");
  folder.write("src/greeting.ts", 'export const greeting = (who: string): string => "bye " + who;\n');
  const code = await deploy(folder.path);
  expect(code.answer.functions[0].details).toEqual(["~ code"]);
  expect(code.answer.uploaded.blobs).toBeGreaterThan(0);
  expect(await text("/changed")).toBe("BYE ALL");
});

test("a large bundle is uploaded in pieces, and a terminal sees how far it is", async () => {
  using folder = project("large");
  folder.write(
    "src/greeting.ts",
    `const text = "${"x".repeat(3_000_000)}";\nexport const greeting = (who: string) => who + text.length;\n`,
  );
  let shown = "";
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "..", "main.ts"), "deploy", folder.path, "--yes"], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    terminal: {
      cols: 80,
      rows: 24,
      data(_, bytes) {
        shown += new TextDecoder().decode(bytes);
      },
    },
  });
  const code = await child.exited;
  child.terminal?.close();
  expect({ code, shown }).toMatchObject({ code: 0 });
  const steps = [...shown.matchAll(/Uploading [\d.]+ \wB of 3\.0 MB/g)].length;
  expect(steps).toBeGreaterThan(5);
  expect(await text("/large")).toBe("YOU3000000");
});

test("a route moves from one function to another in one deploy", async () => {
  const file = (a: string, b: string) =>
    `[[functions]]\nname = "from"\npath = "./m.ts"\nroutes = [${a}]\n[[functions]]\nname = "till"\npath = "./m.ts"\nroutes = [${b}]\n`;
  using folder = new ProjectFolder({
    "isopod.toml": file("", '"GET /moving"'),
    "m.ts": "export default (request: Request, env: unknown, ctx: { function: string }) => ctx.function;",
  });
  expect((await deploy(folder.path)).code).toBe(0);
  folder.write("isopod.toml", file('"GET /moving"', ""));
  expect((await deploy(folder.path)).code).toBe(0);
  const { body } = await ask(server, "GET", "/v1/projects/default/functions/from");
  expect(body).toMatchObject({ routes: [{ route: "GET /moving" }] });
});

test("another alias leaves routes and production as they are", async () => {
  using folder = project("staged");
  await deploy(folder.path);
  folder.write("src/greeting.ts", 'export const greeting = (who: string): string => "next " + who;\n');
  const { answer } = await deploy(folder.path, "--alias", "next");
  expect(answer.functions[0]).toMatchObject({ change: "changed", details: ["+ alias"] });
  expect(await text("/staged")).toBe("HELLO YOU");
  const { hostname, port } = new URL(answer.functions[0].preview);
  const seen = await fetch(`http://127.0.0.1:${port}/`, { headers: { host: hostname } });
  expect(await seen.text()).toBe("NEXT YOU");
});

test("secrets are named and never sent", async () => {
  const binding = '[functions.bindings]\nTOKEN = { type = "secret", name = "stripe", value_env = "STRIPE" }\n';
  using folder = project("secretive", binding);
  const missing = await isopod(["deploy", folder.path], { env: { ...env, STRIPE: "from-this-shell" } });
  expect(missing.code).toBe(1);
  expect(missing.stderr).toContain('has no secret "stripe"');
  const set = await ask(server, "PUT", "/v1/projects/default/secrets/stripe", { value: "from-the-server" });
  expect(set.status).toBeLessThan(300);
  folder.write("src/main.ts", "export default (_: Request, env: { TOKEN: string }) => env.TOKEN;");
  const { code, stdout } = await isopod(["deploy", folder.path, "--json"], {
    env: { ...env, STRIPE: "from-this-shell" },
  });
  expect(code).toBe(0);
  expect(stdout).not.toContain("from-this-shell");
  expect(await text("/secretive")).toContain("from-the-server");
});

test("bindings are deployed with their function", async () => {
  const bindings = (mode: string) =>
    `[functions.bindings]\nKV = { type = "kv", name = "visits", mode = "${mode}" }\nDB = { type = "sql", name = "shop" }\n`;
  using folder = project("counting", bindings("read-write"));
  folder.write(
    "src/main.ts",
    `export default { async fetch(_: Request, env: { KV: any; DB: any }) {
      await env.KV.put("n", String(Number((await env.KV.get("n")) ?? 0) + 1));
      const row = await env.DB.prepare("SELECT 40 + ? AS sum").bind(2).first();
      return new Response((await env.KV.get("n")) + " " + row.sum);
    } };`,
  );
  const { stdout } = await isopod(["deploy", folder.path], { env });
  expect(stdout).toContain("    + binding KV (kv)\n    + binding DB (sql)\n");
  expect([await text("/counting"), await text("/counting")]).toEqual(["1 42", "2 42"]);
  expect((await deploy(folder.path)).answer.functions[0]).toMatchObject({ change: "unchanged", details: [] });
  folder.write("isopod.toml", tomlOf("counting", bindings("read")));
  expect((await deploy(folder.path)).answer.functions[0].details).toEqual(["~ binding KV"]);
  expect(await text("/counting")).toContain("the program may only read it");
});

test("static files, schedules and queues are deployed with their function, and what changed of them is said", async () => {
  const triggers = (cron: string) =>
    `[[schedules]]\nfunction = "site"\ncron = "${cron}"\n[[consumers]]\nqueue = "site-jobs"\nfunction = "site"\n`;
  const toml = (cron: string, more = "") =>
    tomlOf("site", `assets = "./public"\n${more}`).replace("GET /site", "GET /site/*") + triggers(cron);
  using folder = project("site");
  folder.write("isopod.toml", toml("0 6 * * *"));
  folder.write("public/page.html", "<p>page");
  folder.write("public/deep/style.css", "p {}");
  folder.write("public/.hidden", "not served");
  symlinkSync("/etc/passwd", join(folder.path, "public/link"));
  folder.write("src/main.ts", "export default { fetch: () => new Response('function'), scheduled() {}, queue() {} };");
  const { stdout, stderr } = await isopod(["deploy", folder.path], { env });
  expect(stderr).toBe("");
  expect(stdout).toContain("    + schedule default\n    + queue site-jobs\n    + static files\n");
  expect([await text("/site/page.html"), await text("/site/deep/style.css")]).toEqual(["<p>page", "p {}"]);
  expect([await text("/site/.hidden"), await text("/site/link")]).toEqual(["function", "function"]);
  const changes = async () => (await deploy(folder.path)).answer.functions[0].details;
  expect(await changes()).toEqual([]);
  folder.write("public/page.html", "<p>new");
  expect(await changes()).toEqual(["~ static files"]);
  expect(await text("/site/page.html")).toBe("<p>new");
  folder.write("isopod.toml", toml("0 7 * * *", 'not_found = "404"\n'));
  expect(await changes()).toEqual(["~ schedule default", "~ not_found 404"]);
  expect(await text("/site/link")).not.toContain("function");

  folder.write("public/large", "x".repeat(11 * 1024 * 1024));
  const large = await isopod(["deploy", folder.path], { env });
  expect(large.code).toBe(2);
  expect(large.stderr).toContain('Cannot deploy the static files of "site": large has 11');
});

test("a broken function is told with file, line, column and the lines around, and changes nothing", async () => {
  using folder = project("broken");
  await deploy(folder.path);
  const refusal = async (file: string, source: string) => {
    folder.write(file, source);
    const { code, stderr } = await isopod(["deploy", folder.path], { env });
    expect(code).toBe(1);
    return stderr;
  };
  const syntax = await refusal("src/greeting.ts", "\nexport const greeting = (;\n");
  expect(syntax).toMatch(/^isopod: Cannot bundle "broken": .* \(src\/greeting\.ts:2:26\)\n/);
  expect(syntax).toContain("> 2 | export const greeting = (;\n    |                          ^");
  const thrown = await refusal(
    "src/greeting.ts",
    'interface Gone {}\n\nthrow new Error("at the top");\nexport const greeting = (who: string) => who;\n',
  );
  expect(thrown).toContain('Cannot deploy "broken": Error: at the top (src/greeting.ts:3:');
  expect(thrown).toContain('> 3 | throw new Error("at the top");');
  const unresolved = await refusal("src/greeting.ts", 'export { greeting } from "not-installed";\n');
  expect(unresolved).toContain("(src/greeting.ts:1:");
  expect(unresolved).toContain('> 1 | export { greeting } from "not-installed";');
  expect(unresolved).toEndWith("\n  → npm install not-installed, or bun add, where it is imported\n");
  const noExport = await refusal("src/main.ts", "export const other = 1;\n");
  expect(noExport).toContain("export default is missing");
  expect(await text("/broken")).toBe("HELLO YOU");
});

test("mistakes of who types have their own exit code, and say the next step", async () => {
  using folder = project("mistaken");
  const end = async (...args: string[]) => {
    const { code, stderr } = await isopod(["deploy", ...args], { env });
    return `${code} ${stderr.replaceAll(folder.path, "DIR")}`;
  };
  expect(await end(join(folder.path, "nowhere"))).toBe(
    "2 isopod: Cannot find DIR/nowhere/isopod.toml: there is no such file\n  → isopod init DIR/nowhere writes one\n",
  );
  expect(await end(folder.path, "--only", "other")).toContain('2 isopod: Cannot find the function "other" in DIR');
  folder.write("isopod.toml", tomlOf("mistaken", "wrong = 1\n"));
  expect(await end(folder.path)).toContain("2 isopod: DIR/isopod.toml:6: Cannot read wrong");
  folder.write("isopod.toml", tomlOf("mis--taken"));
  expect(await end(folder.path)).toContain('function "mis--taken": expected a name of "a" to "z"');
  const secret = '[functions.bindings]\nTOKEN = { type = "secret", name = "MISSING" }\n';
  folder.write("isopod.toml", tomlOf("mistaken", secret));
  expect(await end(folder.path)).toContain(
    'no secret "MISSING", which TOKEN binds: `isopod secret set MISSING` makes it',
  );
  folder.write("isopod.toml", tomlOf("mistaken", '[[schedules]]\nfunction = "mistaken"\ncron = "0 6 * * 1-9"\n'));
  expect(await end(folder.path)).toContain('expected times such as "0 6 * * 1-5", not "0 6 * * 1-9": ');
  expect(await end(folder.path, "--nonsense")).toStartWith("2 isopod: unknown option '--nonsense'");
});

test("a route that another function has is a conflict", async () => {
  using one = project("owner");
  await deploy(one.path);
  using other = project("taker");
  other.write("isopod.toml", tomlOf("taker").replace("GET /taker", "GET /owner"));
  const { code, stderr } = await isopod(["deploy", other.path], { env });
  expect(code).toBe(6);
  expect(stderr).toContain("(route_taken)\n  → `isopod routes` says whose routes there are\n");
});
