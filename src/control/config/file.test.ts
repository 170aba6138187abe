import { afterAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { LIMIT_RULES } from "../../core/limits.ts";
import { openConfigRig } from "../../testing/config_rig.ts";
import { defaultConfig, isLoopback } from "./config.ts";
import { ConfigError, loadConfig, parseConfig } from "./file.ts";
import { instancesForMemory } from "./rules.ts";

const rig = openConfigRig(["folder", "py", "layers/tools"], ["hello.ts", "plain.js", "folder/main.ts"]);
const { folder, parse, mistake } = rig;
writeFileSync(join(folder, "token"), "s3cret\n");
afterAll(() => rig[Symbol.dispose]());

const HASH = `sha256-${"0123456789abcdef".repeat(4)}`;

/** An example of each kind of table. */
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
    bindings: new Map(),
    origins: ["https://app.example.com"],
    native: true,
  });
  expect(config.keys).toEqual([{ hash: HASH, plan: "paid", mayPin: false }]);
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

test("the whole example of the interface is known; what is not there is said to be so", () => {
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
  expect(mistake(later)).toContain(
    'Cannot read middlewares of function "py": the middleware "auth" is not there: nothing is at ',
  );
  expect(
    mistake('[[applications]]\nfile_path = "./samples/testfunc.wasm"\nmethod = "GET"\nurl_path = "/hello"\n'),
  ).toContain('no file or folder is at "./samples/testfunc.wasm"');
});

test("what only programs have makes one, whatever its file is called", () => {
  const engineOf = (lines: string) =>
    parse(`[[functions]]\nname = "a"\npath = "hello.ts"\n${lines}\n`).functions[0]?.engine;
  expect(engineOf("")).toBe("script");
  for (const line of ['dialect = "http"', 'command = "bun hello.ts"', 'runtime = "node"\nhandler = "hello.handle"']) {
    expect([line, engineOf(line)]).toEqual([line, "process"]);
  }
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
websocket_message_kb = 32
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
  expect(config.server.webSocketMessageBytesMax).toBe(32 * 1024);
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
  writeFileSync(join(folder, "latin.toml"), new Uint8Array([0x61, 0xe9]));
  expect(await load(join(folder, "latin.toml"))).toMatchObject({ message: expect.stringContaining("not UTF-8") });
  writeFileSync(join(folder, "good.toml"), '[[functions]]\nname = "a"\npath = "./hello.ts"\n');
  expect((await loadConfig(join(folder, "good.toml"))).functions[0]?.path).toBe(join(folder, "hello.ts"));
});
