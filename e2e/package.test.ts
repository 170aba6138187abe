/** The published package: packed by npm, installed in an empty folder, started there, and imported by every platform. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import {
  ANY_PORTS,
  type LaunchedServer,
  launchServer,
  runCommand,
  type TemporaryFolder,
  temporaryFolder,
} from "./launched_server.ts";

const ROOT = join(import.meta.dir, "..");
const MINUTE_MS = 60_000;
const CPU = process.arch === "arm64" ? "arm64" : "x64";
/** The peer of the benchmarks, where they were run. */
const DENO = join(ROOT, "bench", "node_modules", "@deno", `linux-${CPU}-glibc`, "deno");
const denoMissing = existsSync(DENO) ? undefined : "npm run bench has not installed Deno";
const CALLER = "caller.mjs";
/** Where the caller's function makes the error that it throws, as the guest's engine counts: at the name. */
const THROWN_AT = `${CALLER}:${await placeOf("RangeError(")}`;

let folder: TemporaryFolder;
let server: LaunchedServer;

beforeAll(async () => {
  using packed = temporaryFolder();
  folder = temporaryFolder();
  const report = JSON.parse(runCommand(["npm", "pack", "--json", "--pack-destination", packed.path], ROOT));
  const [{ filename, files }] = Object.values<{ filename: string; files: { path: string }[] }>(report) as [
    { filename: string; files: { path: string }[] },
  ];
  expect(files.filter(({ path }) => /\.test\.|^src\/testing\/|^e2e\/|^bench\//.test(path))).toEqual([]);
  await Bun.write(join(folder.path, "package.json"), '{"type": "module"}');
  runCommand(
    ["npm", "install", "--prefer-offline", "--no-audit", "--no-fund", join(packed.path, filename)],
    folder.path,
  );
  copyFileSync(join(import.meta.dir, "sdk_caller.mjs"), join(folder.path, CALLER));
  const command = ["npx", "--no-install", "isopod", "serve", ...ANY_PORTS, "--data", join(folder.path, "data")];
  server = await launchServer(command, { cwd: folder.path });
}, MINUTE_MS);

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  folder?.[Symbol.dispose]();
});

async function placeOf(text: string): Promise<string> {
  const lines = (await Bun.file(join(import.meta.dir, "sdk_caller.mjs")).text()).split("\n");
  const line = lines.findIndex((each) => each.includes(text));
  return `${line + 1}:${(lines[line]?.indexOf(text) ?? 0) + 1}`;
}

/** Runs the caller by a platform's command, and checks all that it has seen but the stack, which it gives. */
function callerStack(command: readonly string[]): string {
  const output = runCommand([...command, CALLER], folder.path, { ISOPOD_RUN_URL: server.url });
  const { error, ...seen } = JSON.parse(output);
  expect(seen).toEqual({
    greet: { name: "Ada L" },
    echo: [1_000_000, "caller"],
    cookies: ["a=1", "b=2"],
    head: 200,
    closed: true,
    sum: 6,
    values: [0, 1, 2],
  });
  const { stack, ...said } = error;
  expect(said).toEqual({
    name: "IsopodRunError",
    code: "uncaught_exception",
    message: "RangeError: thrown there",
  });
  return stack;
}

test(
  "npx isopod serves and runs programs where it was installed",
  async () => {
    const { version } = await Bun.file(join(ROOT, "package.json")).json();
    expect(runCommand(["npx", "--no-install", "isopod", "--version"], folder.path)).toBe(`${version}\n`);
    await Bun.write(join(folder.path, "hello.ts"), 'const who: string = "Ada"; console.log("hello", who);');
    const env = { ISOPOD_RUN_URL: server.url };
    expect(runCommand(["npx", "--no-install", "isopod", "run", "hello.ts"], folder.path, env)).toBe("hello Ada\n");
  },
  MINUTE_MS,
);

test("Node imports the SDK, and errors stand in its own files", () => {
  expect(callerStack(["node"])).toContain(`${folder.path}/${THROWN_AT}`);
});

test.skipIf(denoMissing !== undefined)(
  `Deno imports the SDK, and errors stand in its own files${denoMissing ? ` (skipped: ${denoMissing})` : ""}`,
  () => {
    const deno = [DENO, "run", "--allow-all", "--node-modules-dir=manual", "--no-lock", "--quiet"];
    expect(callerStack(deno)).toContain(`${folder.path}/${THROWN_AT}`);
  },
);

