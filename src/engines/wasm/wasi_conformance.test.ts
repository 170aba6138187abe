/**
 * WASI preview 1, call by call: the programs of `wasi_suite/`, each run as a command, each of whose checks is a line of
 * its answer. They are ours, in C without a C library; what they expect is what the specification and POSIX say.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { compileC, whyNoClang } from "../../testing/compile_c.ts";
import { ProjectFolder } from "../../testing/project_folder.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

const SUITE = join(import.meta.dir, "wasi_suite");
const AREAS = readdirSync(SUITE).flatMap((file) => (file.endsWith(".c") ? [file.slice(0, -2)] : []));
/** What an area needs beside the files. */
const SETTINGS: Readonly<Record<string, string>> = {
  process: 'args = ["one", "zwei ü"]\nenv = { COLOR = "grün", EMPTY = "" }',
  limits: "tmp_mb = 1",
  buckets: 'bindings = { FILES = { type = "blob", name = "files" } }\ndirectories = { "/models" = "FILES/models" }',
};

/** Fills the bucket, and changes it later on. */
const FILL = `export default async (request, { FILES }) => {
  const text = new URL(request.url).searchParams.get("text") ?? "hello\\n";
  for (const [key, value] of Object.entries({
    "models/hello.txt": text, "models/deep/er/b": "b", "models/empty/": "", "outside": "no",
    "models/../up": "no", "models//twice": "no", "models/./here": "no",
  })) await FILES.put(key, value);
  return new Response("filled");
};`;

let folder: ProjectFolder;
let server: TestServer;
beforeAll(async () => {
  folder = new ProjectFolder({ "hello.txt": "hello\n", "deep/er/file.txt": "deep", ".hidden": "no" });
  symlinkSync("er/file.txt", join(folder.path, "deep/link"));
  const tables = AREAS.map((area) => {
    const path = JSON.stringify(join(SUITE, `${area}.wasm`));
    const files = JSON.stringify(folder.path);
    return `[[functions]]\nname = "${area.replace("_", "-")}"\npath = ${path}\nfiles = ${files}\nroutes = ["ANY /${area}"]\n${SETTINGS[area] ?? ""}\n`;
  });
  const fill = `[[functions]]
name = "fill"
path = "./fill.js"
routes = ["ANY /fill"]
bindings = { FILES = { type = "blob", name = "files" } }
`;
  server = await startTestServer({ config: tables.join("") + fill, files: { "fill.js": FILL } });
  expect(await (await fetch(`${server.url}/fill`)).text()).toBe("filled");
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

test.each(AREAS)("%s: every check passes, each time", async (area) => {
  const init = area === "streams" ? { method: "POST", body: "hello" } : {};
  // Twice: what one invocation leaves behind is not there for the next one.
  for (let count = 0; count < 2; count += 1) {
    const got = await fetch(`${server.url}/${area}`, init);
    const lines = (await got.text()).trimEnd().split("\n");
    expect(lines.filter((line) => !line.startsWith("ok "))).toEqual([]);
    const said = readFileSync(join(SUITE, `${area}.c`), "utf8").match(/^\s*is\(/gm)?.length ?? 0;
    expect([got.status, lines.length >= said]).toEqual([200, true]);
  }
});

test("an object that is written anew is another file for the invocations behind it", async () => {
  const ask = async () => (await fetch(`${server.url}/buckets`)).text();
  expect(await ask()).not.toContain("not ok");
  await fetch(`${server.url}/fill?text=another`);
  // A listing is a second old at the most.
  while (!(await ask()).includes("not ok its size: 7 and not 6"))
    await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await ask()).toContain("not ok fd_read");
  await fetch(`${server.url}/fill`);
  while ((await ask()).includes("not ok")) await new Promise((resolve) => setTimeout(resolve, 20));
});

const missing = whyNoClang();

test.skipIf(missing !== undefined)(`the modules are made of their sources${missing ? `; ${missing}` : ""}`, () => {
  for (const area of AREAS) {
    const made = compileC(join(SUITE, `${area}.c`), ["--export=_start"]);
    expect([area, readFileSync(join(SUITE, `${area}.wasm`)).equals(made)]).toEqual([area, true]);
  }
});
