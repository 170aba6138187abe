/** `isopod deploy` of modules of WebAssembly, with the files and settings of commands, and of components. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isopod } from "../../testing/command_line.ts";
import { ask } from "../../testing/control_client.ts";
import { ProjectFolder } from "../../testing/project_folder.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

const ROOT = join(import.meta.dir, "../../..");
const suite = (area: string) => readFileSync(join(ROOT, `src/engines/wasm/wasi_suite/${area}.wasm`));
const example = (path: string) => readFileSync(join(ROOT, "examples/wasm", path));

let server: TestServer;
let env: Record<string, string>;
beforeAll(async () => {
  server = await startTestServer();
  env = { ISOPOD_URL: server.adminUrl, ISOPOD_DATA: join(server.directory, "data") };
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

async function deploy(folder: ProjectFolder) {
  const { code, stdout, stderr } = await isopod(["deploy", folder.path, "--json"], { env });
  return { code, stderr, answer: stdout === "" ? undefined : JSON.parse(stdout) };
}
const text = async (path: string) => (await fetch(server.url + path)).text();
const wrong = (answer: string) =>
  answer
    .trimEnd()
    .split("\n")
    .filter((line) => !line.startsWith("ok "));

test("a command has the files of its folder, its arguments and its directories", async () => {
  const table = (name: string, lines: string) =>
    `[[functions]]\nname = "${name}"\nroutes = ["GET /${name}"]\n${lines}\n`;
  using folder = new ProjectFolder({
    "isopod.toml": [
      table("folder", 'path = "app"'),
      table("process", 'path = "./process.wasm"\nfiles = "app"\nargs = ["one", "zwei ü"]'),
      table("fill", 'path = "./fill.js"\nbindings = { FILES = { type = "blob", name = "files" } }'),
      table(
        "buckets",
        'path = "./buckets.wasm"\nbindings = { FILES = { type = "blob", name = "files" } }\ndirectories = { "/models" = "FILES/models" }',
      ),
    ].join(""),
    ...{ "app/hello.txt": "hello\n", "app/deep/er/f": "x", "app/deep/link": "a file", "app/.secret": "hidden" },
    "fill.js": `export default async (_, { FILES }) => {
      for (const [key, value] of [["models/hello.txt", "hello\\n"], ["models/deep/er/b", "b"], ["models/empty/", ""]])
        await FILES.put(key, value);
      return new Response("filled");
    };`,
  });
  folder.write("app/main.wasm", suite("read_only"));
  folder.write("process.wasm", suite("process"));
  folder.write("buckets.wasm", suite("buckets"));
  const first = await deploy(folder);
  expect([first.code, first.stderr]).toEqual([0, ""]);
  expect(wrong(await text("/folder"))).toEqual([]);
  expect(await text("/process")).not.toContain("not ok args_get");
  expect(await text("/fill")).toBe("filled");
  expect(wrong(await text("/buckets"))).toEqual([]);
  const { body } = await ask(server, "GET", "/v1/projects/default/functions/folder/versions/production");
  const files = (body as unknown as { files: { path: string }[] }).files.map(({ path }) => path);
  expect(files.sort()).toEqual(["deep/er/f", "deep/link", "hello.txt", "main.wasm"]);

  const again = await deploy(folder);
  expect(again.answer.functions.map(({ change }: { change: string }) => change)).toEqual(Array(4).fill("unchanged"));
  const toml = readFileSync(join(folder.path, "isopod.toml"), "utf8");
  folder.write("isopod.toml", toml.replace('"zwei ü"', '"drei"'));
  folder.write("app/hello.txt", "another");
  const changed = await deploy(folder);
  expect(changed.answer.functions.map(({ details }: { details: string[] }) => details)).toEqual([
    ["~ code"],
    ["~ code", "~ what the module is given"],
    [],
    [],
  ]);
  expect(await text("/process")).toContain("not ok");
  expect(wrong(await text("/folder")).length).toBeGreaterThan(0);
});

test("a module by its export, and a component", async () => {
  using folder = new ProjectFolder({
    "isopod.toml": `[[functions]]
name = "module"
path = "./hello.wasm"
export = "greet"
routes = ["GET /module"]
[[functions]]
name = "component"
path = "./component.wasm"
routes = ["GET /component"]
`,
  });
  folder.write("hello.wasm", example("hello.wasm"));
  folder.write("component.wasm", example("components/hello.wasm"));
  expect(await deploy(folder)).toMatchObject({ code: 0, stderr: "" });
  expect([(await fetch(`${server.url}/module`)).status, await text("/component")]).toEqual([200, "hello world"]);
});

test("what cannot be sent is said", async () => {
  using folder = new ProjectFolder({
    "isopod.toml": '[[functions]]\nname = "f"\npath = "./a.wasm"\ndirectories = { "/m" = "NONE" }\n',
  });
  folder.write("a.wasm", suite("paths"));
  const { code, stderr } = await deploy(folder);
  expect([code, stderr]).toEqual([2, expect.stringContaining('"/m" is to be filled from "NONE"')]);
});