test("Bun imports the SDK; it transpiles what it runs, so errors stand in the function and where it was sent", () => {
  expect(callerStack([process.execPath])).toMatch(/line 2, column \d+ of the function, sent from \S+\/caller\.mjs:\d+/);
});

test("the SDK is one file that imports nothing, for browsers too", async () => {
  const sdk = join(folder.path, "node_modules", "isopod", "dist", "sdk", "main.js");
  const text = await Bun.file(sdk).text();
  expect(new Bun.Transpiler({ loader: "js" }).scan(text).imports).toEqual([]);
});

test(
  "the declarations hold without Bun's types, and infer parameters, arguments and results",
  async () => {
    const typed = `
      import { Application, connect } from "isopod";
      import { pinFunctions } from "isopod/esbuild";
      import { pinFunctions as vite } from "isopod/vite";
      export const plugins: { name: string }[] = [pinFunctions({ register: false }), vite()];
      const app = new Application<{ GREETING: string }>();
      app.router.get("/greet/:name/:title?", ({ routeParameters, env }) => {
        const name: string = routeParameters.name;
        const title: string | undefined = routeParameters.title;
        // @ts-expect-error: the route has no such parameter
        routeParameters.other;
        return new Response(env.GREETING + name + title);
      });
      const server = connect("http://localhost");
      export const sum: number = await server.run(({ args }) => args.a + 1, { a: 1 });
      export const values: AsyncIterable<number> = await server.run(async function* () { yield 1; });
      export const response: Response = await server.run(async () => new Response());
      // @ts-expect-error: the arguments have no such member
      server.run(({ args }) => args.b, { a: 1 });
    `;
    await Bun.write(join(folder.path, "typed.ts"), typed);
    const flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "esnext", "--lib", "esnext,dom"];
    const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    expect(runCommand(["node", tsc, ...flags, "--types", "", "typed.ts"], folder.path)).toBe("");
  },
  MINUTE_MS,
);

test(
  "a Worker that was written with Cloudflare's types compiles with `isopod/globals` as it stands",
  async () => {
    const worker = `/// <reference types="isopod/globals" />
      interface Env { KV: KVNamespace; DB: D1Database; FILES: R2Bucket; JOBS: Queue<{ id: number }>; API: Fetcher; TOKEN: string }
      interface Comment { id: number; author: string }
      export default {
        async fetch(request, env, ctx): Promise<Response> {
          const hit = await caches.default.match(request);
          if (hit) return hit;
          const user = await env.KV.get<{ name: string }>("user", { type: "json" });
          await env.KV.put("seen", "1", { expirationTtl: 60 });
          const listing = await env.KV.list({ prefix: "user:" });
          const next: string | undefined = listing.list_complete ? undefined : listing.cursor;
          const { results } = await env.DB.prepare("SELECT * FROM comments WHERE id = ?").bind(1).all<Comment>();
          const author: string | undefined = results[0]?.author;
          const object = await env.FILES.get("a", { range: request.headers, onlyIf: request.headers });
          if (object === null) return new Response("Object Not Found", { status: 404 });
          const headers = new Headers();
          object.writeHttpMetadata(headers);
          headers.set("etag", object.httpEtag);
          await env.JOBS.send({ id: 1 });
          // @ts-expect-error: not such a message
          await env.JOBS.send({ id: "1" });
          const response = new Response("body" in object ? object.body : undefined, { headers });
          ctx.waitUntil(caches.default.put(request, response.clone()));
          return user === null ? env.API.fetch(request) : Response.json([user.name, next, author, env.TOKEN]);
        },
        async queue(batch, env): Promise<void> {
          for (const message of batch.messages) {
            if (message.attempts > 3) message.retry({ delaySeconds: 60 });
            else await env.KV.put(String(message.body.id), message.timestamp.toISOString());
          }
        },
        async scheduled(controller, env, ctx) {
          ctx.waitUntil(env.KV.delete(String(controller.scheduledTime)));
        },
      } satisfies ExportedHandler<Env, { id: number }>;
    `;
    await Bun.write(join(folder.path, "worker.ts"), worker);
    const flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "esnext"];
    const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    const compile = (library: string) =>
      runCommand(["node", tsc, ...flags, "--lib", library, "--types", "", "worker.ts"], folder.path);
    expect(compile("esnext,dom")).toBe("");
    expect(compile("esnext,webworker")).toBe("");
  },
  MINUTE_MS,
);
