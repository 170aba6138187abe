/** What each key refuses, and in which words. */
import { afterAll, expect, test } from "bun:test";
import { openConfigRig } from "../../testing/config_rig.ts";

const rig = openConfigRig(
  ["empty", "native", "page"],
  ["hello.ts", "native/bootstrap", "page/index.html", "notes.txt"],
);
const { parse, mistake } = rig;
afterAll(() => rig[Symbol.dispose]());

const HASH = `sha256-${"0123456789abcdef".repeat(4)}`;

test("names the line, the key, its owner, what was expected and the value", () => {
  const text = '[[functions]]\nname = "hello"\npath = "hello.ts"\nlimits = { wall_ms = "10s" }\n';
  expect(mistake(text)).toBe(
    '4: Cannot read limits.wall_ms of function "hello": expected a whole number of milliseconds from 1 to 900000, not "10s"',
  );
  try {
    parse(text);
  } catch (error) {
    expect(error).toMatchObject({ line: 4, column: 12, expected: "a whole number of milliseconds from 1 to 900000" });
  }
});

test.each([
  ["memory_mb = 15", "expected a whole number of MiB from 16 to 4096, not 15"],
  ["memory_mb = 4097", "expected a whole number of MiB from 16 to 4096, not 4097"],
  ["cpu_ms = 1.5", "expected a whole number of milliseconds from 1 to 900000, not 1.5"],
  ["cpu_ms = inf", "expected a whole number of milliseconds from 1 to 900000, not Infinity"],
  [
    'rate = "100"',
    'expected a number of requests a second, minute or hour, such as "100/s", "90/m" or "500/h", not "100"',
  ],
  ['rate = "0/s"', 'not "0/s"'],
  ["rate = 100", "not 100"],
  ['run = "all"', 'expected "none", "pinned" or "any", not "all"'],
  ['origins = ["https://a.example/path"]', 'such as "https://app.example.com", or "*", not "https://a.example/path"'],
  ['origins = "https://a.example"', 'expected a list in brackets, such as ["a", "b"], not "https://a.example"'],
  ['origins = ["null"]', 'not "null"'],
  ["egress = [1]", "not 1"],
  ["wal_ms = 1", 'Cannot read wal_ms of plan "p": the key is not known; did you mean "wall_ms"?'],
  ["colour = 1", "the key is not known; known here: run, wall_ms, "],
])("refuses in a plan: %s", (line, told) => {
  const found = mistake(`[plans.p]\n${line}\n`);
  expect(found).toStartWith("2: Cannot read ");
  expect(found).toContain(told);
});

test.each([
  ['listen_address = "8080"', 'expected a host and a port, such as "127.0.0.1:8080", not "8080"'],
  ['listen_address = "127.0.0.1:65536"', "expected a host and a port"],
  ['listen_address = "127.0.0.256:80"', "expected a host and a port"],
  ['listen_address = "::1:80"', "expected a host and a port"],
  ['lisen_adress = "127.0.0.1:1"', 'Cannot read lisen_adress: the key is not known; did you mean "listen_address"?'],
  ['admin_address = "127.0.0.1:8080"', 'listen_address and admin_address are both "127.0.0.1:8080"'],
  ['sandbox = "nsjail"', 'expected "bubblewrap" or "none", not "nsjail"'],
  ["codeless = 3", "Cannot read codeless: expected a table, not 3"],
  ['codeless.path = "run"', 'expected a path that begins with "/", such as "/run", not "run"'],
  ['codeless.path = "/a/../b"', "expected a path"],
  ['rpc.path = "/run"', 'codeless.path is "/run" too'],
  ['rpc.path = "/"', "every path is below it"],
  ['preview_domains = ["*.example.com"]', 'expected a domain, such as "preview.example.com"'],
  ['secrets_key_file = "none"', "there is no key in it"],
  ['secrets_key_file = "notes.txt"', "bytes; expected 32 bytes as 64 hexadecimal digits or as base64"],
  ['codeless.sources = ["ftp://x/"]', "Cannot read codeless.sources: expected a host and the beginning of a path"],
  ['codeless.sources = ["https://user@x/"]', "expected a host and the beginning of a path"],
  ['codeless.sources = ["*.example.com/"]', "expected a host and the beginning of a path"],
  ["pool.prewarmed = 5000", "Cannot read pool.prewarmed: expected a whole number from 0 to 256, not 5000"],
  ["pool = { prewarmed = 5, instances = 4 }", "expected at most the 4 instances that there may be, not 5"],
  [
    "server.idle_ms = 1",
    "Cannot read server.idle_ms: expected a whole number of milliseconds from 1000 to 240000, not 1",
  ],
  ["functions = { name = 1 }", "Cannot read functions: expected tables written [[functions]], not a table"],
  ["functions = [3]", "Cannot read function number 1: expected a table, not 3"],
  ['plans.Up = { run = "any" }', 'Cannot read plan "Up": the name is not a name of "a" to "z"'],
  [
    `keys = [{ plan = "gold", hash = "${HASH}" }]`,
    'Cannot read plan of key number 1: there is no plan "gold"; the plans are anonymous',
  ],
  [
    'keys = [{ plan = "anonymous", hash = "sha256-..." }]',
    'hash of key number 1: expected "sha256-" and 64 hexadecimal digits',
  ],
  [
    `keys = [{ plan = "anonymous", hash = "${HASH}" }, { plan = "anonymous", hash = "${HASH}" }]`,
    "the same key stands on line 1",
  ],
  ["a = [1,", "Cannot parse the file: "],
])("refuses at the top: %s", (line, told) => {
  const found = mistake(`${line}\n`);
  expect(found).toStartWith("1: Cannot ");
  expect(found).toContain(told);
});

