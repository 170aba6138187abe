/** The examples of programs in other languages, each through a sandbox; compiled ones are built for the test. */
import { expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startTestServer } from "../src/testing/server.ts";

const EXAMPLES = join(import.meta.dir, "processes");
/** What `curl -d` says that it sends. */
const CURL_TYPE = "application/x-www-form-urlencoded";
const own = (name: string) => Bun.which(name, { PATH: "/usr/local/bin:/usr/bin:/bin" }) !== null;
const table = (name: string, path: string, more = "") =>
  `[[functions]]\nname = "${name}"\npath = "${path}"\nroutes = ["ANY /${name}", "ANY /${name}/*"]\n${more}\n`;

test.skipIf(!own("curl"))("bash (skipped where the machine's own folders have no curl)", async () => {
  await using server = await startTestServer({ config: table("bash", join(EXAMPLES, "bash")) });
  const answer = await fetch(`${server.url}/bash/x`);
  expect(await answer.json()).toEqual({ path: "/bash/x", length: 7 });
});

test.skipIf(!own("python3"))("Python (skipped where the machine's own folders have no python3)", async () => {
  const config = table("python", join(EXAMPLES, "python"), 'runtime = "python"\nhandler = "app.handle"');
  await using server = await startTestServer({ config });
  for (const type of ["text/plain", CURL_TYPE]) {
    const post = (body: string) =>
      fetch(`${server.url}/python`, { method: "POST", body, headers: { "content-type": type } });
    const answer = await post("to be or not to be");
    const most = [
      ["to", 2],
      ["be", 2],
      ["or", 1],
    ];
    expect([type, await answer.json()]).toEqual([type, { words: 6, most }]);
    expect((await post("")).status).toBe(400);
  }
});

test("a language runtime of one's own, in lines", async () => {
  const config = table("lines", join(EXAMPLES, "lines"), 'command = "./runtime.sh"\ndialect = "stdio"\nevent = "json"');
  await using server = await startTestServer({ config });
  const answer = await fetch(`${server.url}/lines`, { method: "POST", body: '{"a":1}' });
  expect(await answer.json()).toEqual({ echo: { a: 1 } });
});

test.skipIf(!own("cc"))("C (skipped where there is no compiler)", async () => {
  const answer = await built("c", ["cc", "-O2", "-Wall", "-Werror", "-o", "bootstrap", "bootstrap.c"], "hello");
  expect(answer.map((text) => JSON.parse(text))).toMatchObject([
    { rawPath: "/built", body: "hello", isBase64Encoded: false },
    { rawPath: "/built", body: btoa("hello"), isBase64Encoded: true },
  ]);
});

test.skipIf(Bun.which("go") === null)(
  "Go (skipped where there is no compiler)",
  async () => {
    expect(await built("go", ["go", "build", "-o", "bootstrap", "main.go"], "hello")).toEqual(["HELLO", "HELLO"]);
  },
  120_000,
);

/** Builds an example in a folder of its own, and posts a text to it: as one, and as curl does. */
async function built(name: string, command: readonly string[], body: string): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "isopod-example-"));
  try {
    cpSync(join(EXAMPLES, name), folder, { recursive: true });
    const { success, stderr } = Bun.spawnSync([...command], { cwd: folder, env: { ...process.env, CGO_ENABLED: "0" } });
    if (!success) throw new Error(`Cannot build the example in ${name}: ${stderr}`);
    await using server = await startTestServer({ config: table("built", folder) });
    const answers = ["text/plain", CURL_TYPE].map(async (type) => {
      const headers = { "content-type": type };
      return (await fetch(`${server.url}/built`, { method: "POST", body, headers })).text();
    });
    return await Promise.all(answers);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
