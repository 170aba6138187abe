/** `isopod deploy` of a function that runs in a page: a folder with its module, its page and its files. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { noChromium } from "../../testing/browser_rig.ts";
import { isopod } from "../../testing/command_line.ts";
import { ProjectFolder } from "../../testing/project_folder.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

const FILES = {
  "isopod.toml":
    '[[functions]]\nname = "page"\nengine = "browser"\npath = "./page"\nroutes = ["GET /page"]\nenv = { WHO = "you" }\n',
  "page/index.html": "<!doctype html><title>Deployed</title><p>first</p>",
  "page/index.ts": `import { greeting } from "./lib/greeting.ts";
import { place } from "placed";
export default async (_: Request, env: { WHO: string }): Promise<Response> => Response.json({
  title: document.title, text: document.querySelector("p")?.textContent, greeting: greeting(env.WHO), place,
  file: await (await fetch("/data/said.txt")).text(), source: (await fetch("/index.ts")).status,
});`,
  "page/lib/greeting.ts": 'export const greeting = (who: string): string => "hello " + who;\n',
  "page/data/said.txt": "one",
  "node_modules/placed/package.json":
    '{ "name": "placed", "exports": { "browser": "./page.js", "default": "./node.js" } }',
  "node_modules/placed/page.js": 'export const place = "page";',
  "node_modules/placed/node.js": 'export const place = "node";',
};
const ANSWER = { title: "Deployed", text: "first", greeting: "hello you", place: "page", file: "one", source: 404 };

describe.skipIf(noChromium)("a page that is deployed from the command line", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  }, 30_000);
  afterAll(async () => await server?.[Symbol.asyncDispose]());

  test("is served when the command ends; its page and its files are a part of its version", async () => {
    using folder = new ProjectFolder(FILES);
    const env = { ISOPOD_URL: server.adminUrl, ISOPOD_DATA: join(server.directory, "data") };
    const deploy = async () => {
      const { code, stdout, stderr } = await isopod(["deploy", folder.path, "--json"], { env });
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      return JSON.parse(stdout).functions[0];
    };
    const answer = async () => (await fetch(`${server.url}/page`)).json();
    const first = await deploy();
    expect(await answer()).toEqual(ANSWER);
    expect(await deploy()).toMatchObject({ unchanged: true, version: first.version });
    folder.write("page/index.html", "<!doctype html><title>Deployed</title><p>second</p>");
    const second = await deploy();
    expect(second.version).not.toBe(first.version);
    expect(await answer()).toEqual({ ...ANSWER, text: "second" });
    folder.write("page/lib/greeting.ts", `import fs from "node:fs";\n${FILES["page/lib/greeting.ts"]}console.log(fs);`);
    const { code, stderr } = await isopod(["deploy", folder.path], { env });
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('import "node:fs": modules of Node and of Bun are not'),
    ]);
    expect(stderr).toContain("page/lib/greeting.ts");
    folder.write("page/lib/greeting.ts", FILES["page/lib/greeting.ts"]);
    folder.write("page/data/said.txt", "two");
    expect((await deploy()).version).not.toBe(second.version);
    expect(await answer()).toEqual({ ...ANSWER, text: "second", file: "two" });
  }, 60_000);
});