test.each([
  [
    "",
    'name of function number 1: expected a name of "a" to "z", "0" to "9" and "-", at most 63 long, but the key is missing',
  ],
  ['path = "hello.ts"\nname = "Hello"', 'name of function "Hello": expected a name of'],
  ['name = "a"', 'path of function "a": expected the path of a file or folder, but the key is missing'],
  ['name = "a"\npth = "hello.ts"', 'pth of function "a": the key is not known; did you mean "path"?'],
  ['name = "a"\npath = "nowhere.ts"', 'path of function "a": no file or folder is at "nowhere.ts"'],
  [
    'name = "a"\npath = "notes.txt"',
    'expected a file that ends in .ts, .tsx, .js, .jsx, .mjs or .wasm, or a folder with one (a program needs engine = "process"), not "notes.txt"',
  ],
  [
    'name = "a"\nhandler = "app.handle"\npath = "empty"',
    'expected a folder that holds index.ts, main.ts, or one of them with another ending (a program needs engine = "process")',
  ],
  ['name = "a"\nengine = "script"\npath = "empty"', 'or one of them with another ending, not "empty"'],
  ['name = "a"\ndialect = "stdio"\npath = "empty"', "expected a folder that holds `bootstrap`, or a command"],
  ['name = "a"\npath = "x.wasm"', 'no file or folder is at "x.wasm"'],
  ['name = "a"\npath = "native"\nexport = "b"', "only functions of JavaScript and TypeScript have exports"],
  ['name = "a"\nengine = "process"\npath = "empty"', "expected a folder that holds `bootstrap`, or a command"],
  ['name = "a"\npath = "native"\nruntime = "python"', 'expected a handler beside it, such as "main.handle"'],
  [
    'name = "a"\npath = "native"\nruntime = "python"\nhandler = "a.b"\ncommand = "c"',
    "a ready-made runtime is its own",
  ],
  [
    'name = "a"\npath = "native"\nruntime = "python"\nhandler = "a.b"\ndialect = "http"',
    'expected "stdio" for a ready',
  ],
  ['name = "a"\npath = "native"\nruntime = "cobol"', 'expected "python" or "node"'],
  ['name = "a"\npath = "native"\nreadiness = "/"', 'only the dialect "http" has a readiness check'],
  ['name = "a"\npath = "native"\nlines = "pipes"', 'only the dialect "stdio" has lines'],
  ['name = "a"\npath = "native"\nlayers = ["none"]', 'nothing is at "none"'],
  ['name = "a"\npath = "native"\nroot = "notes.txt"', 'expected "system" or a folder'],
  ['name = "a"\npath = "native"\ngrace_ms = 60001', "expected a whole number of milliseconds from 0 to 60000"],
  ['name = "a"\npath = "native"\ndialect = "soap"', 'expected "runtime-api", "stdio" or "http"'],
  ['name = "a"\npath = "hello.ts"\nhandler = "a.b"', 'only functions of the engine "process" have it'],
  ['name = "a"\npath = "page"', "expected a module that exports a fetch function"],
  [
    'name = "a"\npath = "hello.ts"\nengine = "deno"',
    'engine of function "a": expected "script", "wasm", "process" or "browser", not "deno"',
  ],
  [
    'name = "a"\npath = "hello.ts"\nroutes = ["GET hello"]',
    'routes of function "a": expected a path that begins with "/", not "GET hello"',
  ],
  ['name = "a"\npath = "hello.ts"\nroutes = ["GTE /x"]', '"GTE" is no method of HTTP; did you mean "GET"?'],
  ['name = "a"\npath = "hello.ts"\nroutes = ["GET /:x/:x"]', 'routes of function "a": ":x" stands twice'],
  ['name = "a"\npath = "hello.ts"\nroutes = ["POST /run"]', '"POST /run" is taken by codeless.path, which is "/run"'],
  ['name = "a"\npath = "hello.ts"\nroutes = ["POST /rpc/a"]', '"POST /rpc/a" is taken by rpc.path, which is "/rpc"'],
  [
    'name = "a"\npath = "hello.ts"\nenv = { A = 1 }',
    'env.A of function "a": expected a text in quotes, at most 32768 characters long, not 1',
  ],
  [
    'name = "a"\npath = "hello.ts"\nenv = { "A=B" = "1" }',
    'env."A=B" of function "a": expected a name of letters, digits, "_", "-", "." and "/", no digit first',
  ],
  ['name = "a"\npath = "hello.ts"\nenv = 3', 'env of function "a": expected a table of names and texts'],
  [
    'name = "a"\npath = "hello.ts"\nmiddlewares = ["auth"]',
    'middlewares of function "a": the middleware "auth" is not there: nothing is at ',
  ],
  ['name = "a"\npath = "hello.ts"\nbindings.DB = { type = "tcp", name = "cache" }', "allow"],
  [
    'name = "a"\npath = "hello.ts"\nbindings.KV = { type = "kw" }',
    'expected "secret", "kv", "sql", "blob", "queue", "tcp" or "function", not "kw"',
  ],
  [
    'name = "a"\npath = "hello.ts"\nbindings.KV = { type = "kv", hosts = ["a.example"] }',
    'bindings.KV.hosts of function "a": a binding of type "kv" has no such key',
  ],
  [
    'name = "a"\npath = "hello.ts"\nbindings.KV = { type = "kv", mode = "write" }',
    'bindings.KV.mode of function "a": expected "read" or "read-write", not "write"',
  ],
  [
    'name = "a"\npath = "hello.ts"\nbindings.KV = { type = "kv", name = "../x" }',
    'bindings.KV.name of function "a": expected letters, digits, "_" and "-", at most 63',
  ],
  ['name = "a"\npath = "hello.ts"\nbindings.egress = { type = "kv" }', 'not "egress", "cache" or "module"'],
  [
    'name = "a"\npath = "hello.ts"\nbindings.T = { type = "tcp", allow = ["x"] }',
    'expected a list of hosts with ports, such as ["db.example.com:5432"], not ["x"]',
  ],
  [
    'name = "a"\npath = "hello.ts"\nbindings.T = { type = "secret", prefix = "a" }',
    'bindings.T.prefix of function "a": a secret has no such key',
  ],
  [
    'name = "a"\npath = "hello.ts"\nbindings.T = { type = "secret" }',
    "functions of the file have no secrets of the store; say value_env or value_file",
  ],
  [
    'name = "a"\npath = "hello.ts"\nbindings.T = { type = "secret", value_env = "NOPE" }',
    `the server's environment has no "NOPE"`,
  ],
  [
    'name = "a"\npath = "hello.ts"\nbindings.T = { type = "secret", value_env = "toString" }',
    `the server's environment has no "toString"`,
  ],
  [
    'name = "a"\npath = "hello.ts"\nbindings.T = { type = "secret", value_file = "nope" }',
    'no text of up to 64 KiB can be read from "nope"',
  ],
  [
    'name = "a"\npath = "hello.ts"\nbindings.T = { type = "secret", value_env = "STRIPE", hosts = ["*"] }',
    "every host would learn it",
  ],
  [
    'name = "a"\npath = "hello.ts"\nenv = { T = "1" }\nbindings.T = { type = "secret", value_env = "STRIPE" }',
    'env of the same function has a variable "T" too',
  ],
])("refuses in a function: %s", (lines, told) => {
  const found = mistake(`[[functions]]\n${lines}\n`);
  const line = Number.parseInt(found, 10);
  expect(found).toContain(told);
  expect(line).toBe(
    told.includes("missing") ? 1 : told.includes("pth") ? 3 : `[[functions]]\n${lines}`.split("\n").length,
  );
});

test("sources are checked by those who fetch them", () => {
  const validateSource = (source: string) => {
    throw new Error(`Cannot read source "${source}": its path holds a dot segment`);
  };
  expect(mistake('codeless.sources = ["x.test/a/../b"]', { validateSource })).toBe(
    "1: Cannot read codeless.sources: its path holds a dot segment",
  );
});
