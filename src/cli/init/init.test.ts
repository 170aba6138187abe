/** `isopod init` writes what deploys, passes its own test and has its types; `isopod types` says what env holds. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isopod } from "../../testing/command_line.ts";
import { ProjectFolder } from "../../testing/project_folder.ts";
import { startTestServer } from "../../testing/server.ts";

const TYPESCRIPT = join(import.meta.dir, "../../../node_modules/typescript/bin/tsc");

test("what init writes is a project that has its types, passes its test, and deploys", async () => {
  await using server = await startTestServer();
  using home = new ProjectFolder({});
  const env = { ISOPOD_URL: server.adminUrl, ISOPOD_DATA: join(server.directory, "data") };
  const { code, stdout } = await isopod(["init", "My Shop", "--yes"], { cwd: home.path });
  expect(code).toBe(0);
  expect(stdout).toContain("cd 'My Shop' && isopod dev");
  const folder = join(home.path, "My Shop");
  for (const file of ["isopod.toml", "my-shop.ts", "my-shop.test.ts", "isopod-env.d.ts", ".gitignore"])
    expect(existsSync(join(folder, file))).toBe(true);
  const own = Bun.spawnSync([process.execPath, "test"], { cwd: folder, stdout: "ignore", stderr: "pipe" });
  expect({ code: own.exitCode, said: own.stderr.toString() }).toMatchObject({ code: 0 });
  expect((await isopod(["types", folder, "--check"])).code).toBe(0);
  const deployed = await isopod(["deploy", folder, "--json"], { env });
  expect(deployed).toMatchObject({ code: 0 });
  expect(await (await fetch(`${server.url}/my-shop/Ada`)).json()).toEqual({ message: "Hello, Ada!" });

  const router = await isopod(["init", "words", "--template", "router", "--name", "words", "--json"], {
    cwd: home.path,
  });
  expect(JSON.parse(router.stdout)).toMatchObject({ name: "words" });
  expect((await isopod(["types", join(home.path, "words"), "--check"])).code).toBe(0);
  expect((await isopod(["deploy", join(home.path, "words")], { env })).code).toBe(0);
  const counted = await fetch(`${server.url}/words/words`, { method: "POST", body: "one two  three" });
  expect(await counted.json()).toEqual({ words: 3 });
});

test.each(["python", "program"])(
  "the template %s is a program that is served where it is written, and deploys",
  async (template) => {
    if (template === "python" && Bun.which("python3", { PATH: "/usr/local/bin:/usr/bin:/bin" }) === null) return;
    await using server = await startTestServer();
    using home = new ProjectFolder({});
    const env = { ISOPOD_URL: server.adminUrl, ISOPOD_DATA: join(server.directory, "data") };
    expect((await isopod(["init", "greets", "--template", template], { cwd: home.path })).code).toBe(0);
    expect((await isopod(["deploy", join(home.path, "greets")], { env })).stderr).toBe("");
    expect(await (await fetch(`${server.url}/greets/Ada`)).json()).toEqual({ message: "Hello, Ada!" });
    expect(await (await fetch(`${server.url}/greets`)).json()).toEqual({ message: "Hello, world!" });
  },
);

test("init writes over nothing, and names what a name may be", async () => {
  using home = new ProjectFolder({ "isopod.toml": "# mine" });
  const there = await isopod(["init", home.path, "--yes"]);
  expect(there.code).toBe(2);
  expect(there.stderr).toContain("it is there already");
  expect(readFileSync(join(home.path, "isopod.toml"), "utf8")).toBe("# mine");
  const named = await isopod(["init", join(home.path, "new"), "--name", "Not So"]);
  expect(named.code).toBe(2);
  expect(named.stderr).toContain('Cannot name a function "Not So": expected');
  expect(existsSync(join(home.path, "new"))).toBe(false);
});

test("types are those of variables and secrets, and --check fails when they are not the file's", async () => {
  using folder = new ProjectFolder({
    "isopod.toml": `[[functions]]
name = "the-shop"
path = "./shop.ts"
env = { GREETING = "Hi", "odd-name" = "x" }
[functions.bindings]
TOKEN = { type = "secret", name = "stripe", hosts = ["api.stripe.com"] }
`,
    "shop.ts": `/// <reference path="./isopod-env.d.ts" />
export default (_: unknown, env: IsopodEnv["the-shop"]): string => env.GREETING + env.TOKEN + env["odd-name"];
`,
  });
  const check = () => isopod(["types", folder.path, "--check"]);
  expect(await check()).toMatchObject({ code: 1 });
  const { stdout } = await isopod(["types", folder.path, "--json"]);
  const types = { GREETING: "string", "odd-name": "string", TOKEN: "string" };
  expect(JSON.parse(stdout)).toMatchObject({ changed: true, functions: { "the-shop": types } });
  expect((await check()).code).toBe(0);
  const text = readFileSync(join(folder.path, "isopod-env.d.ts"), "utf8");
  expect(text).toContain('Stands for the secret "stripe", which is put in towards api.stripe.com only.');
  const compile = () =>
    Bun.spawnSync([
      process.execPath,
      TYPESCRIPT,
      "--noEmit",
      "--strict",
      "--ignoreConfig",
      "--types",
      "",
      join(folder.path, "shop.ts"),
    ]);
  const good = compile();
  expect({ code: good.exitCode, said: good.stdout.toString() }).toEqual({ code: 0, said: "" });
  folder.write(
    "shop.ts",
    `${readFileSync(join(folder.path, "shop.ts"), "utf8")}const e = {} as IsopodEnv["the-shop"];\ne.MISSING;\n`,
  );
  expect(compile().stdout.toString()).toContain("MISSING");
});

test("a file in the folder's place is a wrong word", async () => {
  using parent = new ProjectFolder({ file: "" });
  const { code, stderr } = await isopod(["init", "file"], { cwd: parent.path });
  expect([code, stderr]).toEqual([2, expect.stringContaining("a file is in its place\n")]);
});

test("Ctrl-C at a question ends the command, and nothing is written", async () => {
  using parent = new ProjectFolder({});
  const asked = Promise.withResolvers<void>();
  let shown = "";
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "..", "main.ts"), "init", "asked"], {
    cwd: parent.path,
    env: { PATH: process.env["PATH"] ?? "" },
    terminal: {
      data(_terminal, bytes) {
        shown += new TextDecoder().decode(bytes);
        if (shown.includes("(asked) ")) asked.resolve();
      },
    },
  });
  await asked.promise;
  child.terminal?.write("\u0003");
  expect(await child.exited).toBe(130);
  child.terminal?.close();
  expect(shown).not.toContain("Abort");
  expect(existsSync(join(parent.path, "asked"))).toBe(false);
});
