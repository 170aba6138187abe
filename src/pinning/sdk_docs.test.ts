/** docs/sdk.md says what is so: its files are served, built and run, its outputs and answers are those of its comments. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { startTestServer, type TestServer } from "../testing/server.ts";

const ROOT = join(import.meta.dir, "..", "..");

interface Block {
  readonly language: string;
  /** Of its first line; empty when it names none. */
  readonly file: string;
  readonly text: string;
}

let server: TestServer;
let blocks: Block[] = [];

beforeAll(async () => {
  const page = await Bun.file(join(ROOT, "docs", "sdk.md")).text();
  blocks = [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language = "", text = ""]) => {
    return { language, text, file: /^(?:\/\/|#) (\S+\.\w+)\n/.exec(text)?.[1] ?? "" };
  });
  server = await startTestServer();
  await installSdk(join(server.directory, "node_modules", "isopod"));
  symlinkSync(join(ROOT, "node_modules", "esbuild"), join(server.directory, "node_modules", "esbuild"));
  for (const { file, text } of blocks) if (file !== "" && file !== "isopod.toml") write(file, text);
});
afterAll(() => server[Symbol.asyncDispose]());

/** The SDK and its plug-in as they are published, but for the parser, which is inside here. */
async function installSdk(folder: string): Promise<void> {
  const entrypoints = ["src/sdk/main.ts", "src/pinning/esbuild_plugin.ts"].map((file) => join(ROOT, file));
  await Bun.build({ entrypoints, outdir: folder, target: "node", naming: "[name].[ext]" });
  const exports = { ".": "./main.js", "./esbuild": "./esbuild_plugin.js" };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "isopod", type: "module", exports }));
  writeFileSync(join(folder, "..", "..", "package.json"), '{"type": "module"}');
}

function block(file: string): Block {
  const found = blocks.find((each) => each.file === file);
  if (found === undefined) throw new Error(`Cannot test docs/sdk.md: it has no ${file}`);
  return found;
}

function write(file: string, text: string): void {
  const path = join(server.directory, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text.replaceAll("http://127.0.0.1:8080", server.url));
}

/** Runs a file in the project's folder; gives what it prints, word by word. */
async function run(file: string, env: Readonly<Record<string, string>> = {}): Promise<string[]> {
  const child = Bun.spawn([process.execPath, file], {
    cwd: server.directory,
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout.split(/\s+/).filter(Boolean);
}

test("the application answers as its comments say", async () => {
  await server.reload(block("isopod.toml").text);
  const calls = blocks.flatMap(({ text }) => [...text.matchAll(/^curl localhost:8080(\S+) +# (.*)$/gm)]);
  expect(calls).toHaveLength(2);
  for (const [, path = "", answer = ""] of calls) expect(await (await fetch(server.url + path)).text()).toBe(answer);
});

test("the functions print what their comments say", async () => {
  const [client] = blocks.filter(({ language, file }) => language === "ts" && file === "");
  const comments = [...(client?.text ?? "").matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text = ""]) => text);
  expect(comments).toHaveLength(4);
  write("client.ts", client?.text ?? "");
  expect(await run("client.ts")).toEqual(comments.join(" ").split(" "));
});

test("the build pins what the application sends, which then runs where nothing else does", async () => {
  await server.reload('[plans.anonymous]\nrun = "pinned"\n');
  await run("build.ts", { ISOPOD_URL: server.adminUrl, ISOPOD_TOKEN: server.token });
  expect(await run("out/app.js")).toEqual(["Hello,", "Ada"]);
});
