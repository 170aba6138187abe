/** `isopod deploy` of programs: their files with modes and layers, what is refused, what makes no difference. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { isopod } from "../../testing/command_line.ts";
import { ask } from "../../testing/control_client.ts";
import { ProjectFolder } from "../../testing/project_folder.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";
import { zipOf } from "../../testing/zip_maker.ts";

let server: TestServer;
let env: Record<string, string>;

beforeAll(async () => {
  server = await startTestServer();
  env = { ISOPOD_URL: server.adminUrl, ISOPOD_DATA: join(server.directory, "data") };
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

/** Says what it finds: what can be executed, what is in its layers, what it is called with. */
const TELLS = `#!/bin/sh
while read -r event; do
  modes=$(for file in tool data.txt; do if [ -x "$file" ]; then printf 'x'; else printf '-'; fi; done)
  printf '{"modes":"%s","opt":"%s","which":"%s","handler":"%s","event":%s}\\n' \\
    "$modes" "$(ls /opt | tr '\\n' ' ')" "$(cat /opt/which 2>&1)" "$_HANDLER" "$event"
done
`;

const CONFIG = `[[functions]]
name = "tells"
path = "./program"
command = "./tell"
dialect = "stdio"
event = "json"
handler = "any.thing"
layers = ["./one", "./two.zip"]
routes = ["POST /tells"]
`;

function project(): ProjectFolder {
  const folder = new ProjectFolder({
    "isopod.toml": CONFIG,
    "program/tell": TELLS,
    "program/tool": "#!/bin/sh\n",
    "program/data.txt": "data",
    "program/.hidden": "no",
    "one/which": "one",
    "one/first": "1",
  });
  for (const file of ["tell", "tool"]) chmodSync(join(folder.path, "program", file), 0o755);
  folder.write("two.zip", zipOf({ which: "two", second: "2" }));
  return folder;
}

async function deploy(folder: string, ...args: string[]) {
  const { code, stdout, stderr } = await isopod(["deploy", folder, "--json", ...args], { env });
  return { code, stderr, answer: stdout === "" ? undefined : JSON.parse(stdout) };
}

const told = async (event: unknown) =>
  (await fetch(`${server.url}/tells`, { method: "POST", body: JSON.stringify(event) })).json();

test("modes, layers, command, handler and the form of events come along, and the same again is unchanged", async () => {
  using folder = project();
  const first = await deploy(folder.path);
  expect({ code: first.code, stderr: first.stderr }).toEqual({ code: 0, stderr: "" });
  expect(first.answer.functions[0]).toMatchObject({ change: "new" });
  expect(await told({ a: 1 })).toEqual({
    ...{ modes: "x-", opt: "first second which ", which: "two", handler: "any.thing", event: { a: 1 } },
  });

  const again = await deploy(folder.path);
  expect(again.answer).toMatchObject({ uploaded: { blobs: 0, bytes: 0 } });
  expect(again.answer.functions[0]).toMatchObject({ change: "unchanged", details: [], unchanged: true });

  chmodSync(join(folder.path, "program", "data.txt"), 0o755);
  const mode = await deploy(folder.path);
  expect(mode.answer).toMatchObject({ uploaded: { blobs: 0 }, functions: [{ details: ["~ code"] }] });
  expect(await told({})).toMatchObject({ modes: "xx" });

  folder.write(
    "isopod.toml",
    CONFIG.replace("any.thing", "else").replace('"./one", "./two.zip"', '"./two.zip", "./one"'),
  );
  const settings = await deploy(folder.path);
  expect(settings.answer.functions[0].details).toEqual(["~ code", "~ how the program is started"]);
  expect(await told({})).toMatchObject({ which: "one", handler: "else" });

  // What is changed by another way keeps modes, layers and how it is started.
  const changed = await ask(server, "PATCH", "/v1/projects/default/functions/tells/settings", { env: { A: "1" } });
  expect(changed.status).toBe(200);
  expect(await told({})).toMatchObject({ modes: "xx", which: "one", handler: "else" });
  expect((await isopod(["rollback", "tells"], { env })).code).toBe(0);
});

describe("what is refused before anything changes", () => {
  const refused: readonly (readonly [string, (folder: ProjectFolder) => void, string])[] = [
    [
      "a symbolic link, by its name",
      (folder) => symlinkSync("tool", join(folder.path, "program", "link")),
      "holds the symbolic link link (to tool)",
    ],
    [
      "a root of its own",
      (folder) => folder.write("isopod.toml", `${CONFIG}root = "./one"\n`),
      "a root of its own is for functions of a server's configuration",
    ],
    [
      "more than one invocation at a time in lines",
      (folder) => folder.write("isopod.toml", `${CONFIG}limits = { concurrency = 2 }\n`),
      'expected 1: a program takes more by the dialect "http" alone',
    ],
  ];
  test.each(refused)("%s", async (_what, change, message) => {
    using folder = project();
    change(folder);
    const { code, stderr } = await deploy(folder.path);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  test("a program that does not start, in its own words", async () => {
    using folder = new ProjectFolder({
      "isopod.toml": '[[functions]]\nname = "dies"\npath = "./dies"\n',
      "dies/bootstrap": "#!/bin/sh\nexit 3\n",
    });
    chmodSync(join(folder.path, "dies/bootstrap"), 0o755);
    const { code, stderr } = await deploy(folder.path);
    expect(code).not.toBe(0);
    expect(stderr).toContain('Cannot deploy "dies"');
    expect(stderr).toContain("exit code 3");
  });
});

test("a module of WebAssembly is sent as it is", async () => {
  using folder = new ProjectFolder({
    "isopod.toml":
      '[[functions]]\nname = "module"\npath = "./hello.wasm"\nexport = "hello"\nroutes = ["GET /module"]\n',
  });
  const module = join(import.meta.dir, "../../../examples/wasm/hello.wasm");
  folder.write("hello.wasm", new Uint8Array(await Bun.file(module).arrayBuffer()));
  expect(await deploy(folder.path)).toMatchObject({ code: 0, stderr: "" });
  expect((await fetch(`${server.url}/module`)).status).toBe(200);
});

test("keys of a plan without native code may deploy everything else", async () => {
  expect((await ask(server, "PUT", "/v1/plans/plain", { native: false })).status).toBe(204);
  const { body } = await ask(server, "POST", "/v1/projects/default/keys", { scopes: ["deploy"], plan: "plain" });
  const token = (body as unknown as { key: string }).key;
  const withKey = (folder: string) => isopod(["deploy", folder], { env: { ...env, ISOPOD_TOKEN: token } });
  using native = project();
  native.write("isopod.toml", CONFIG.replaceAll("tells", "refused"));
  const { code, stderr } = await withKey(native.path);
  expect(code).not.toBe(0);
  expect(stderr).toContain('the key\'s plan "plain" has native = false');
  using script = new ProjectFolder({
    "isopod.toml": '[[functions]]\nname = "script"\npath = "./main.ts"\n',
    "main.ts": "export default () => new Response('x');",
  });
  expect((await withKey(script.path)).code).toBe(0);
});
