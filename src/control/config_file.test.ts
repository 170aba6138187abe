import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LIMIT_RULES } from "../core/limits.ts";
import { type Config, defaultConfig, isLoopback } from "./config.ts";
import { ConfigError, loadConfig, type ParseOptions, parseConfig } from "./config_file.ts";
import { instancesForMemory } from "./config_rules.ts";

let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "isopod-config-"));
  for (const name of ["folder", "empty", "native", "page", "py"]) await mkdir(join(folder, name));
  for (const name of ["hello.ts", "plain.js", "folder/main.ts", "native/bootstrap", "page/index.html", "notes.txt"]) {
    await writeFile(join(folder, name), "export default () => 1;\n");
  }
  await writeFile(join(folder, "token"), "s3cret\n");
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function parse(text: string, options: ParseOptions = {}): Config {
  return parseConfig(text, { file: join(folder, "isopod.toml"), env: { STRIPE: "sk_live" }, ...options });
}

/** The mistake in `text`, as `line: message`. */
function mistake(text: string, options: ParseOptions = {}): string {
  try {
    parse(text, options);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.replace(`${error.file}:`, "").trim();
  }
  return "no mistake";
}

const HASH = `sha256-${"0123456789abcdef".repeat(4)}`;

/** What INTERFACE.md shows, without what is not there yet. */
const EXAMPLE = `
listen_address = "127.0.0.1:8080"       # data plane
admin_address  = "127.0.0.1:8081"       # admin API, dashboard, metrics, invoke API

[codeless]
path = "/run"                           # "/" makes the path the source at once
sources = ["raw.githubusercontent.com/acme/", "http://127.0.0.1:9000/"]

[plans.anonymous]
run = "any"                             # none | pinned | any
wall_ms = 10000
cpu_ms = 5000
memory_mb = 128
rate = "100/s"
concurrency = 8
egress = ["api.example.com", "*.example.org:443"]
origins = ["https://app.example.com"]

[plans.paid]
run = "pinned"

[[keys]]
plan = "paid"
hash = "${HASH}"

[[functions]]
name = "hello"
engine = "script"
path = "./hello.ts"
routes = ["GET /hello/:name", "ANY api.example.com/v1/*"]
env = { GREETING = "hi" }
limits = { wall_ms = 10000, cpu_ms = 1000, memory_mb = 128, concurrency = 64 }
egress = ["api.example.com"]
  [functions.bindings]
  TOKEN = { type = "secret", name = "stripe", hosts = ["api.stripe.com"], value_env = "STRIPE" }

# the older form, accepted as it stands
[[applications]]
file_path = "./plain.js"
method = "GET"
url_path = "/hello"
function = "hello"
env = { "/env/backend" = "127.0.0.1:8181" }
`;

test("reads the example of the interface", () => {
  const config = parse(EXAMPLE);
  expect(config.file).toBe(join(folder, "isopod.toml"));
  expect(config.listen).toEqual({ host: "127.0.0.1", port: 8080 });
  expect(config.admin).toEqual({ host: "127.0.0.1", port: 8081 });
  expect(config.codeless).toEqual({
    path: "/run",
    sources: [
      { scheme: "https", prefix: "raw.githubusercontent.com/acme/" },
      { scheme: "http", prefix: "127.0.0.1:9000/" },
    ],
  });
  expect(config.plans.get("anonymous")).toEqual({
    name: "anonymous",
    run: "any",
    limits: { wallMs: 10_000, cpuMs: 5000, memoryBytes: 128 * 1024 * 1024, concurrencyMax: 8 },
    ratePerSecond: 100,
    egress: ["api.example.com", "*.example.org:443"],
    origins: ["https://app.example.com"],
  });
  expect(config.keys).toEqual([{ hash: HASH, plan: "paid" }]);
  expect(config.sandbox).toBe("bubblewrap");
});

