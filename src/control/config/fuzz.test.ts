/** Random damage to a good file: whatever it becomes, it is read or told as one `ConfigError` with a line. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, parseConfig } from "./file.ts";

const EXAMPLE = `
listen_address = "127.0.0.1:8080" # data plane
sandbox = "bubblewrap"
[codeless]
path = "/run"
sources = ["raw.githubusercontent.com/acme/", "http://127.0.0.1:9000/"]
[plans.anonymous]
run = "any"
wall_ms = 10_000
rate = "100/s"
egress = ["api.example.com", "*.example.org:443"]
origins = ["https://app.example.com"]
[[keys]]
plan = "anonymous"
hash = "sha256-${"0123456789abcdef".repeat(4)}"
[[functions]]
name = "hello"
path = "./hello.ts"
routes = ["GET /hello/:name", "ANY api.example.com/v1/*"]
env = { GREETING = "hi", "quoted.name" = '''literal''' }
limits = { wall_ms = 10000, memory_mb = 128 }
  [functions.bindings]
  TOKEN = { type = "secret", hosts = ["api.stripe.com"], value_env = "TOKEN" }
[[applications]]
file_path = "./hello.ts"
url_path = "/old"
[pool]
prewarmed = 2
[server]
websocket_message_kb = 16
`;

const PIECES = [
  ..."[]{}=.,\"'#\n\\\0\u00e9\ud800",
  '"""',
  "[[",
  "]]",
  "__proto__",
  "constructor",
  "nan",
  "-1",
  "9e99",
  "[[functions]]",
  "[plans.__proto__]\n",
  "name = ",
  "1979-05-27",
  "\\u0000",
  "🂡",
];

let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "isopod-config-"));
  await writeFile(join(folder, "hello.ts"), "");
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Numbers that look random and are the same in every run. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function damage(text: string, random: (below: number) => number): string {
  let damaged = text;
  for (let times = 1 + random(4); times > 0; times--) {
    const at = random(damaged.length + 1);
    const length = random(2) === 0 ? random(4) : random(40);
    const from = random(damaged.length + 1);
    const kind = random(4);
    let piece = PIECES[random(PIECES.length)] ?? "";
    if (kind === 0) piece = "";
    else if (kind === 1) piece = damaged.slice(from, from + random(60));
    damaged = damaged.slice(0, at) + piece + damaged.slice(kind === 2 ? at : at + length);
  }
  return damaged;
}

test("a damaged file is read, or refused with its line; nothing else", () => {
  const random = randomNumbers(20_261_120);
  const options = { file: join(folder, "isopod.toml"), env: { TOKEN: "secret" } };
  expect(parseConfig(EXAMPLE, options).functions).toHaveLength(2);
  let refused = 0;
  for (let round = 0; round < 1500; round++) {
    const text = damage(EXAMPLE, random);
    try {
      parseConfig(text, options);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw new Error(`round ${round}: ${JSON.stringify(text)}`, { cause: error });
      refused++;
      expect(error.line).toBeGreaterThanOrEqual(1);
      expect(error.line).toBeLessThanOrEqual(text.split("\n").length);
      expect(error.message.split("\n")).toHaveLength(1);
    }
  }
  expect(refused).toBeGreaterThan(700);
});

test("texts that are no TOML at all are refused as quickly as they are read", () => {
  const random = randomNumbers(7);
  for (let round = 0; round < 300; round++) {
    const text = Array.from({ length: random(60) }, () => PIECES[random(PIECES.length)]).join("");
    try {
      parseConfig(text, { file: join(folder, "isopod.toml"), env: {} });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw new Error(JSON.stringify(text), { cause: error });
    }
  }
});
