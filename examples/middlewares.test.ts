/** The examples of middlewares, around their function, through sandboxes. */
import { expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { linesOf } from "../src/testing/middleware_rig.ts";
import { startTestServer, type TestServer } from "../src/testing/server.ts";
import { settled } from "../src/testing/websocket_client.ts";

const EXAMPLE = join(import.meta.dir, "middlewares");
const hasPython = Bun.which("python3", { PATH: "/usr/local/bin:/usr/bin:/bin" }) !== null;

/** The example's files as they lie there, with its configuration, or with another list of middlewares. */
async function start(list?: string): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), "isopod-example-"));
  cpSync(EXAMPLE, folder, { recursive: true });
  const config = readFileSync(join(EXAMPLE, "isopod.toml"), "utf8");
  const chosen = list === undefined ? config : config.replace(/middlewares = \[.*\]/, `middlewares = [${list}]`);
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  const names = ["orders.ts", ...["log", "auth", "auth.json", "trace.ts"].map((name) => `middlewares/${name}`)];
  const server = await startTestServer({
    config: chosen,
    files: Object.fromEntries(names.map((name) => [name, read(name)])),
  });
  rmSync(folder, { recursive: true, force: true });
  return server;
}

test("sh: log writes two lines, and lets everything pass", async () => {
  await using server = await start('"log"');
  const answer = await fetch(`${server.url}/orders/7`);
  expect(await answer.json()).toEqual({ order: "7", for: null });
  const [before, after] = await linesOf(server, answer);
  expect(before).toBe("GET /orders/7");
  expect(after).toMatch(/^GET \/orders\/7 took [\d.]+ ms$/);
});

test("TypeScript: trace says what the function took", async () => {
  await using server = await start('"trace"');
  const answer = await fetch(`${server.url}/orders/8`);
  expect(answer.headers.get("server-timing")).toMatch(/^function;dur=[\d.]+$/);
  await answer.text();
  const at = `/v1/invocations/${answer.headers.get("isopod-request-id")}`;
  const { spans } = await settled("the record", async () => {
    const told = await server.admin(at);
    return told.status === 200 ? ((await told.json()) as { spans: { name: string }[] }) : undefined;
  });
  expect(spans.map(({ name }) => name)).toContain("orders");
});

test.skipIf(!hasPython)("Python: auth (skipped where the machine's own folders have no python3)", async () => {
  await using server = await start();
  const refused = await fetch(`${server.url}/orders/7`);
  expect([refused.status, await refused.text()]).toEqual([401, "Who is there?\n"]);
  const headers = { authorization: "Bearer open sesame" };
  const answer = await fetch(`${server.url}/orders/7`, { headers });
  expect(await answer.json()).toEqual({ order: "7", for: "ali baba" });
});
