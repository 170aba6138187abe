/** Functions that run in a page and are deployed by the admin API; `cli/deploy/pages.test.ts` deploys one from the command line. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { noChromium } from "../../testing/browser_rig.ts";
import { ask, functionPath } from "../../testing/control_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

const CODE = `
import { word } from "./lib/word.ts";
export default async (request: Request, env: Record<string, string>, ctx: any) => Response.json({
  title: document.title, word, said: env.SAID ?? null, file: await (await fetch("/said.txt")).text(), fn: ctx.function.name,
});`;

describe.skipIf(noChromium)("a page that is deployed", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  }, 30_000);
  afterAll(async () => await server?.[Symbol.asyncDispose]());

  test("answers behind its route with its page and its files, and settings make another version of it", async () => {
    const files = [
      { path: "main.ts", content: CODE },
      { path: "lib/word.ts", content: 'export const word: string = "joined";' },
      { path: "index.html", content: "<!doctype html><title>Deployed</title>" },
      { path: "said.txt", content: "one" },
    ];
    const body = { engine: "browser", entry: "main.ts", files, routes: ["ANY /page"] };
    const made = await ask(server, "POST", functionPath("page", "/deploy"), body);
    expect(made.status).toBe(200);
    const said = async () => (await fetch(`${server.url}/page`)).json();
    const answer = { title: "Deployed", word: "joined", said: null, file: "one", fn: "page" };
    expect(await said()).toEqual(answer);
    const changed = await ask(server, "PATCH", functionPath("page", "/settings"), { env: { SAID: "two" } });
    expect(changed.body.version).not.toBe(made.body.version);
    expect(await said()).toEqual({ ...answer, said: "two" });
  }, 60_000);

  test("that throws at its top level, or cannot be bundled, is refused by name", async () => {
    for (const [content, code] of [
      ["throw new Error('at the top')", "program_invalid"],
      ["export default (", "syntax_error"],
    ] as const) {
      const body = { engine: "browser", entry: "main.ts", files: [{ path: "main.ts", content }] };
      const refused = await ask(server, "POST", functionPath("broken", "/deploy"), body);
      expect([refused.status, refused.body.error.code]).toEqual([refused.status, code]);
      expect(refused.body.error.message).toStartWith('Cannot deploy "broken": ');
    }
  }, 60_000);
});
