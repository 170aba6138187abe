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
};

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
  server = await startTestServer({ config: tables.join("") });
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

const missing = whyNoClang();

test.skipIf(missing !== undefined)(`the modules are made of their sources${missing ? `; ${missing}` : ""}`, () => {
  for (const area of AREAS) {
    const made = compileC(join(SUITE, `${area}.c`), ["--export=_start"]);
    expect([area, readFileSync(join(SUITE, `${area}.wasm`)).equals(made)]).toEqual([area, true]);
  }
});
