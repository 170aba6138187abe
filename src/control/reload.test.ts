/** Reloading a real `isopod serve` under load: no request is dropped, the old goes, and a mistake changes nothing. */
import { expect, test } from "bun:test";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServeProcess } from "../testing/serve_process.ts";
import { settled } from "../testing/websocket_client.ts";

const CLI = new URL("../cli/main.ts", import.meta.url).pathname;

const config = (version: string, extra = "") => `listen_address = "127.0.0.1:0"
admin_address = "127.0.0.1:0"
[pool]
prewarmed = 1
[[functions]]
name = "f"
path = "./f.ts"
routes = ["GET /f"]
env = { VERSION = "${version}" }
${extra}`;

const FUNCTION = `export default async (request, env) => {
  await new Promise((resolve) => setTimeout(resolve, 5));
  return new Response(env.VERSION);
};`;

/** Asks for `/f` without pause on a few connections; what was answered, how often. */
class Load {
  readonly answers = new Map<string, number>();
  readonly #loops: Promise<void>[];
  #going = true;

  constructor(url: string, width = 4) {
    this.#loops = Array.from({ length: width }, () => this.#loop(url));
  }

  async #loop(url: string): Promise<void> {
    while (this.#going) {
      const answer = await fetch(`${url}/f`).then(
        async (response) => `${response.status} ${await response.text()}`,
        (error) => `failed: ${error}`,
      );
      this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
    }
  }

  /** Waits for one more answer of this kind than there is now. */
  async sees(answer: string): Promise<void> {
    const before = this.answers.get(answer) ?? 0;
    await settled(answer, async () => ((this.answers.get(answer) ?? 0) > before ? true : undefined));
  }

  async stop(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#loops);
  }
}

async function statusOf(server: ServeProcess): Promise<{ pool: { functions: number; instances: number } }> {
  return (await (await server.admin("/status")).json()) as {
    pool: { functions: number; instances: number };
  };
}

test("SIGHUP, a changed file and a renamed file reload without dropping a request", async () => {
  await using server = await ServeProcess.start({ "isopod.toml": config("one"), "f.ts": FUNCTION });
  const load = new Load(server.url);
  await load.sees("200 one");

  server.write("isopod.toml", config("two"));
  await load.sees("200 two");

  server.write("f.ts", FUNCTION.replace("env.VERSION", "env.VERSION + '!'"));
  server.signal("SIGHUP");
  await load.sees("200 two!");

  server.write("new.toml", config("three"));
  renameSync(join(server.directory, "new.toml"), join(server.directory, "isopod.toml"));
  await load.sees("200 three!");

  await settled("the end of the old instances", async () =>
    (await statusOf(server)).pool.functions === 1 ? true : undefined,
  );
  await load.stop();
  expect([...load.answers.keys()].sort()).toEqual(["200 one", "200 three!", "200 two", "200 two!"]);
}, 30_000);

test("a configuration with a mistake is logged, and the present one goes on", async () => {
  await using server = await ServeProcess.start({ "isopod.toml": config("one"), "f.ts": FUNCTION });
  const load = new Load(server.url, 2);
  await load.sees("200 one");
  const mistakes = [
    [config("two", "limits = { wall_ms = 'x' }"), /isopod\.toml:\d+.*wall_ms/],
    [config("two").replace("./f.ts", "./missing.ts"), /missing\.ts/],
    ["[[[", /isopod\.toml:1/],
  ] as const;
  for (const [index, [text, reason]] of mistakes.entries()) {
    server.write("isopod.toml", text);
    const line = await server.logged("The configuration was not reloaded", index + 1);
    expect(String(line["reason"])).toMatch(reason);
    await load.sees("200 one");
  }
  server.write("f.ts", "export default () => { const = 1; };");
  server.write("isopod.toml", config("two"));
  const line = await server.logged("The configuration was not reloaded", mistakes.length + 1);
  expect(String(line["reason"])).toMatch(/f\.ts:1:/);
  await load.sees("200 one");
  server.write("f.ts", FUNCTION);
  server.signal("SIGHUP");
  await load.sees("200 two");
  await load.stop();
  expect([...load.answers.keys()].sort()).toEqual(["200 one", "200 two"]);
}, 30_000);

test("SIGTERM lets what runs end, takes nothing new, and exits with 0", async () => {
  const slow = `let begun; const started = new Promise((resolve) => { begun = resolve; });
    export default async (request, env) => {
      if (new URL(request.url).search === "?started") { await started; return new Response("yes"); }
      begun();
      await new Promise((resolve) => setTimeout(resolve, 500));
      return new Response("finished");
    };`;
  await using server = await ServeProcess.start({ "isopod.toml": config("one"), "f.ts": slow });
  const running = fetch(`${server.url}/f`);
  await (await fetch(`${server.url}/f?started`)).text();
  server.signal("SIGTERM");
  await server.logged("The server is ending; asked once more it ends at once");
  expect(await (await running).text()).toBe("finished");
  expect(await server.exited).toBe(0);
  await server.logged("The server has ended");
}, 30_000);

test.each([
  ["a mistake in the file", "listen_adress = 1", /^isopod: .*isopod\.toml:1: .*listen_adress.*listen_address/],
  ["a function without its file", config("x"), /^isopod: .*isopod\.toml:\d+: .*f\.ts/],
  ["a function that cannot be parsed", config("x"), /^isopod: Cannot load function "f": .*f\.ts:2:\d+/],
])("%s ends the start with one readable line", async (name, text, expected) => {
  const directory = mkdtempSync(join(tmpdir(), "isopod-mistake-"));
  try {
    writeFileSync(join(directory, "isopod.toml"), text);
    if (name.includes("parsed")) writeFileSync(join(directory, "f.ts"), "export default () => {\n  const = 1;\n};\n");
    const command = [process.execPath, CLI, "serve", "--config", "isopod.toml", "--data", "data"];
    const child = Bun.spawn(command, {
      cwd: directory,
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, ISOPOD_LOG: "error" },
    });
    const stderr = await child.stderr.text();
    // What is wrong in the file is the user's mistake; what does not load is told later, by the server.
    expect(await child.exited).toBe(name.includes("parsed") ? 1 : 2);
    expect(stderr).toMatch(expected);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
