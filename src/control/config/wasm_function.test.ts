/** The keys of functions of the `wasm` engine. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { parseRoute } from "../../core/route.ts";
import { ProjectFolder } from "../../testing/project_folder.ts";
import { parseConfig } from "./file.ts";

let folder: ProjectFolder;
beforeAll(() => {
  folder = new ProjectFolder({
    ...{ "a.wasm": "", "hello.ts": "", "one/only.wasm": "", "one/data.txt": "" },
    "samples/testfunc.wasm": "",
    ...{ "main/main.wasm": "", "main/other.wasm": "", "two/a.wasm": "", "two/b.wasm": "", "data/x": "" },
  });
});
afterAll(() => folder[Symbol.dispose]());

const read = (lines: string) =>
  parseConfig(`[[functions]]\nname = "f"\n${lines}\n`, { file: join(folder.path, "isopod.toml"), env: {} })
    .functions[0];

test("a module is a file, or is in a folder", () => {
  const at = (lines: string) => {
    const { engine, path, wasm } = read(lines) ?? {};
    return [engine, path?.slice(folder.path.length), wasm?.files?.slice(folder.path.length)];
  };
  expect(at('path = "a.wasm"')).toEqual(["wasm", "/a.wasm", undefined]);
  expect(at('path = "a.wasm"\nfiles = "data"')).toEqual(["wasm", "/a.wasm", "/data"]);
  expect(at('path = "one"')).toEqual(["wasm", "/one/only.wasm", "/one"]);
  expect(at('path = "main"\nengine = "wasm"')).toEqual(["wasm", "/main/main.wasm", "/main"]);
  expect(at('path = "main"\nabi = "handle"')).toEqual(["wasm", "/main/main.wasm", undefined]);
});

test("its settings are what is said", () => {
  const lines = 'path = "a.wasm"\nabi = "wasi"\nargs = ["-v", "ü"]\ntmp_mb = 2';
  expect(read(lines)?.wasm?.settings).toEqual({ abi: "wasi", args: ["-v", "ü"], tmpBytes: 2 * 1024 * 1024 });
  expect(read('path = "a.wasm"')?.wasm?.settings).toEqual({});
  expect(read('path = "hello.ts"')?.wasm).toBeUndefined();
});

test.each([
  [
    'path = "a.wasm"\nabi = "wasm"',
    '4: Cannot read abi of function "f": expected "handle", "wasi" or "component", not "wasm"',
  ],
  ['path = "a.wasm"\nabi = "handle"\nargs = ["x"]', 'only commands of WASI have it, and the abi is "handle"'],
  ['path = "a.wasm"\nargs = ["a\\u0000b"]', "expected a text without a zero byte"],
  ['path = "a.wasm"\ntmp_mb = 1025', "expected a whole number of MiB from 0 to 1024, not 1025"],
  [
    'path = "a.wasm"\ndirectories = { "/models" = "FILES" }',
    '"/models" is to be filled from "FILES", which is no blob binding of it',
  ],
  [
    'path = "a.wasm"\ndirectories = { "/m" = "K" }\nbindings = { K = { type = "kv", name = "k" } }',
    '"/m" is to be filled from "K", which is no blob binding of it',
  ],
  [
    'path = "a.wasm"\ndirectories = { "/tmp" = "FILES" }',
    'expected a name such as "/models", and not "/tmp", instead of "/tmp"',
  ],
  ['path = "a.wasm"\ndirectories = { "/m" = "a b" }', 'expected the name of a blob binding, or NAME/prefix, not "a b"'],
  ['path = "a.wasm"\nfiles = "nowhere"', 'no folder is at "nowhere"'],
  ['path = "a.wasm"\nfiles = "hello.ts"', 'no folder is at "hello.ts"'],
  ['path = "one"\nfiles = "data"', "the files are those of the folder that `path` names"],
  ['path = "two"\nengine = "wasm"', "expected a module of WebAssembly, or a folder with main.wasm or only one module"],
  ['path = "hello.ts"\nabi = "wasi"', 'only functions of the engine "wasm" have it'],
  ['path = "hello.ts"\nfiles = "data"', 'only functions of the engine "wasm" have it'],
])("refuses %s", (lines, told) => {
  expect(() => read(lines)).toThrow(told);
});

test("the older form is read as it stands, and allows the backend that it names", () => {
  const text = `[[applications]]
file_path = "./samples/testfunc.wasm"
method = "GET"
url_path = "/hello"
function = "hello"
env = { "/env/backend" = "127.0.0.1:8181" }
`;
  const { functions } = parseConfig(text, { file: join(folder.path, "isopod.toml"), env: {} });
  const [{ engine, path, exportName, env, routes, bindings }] = functions as [(typeof functions)[number]];
  expect([engine, path, exportName]).toEqual(["wasm", join(folder.path, "samples/testfunc.wasm"), "hello"]);
  expect(env).toEqual({ "/env/backend": "127.0.0.1:8181" });
  expect(routes).toEqual([parseRoute("GET /hello")]);
  expect([...bindings.values()].map(({ type, options }) => [type, options])).toEqual([
    ["tcp", { allow: ["127.0.0.1:8181"] }],
  ]);
});