test("reads functions of both forms", () => {
  const [hello, older] = parse(EXAMPLE).functions;
  expect(hello).toMatchObject({
    name: "hello",
    engine: "script",
    path: join(folder, "hello.ts"),
    exportName: "default",
    routes: [
      { method: "GET", host: undefined, path: "/hello/:name" },
      { method: undefined, host: "api.example.com", path: "/v1/*" },
    ],
    env: { GREETING: "hi" },
    limits: { wallMs: 10_000, cpuMs: 1000, memoryBytes: 128 * 1024 * 1024, concurrencyMax: 64 },
    egress: ["api.example.com"],
    instancesMax: 16,
    position: { line: 26, column: 1 },
  });
  const [secret] = hello?.secrets ?? [];
  expect(secret).toMatchObject({ binding: "TOKEN", name: "stripe", value: "sk_live", hosts: ["api.stripe.com"] });
  expect(secret?.placeholder).toMatch(/^isopod-secret-[0-9a-f]{32}$/);
  expect(secret?.placeholder).toBe(parse(EXAMPLE).functions[0]?.secrets[0]?.placeholder ?? "");
  expect(older).toMatchObject({
    name: "plain-hello",
    engine: "script",
    path: join(folder, "plain.js"),
    exportName: "hello",
    routes: [{ method: "GET", host: undefined, path: "/hello" }],
    env: { "/env/backend": "127.0.0.1:8181" },
    position: { line: 38, column: 1 },
  });
});

test("an empty file is the default configuration", () => {
  expect(parseConfig("")).toEqual(defaultConfig());
  expect(defaultConfig().plans.get("anonymous")?.run).toBe("any");
  expect(defaultConfig().pool.prewarmed).toBe(4);
});

