/** Completion: scripts that shells take, and the words that stand where the cursor is. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isopod } from "../../testing/command_line.ts";
import { ask, deploy, saying } from "../../testing/control_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

let server: TestServer;
let env: Record<string, string>;
let home: string;

beforeAll(async () => {
  server = await startTestServer();
  home = mkdtempSync(join(tmpdir(), "isopod-home-"));
  env = { ISOPOD_URL: server.adminUrl, ISOPOD_DATA: join(server.directory, "data"), XDG_CONFIG_HOME: home };
  await deploy(server, "hello", saying("hello"));
  await deploy(server, "help-desk", saying("help"));
  await ask(server, "POST", "/v1/projects", { name: "shop" });
  await deploy(server, "cart", saying("cart"), { project: "shop" });
}, 30_000);
afterAll(async () => {
  rmSync(home, { recursive: true });
  await server[Symbol.asyncDispose]();
});

async function complete(...words: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await isopod(["complete", "--", ...words], { env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => line.split("\t")[0] ?? "");
}

for (const shell of ["bash", "zsh", "fish"]) {
  const path = Bun.which(shell);
  test.skipIf(path === null)(
    `${shell} takes its script${path === null ? ` (skipped: there is no ${shell} here)` : ""}`,
    async () => {
      const { code, stdout } = await isopod(["completion", shell]);
      expect(code).toBe(0);
      const file = join(home, `completion.${shell}`);
      await Bun.write(file, stdout);
      const parsed = Bun.spawnSync([path ?? "", "-n", file]);
      expect([parsed.exitCode, parsed.stderr.toString()]).toEqual([0, ""]);
    },
  );
}

test("a shell that there is no script for is refused with those that there are", async () => {
  const { code, stderr } = await isopod(["completion", "csh"]);
  expect([code, stderr]).toEqual([2, expect.stringContaining("Allowed choices are bash, zsh, fish")]);
});

test("bash completes by what it has loaded, commands and names of functions", async () => {
  const script = (await isopod(["completion", "bash"])).stdout;
  const file = join(home, "bin", "isopod");
  await Bun.write(file, `#!/bin/sh\nexec '${process.execPath}' '${join(import.meta.dir, "..", "main.ts")}' "$@"\n`);
  Bun.spawnSync(["chmod", "+x", file]);
  const type = async (...words: string[]) => {
    const typed = words.map((word) => `'${word}'`).join(" ");
    const ask = `${script}\nCOMP_WORDS=(isopod ${typed}); COMP_CWORD=${words.length}; _isopod; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const shell = Bun.spawn(["bash", "-c", ask], { env: { ...env, PATH: `${home}/bin:${process.env["PATH"]}` } });
    return (await new Response(shell.stdout).text()).split("\n").filter(Boolean);
  };
  expect(await type("rol")).toEqual(["rollback"]);
  expect(await type("invoke", "hel")).toEqual(["hello", "help-desk"]);
  expect(await type("run", "")).toEqual([]);
});

test("commands, those below them, options and choices come from the commands themselves", async () => {
  const commands = await complete("");
  for (const name of ["serve", "deploy", "logs", "invoke", "completion"]) expect(commands).toContain(name);
  expect(commands).not.toContain("complete");
  expect(await complete("keys", "")).toEqual(["create", "list", "revoke"]);
  expect(await complete("logs", "--f")).toEqual(["--follow", "--function"]);
  expect(await complete("logs", "--level", "")).toEqual(["debug", "info", "warn", "error"]);
  expect(await complete("env", "hello", "")).toEqual(["list", "set", "unset"]);
  expect(await complete("nonsense", "")).toEqual([]);
});

test("names come from the server that is meant, those of functions in the project that is meant", async () => {
  expect(await complete("versions", "")).toEqual(["hello", "help-desk"]);
  expect(await complete("logs", "--function", "hello")).toEqual(["hello"]);
  expect(await complete("invoke", "--project", "shop", "")).toEqual(["cart"]);
  expect(await complete("invoke", "--project=shop", "-i", "")).toEqual(["cart"]);
  expect(await complete("logs", "--project", "")).toEqual(["default", "shop"]);
  expect(await complete("plans", "show", "an")).toEqual(["anonymous"]);
  expect(await complete("projects", "create", "")).toEqual([]);
  await isopod(["profile", "add", "staging", "--url", server.adminUrl], { env });
  expect(await complete("status", "--profile", "")).toEqual(["staging"]);
});

test("a server that refuses, or is silent, is not waited for and not spoken of", async () => {
  using silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const started = performance.now();
  expect(await complete("invoke", "--url", `http://127.0.0.1:${silent.port}`, "")).toEqual([]);
  expect(performance.now() - started).toBeLessThan(5000);
  const none = await isopod(["complete", "--", "invoke", ""], { env: { ...env, ISOPOD_TOKEN: "wrong" } });
  expect(none).toEqual({ code: 0, stdout: "", stderr: "" });
});