test("the machine's memory bounds instances", () => {
  expect(instancesForMemory(0)).toBe(8);
  expect(instancesForMemory(8 * 1024 ** 3)).toBe(64);
  expect(instancesForMemory(1024 ** 5)).toBe(1000);
});

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
    'expected a file that ends in .ts, .tsx, .js, .jsx or .mjs, or a folder with one, not "notes.txt"',
  ],
  ['name = "a"\npath = "empty"', "expected a folder that holds index.ts, main.ts"],
  ['name = "a"\npath = "x.wasm"', 'engine "wasm" is not there yet'],
  ['name = "a"\npath = "native"', 'engine "process" is not there yet'],
  ['name = "a"\npath = "page"', 'engine "browser" is not there yet'],
  ['name = "a"\npath = "hello.ts"\nengine = "process"', 'engine of function "a": engine "process" is not there yet'],
  [
    'name = "a"\npath = "hello.ts"\nengine = "deno"',
    'engine of function "a": expected "script", "wasm", "process" or "browser", not "deno"',
  ],
  [
    'name = "a"\npath = "hello.ts"\nroutes = ["GET hello"]',
    'routes of function "a": expected a path that begins with "/", not "GET hello"',
  ],
  ['name = "a"\npath = "hello.ts"\nroutes = ["GET /:x/:x"]', 'routes of function "a": ":x" stands twice'],
  ['name = "a"\npath = "hello.ts"\nroutes = ["POST /run"]', '"POST /run" is taken by codeless.path, which is "/run"'],
  [
    'name = "a"\npath = "hello.ts"\nenv = { A = 1 }',
    'env.A of function "a": expected a text in quotes, at most 32768 characters long, not 1',
  ],
  ['name = "a"\npath = "hello.ts"\nenv = { "A=B" = "1" }', 'env."A=B" of function "a": expected a name without "="'],
  ['name = "a"\npath = "hello.ts"\nenv = 3', 'env of function "a": expected a table of names and texts'],
  [
    'name = "a"\npath = "hello.ts"\nmiddlewares = ["auth"]',
    'middlewares of function "a": the key is known, but what it is for is not there yet',
  ],
  [
    'name = "a"\npath = "hello.ts"\nbindings.KV = { type = "kv", name = "cache" }',
    'bindings.KV.type of function "a": bindings of type "kv" are not there yet',
  ],
  [
    'name = "a"\npath = "hello.ts"\nbindings.KV = { type = "kw" }',
    'expected "secret", "kv", "sql", "blob" or "tcp", not "kw"',
  ],
  [
    'name = "a"\npath = "hello.ts"\nbindings.T = { type = "secret" }',
    "secrets that the server keeps are not there yet; say value_env or value_file",
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

test("the whole example of the interface is known; what is not there yet is said to be so", () => {
  const later = `${EXAMPLE}
[[functions]]
name = "py"
engine = "process"
dialect = "runtime-api"
path = "./py"
command = "python3 main.py"
handler = "module.function"
event = "http"
layers = ["./layers/tools"]
middlewares = ["auth", "trace"]
  [functions.bindings]
  KV    = { type = "kv", name = "cache" }
  DB    = { type = "sql", name = "shop", mode = "read" }
  FILES = { type = "blob", name = "uploads" }
`;
  expect(mistake(later)).toEndWith(
    'Cannot read engine of function "py": engine "process" is not there yet; "script" (JavaScript and TypeScript) is',
  );
  expect(
    mistake('[[applications]]\nfile_path = "./samples/testfunc.wasm"\nmethod = "GET"\nurl_path = "/hello"\n'),
  ).toBe(
    '2: Cannot read file_path of application "/hello": engine "wasm" is not there yet; "script" (JavaScript and TypeScript) is',
  );
});

test("routes that match the same are found, and both lines named", () => {
  const two = (first: string, second: string) => `
[[functions]]
name = "a"
path = "hello.ts"
routes = ["GET /other", "${first}"]
[[functions]]
name = "b"
path = "hello.ts"
routes = [
  "${second}",
]`;
  expect(mistake(two("GET /x/:id", "GET /x/:name/"))).toBe(
    '10: Cannot read routes of function "b": "GET /x/:name/" is the same route as "GET /x/:id" of function "a" on line 5',
  );
  expect(mistake(two("GET a.b/x", "GET A.B/x"))).toContain('"GET a.b/x" is the same route of function "a" on line 5');
  for (const other of ["POST /x/:id", "ANY /x/:id", "GET a.b/x/:id", "GET /x/*", "GET /x/y", "GET /x"]) {
    expect([other, mistake(two("GET /x/:id", other))]).toEqual([other, "no mistake"]);
  }
});

test("names are unique, and the older form finds free ones", () => {
  const one = '[[functions]]\nname = "plain-hello"\npath = "folder"\n';
  expect(mistake(one + one)).toBe(
    '5: Cannot read name of function "plain-hello": the name is taken by the function on line 2',
  );
  const config = parse(`${one}[[applications]]\nfile_path = "plain.js"\nurl_path = "/a"\nfunction = "hello"\n`);
  expect(config.functions.map(({ name }) => name)).toEqual(["plain-hello", "plain-hello-2"]);
  expect(config.functions[0]?.path).toBe(join(folder, "folder/main.ts"));
  expect(config.functions[1]?.routes).toEqual([{ method: undefined, host: undefined, path: "/a" }]);
});

test("beyond this machine, the file must say what anonymous callers may run", () => {
  const open = 'listen_address = "0.0.0.0:8080"\n';
  expect(mistake(open)).toBe(
    '1: Cannot read listen_address: others can reach "0.0.0.0", and nothing says what callers without a key may run; write [plans.anonymous] with run = "none", "pinned" or "any"',
  );
  expect(mistake(`${open}[plans.anonymous]\nrate = "1/s"\n`)).toStartWith(
    '2: Cannot read plan "anonymous": others can',
  );
  expect(parse(`${open}[plans.anonymous]\nrun = "none"\n`).plans.get("anonymous")?.run).toBe("none");
  expect(parse('[plans.anonymous]\nrate = "90/m"\n').plans.get("anonymous")).toMatchObject({
    run: "any",
    ratePerSecond: 1.5,
  });
  expect(parse("[plans.paid]\n").plans.get("paid")?.run).toBe("none");
  for (const host of ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
    expect([host, isLoopback(host)]).toEqual([host, true]);
  for (const host of ["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example.com", "localhost.example.com"]) {
    expect([host, isLoopback(host)]).toEqual([host, false]);
  }
});

test("values come out normalized", () => {
  const config = parse(`
listen_address = "[::1]:0"
codeless = { path = "/go/", sources = ["Raw.Example.com", "https://x.test:443/a", "http://[::1]:9000/"] }
[plans.anonymous]
origins = ["HTTPS://App.Example.com:443", "http://localhost:3000", "*"]
rate = "36/h"
[[keys]]
plan = "anonymous"
hash = "${HASH.replaceAll("a", "A")}"
[pool]
instances = 2
[server]
header_kb = 32
`);
  expect(config.listen).toEqual({ host: "::1", port: 0 });
  expect(config.codeless.path).toBe("/go");
  expect(config.codeless.sources).toEqual([
    { scheme: "https", prefix: "raw.example.com/" },
    { scheme: "https", prefix: "x.test/a" },
    { scheme: "http", prefix: "[::1]:9000/" },
  ]);
  expect(config.plans.get("anonymous")?.origins).toEqual(["https://app.example.com", "http://localhost:3000", "*"]);
  expect(config.plans.get("anonymous")?.ratePerSecond).toBe(0.01);
  expect(config.keys[0]?.hash).toBe(HASH);
  expect(config.pool).toMatchObject({ instancesMax: 2, prewarmed: 2 });
  expect(config.server.headerBytesMax).toBe(32 * 1024);
});

test("every limit reaches plans and functions in its own unit", () => {
  for (const [name, rule] of Object.entries(LIMIT_RULES)) {
    const written = rule.ceiling / rule.scale;
    const config = parse(`
[plans.p]
${rule.key} = ${written}
[[functions]]
name = "f"
path = "hello.ts"
limits.${rule.key} = ${written}
`);
    expect(config.plans.get("p")?.limits).toEqual({ [name]: rule.ceiling });
    expect(config.functions[0]?.limits).toEqual({ [name]: rule.ceiling });
  }
});

test("secrets come from the environment or from files, and never stand in errors", () => {
  const secret = (binding: string) =>
    `[[functions]]\nname = "a"\npath = "hello.ts"\nbindings.T = { type = "secret", ${binding} }\n`;
  expect(parse(secret('value_file = "token"')).functions[0]?.secrets[0]).toMatchObject({
    name: "T",
    value: "s3cret",
    hosts: [],
  });
  expect(mistake(secret('value_env = "STRIPE", value_file = "token"'))).not.toContain("sk_live");
  expect(mistake(secret('value_env = "EMPTY"'), { env: { EMPTY: "" } })).toContain('no "EMPTY", or it is empty');
});

test("rules of egress and hosts of secrets are checked by those who own their grammar", () => {
  const refuse = (value: string) => {
    throw new Error(`Cannot parse egress rule "${value}": it names no host`);
  };
  expect(
    mistake('[plans.p]\negress = ["ok", "bad one"]', { validateEgress: (rule) => rule !== "ok" && refuse(rule) }),
  ).toBe('2: Cannot read egress of plan "p": it names no host');
  const text =
    '[[functions]]\nname = "a"\npath = "hello.ts"\nbindings.T = { type = "secret", value_env = "STRIPE", hosts = ["?"] }\n';
  expect(mistake(text, { validateHost: refuse })).toBe(
    '4: Cannot read bindings.T.hosts of function "a": it names no host',
  );
});

test("a file that cannot be read is told without a line", async () => {
  const load = (path: string) => loadConfig(path).catch((error: unknown) => error);
  const missing = await load(join(folder, "none.toml"));
  expect(missing).toBeInstanceOf(ConfigError);
  expect(missing).toMatchObject({
    message: `${join(folder, "none.toml")}: Cannot read the configuration: there is no such file`,
    line: undefined,
  });
  expect(await load(folder)).toMatchObject({ message: expect.stringContaining("it is not a file") });
  await writeFile(join(folder, "latin.toml"), new Uint8Array([0x61, 0xe9]));
  expect(await load(join(folder, "latin.toml"))).toMatchObject({ message: expect.stringContaining("not UTF-8") });
  await writeFile(join(folder, "good.toml"), '[[functions]]\nname = "a"\npath = "./hello.ts"\n');
  expect((await loadConfig(join(folder, "good.toml"))).functions[0]?.path).toBe(join(folder, "hello.ts"));
});
