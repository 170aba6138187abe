/** Invocations that come together on one instance, and compute: each is answered when it is done, not when all are. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { noChromium, startPages } from "../../testing/browser_rig.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

const COMPUTES = `let begun = 0;
export default () => {
  begun += 1;
  for (const until = performance.now() + 40; performance.now() < until; );
  return new Response(String(begun));
};`;
const TABLE = "instances = 1\nlimits = { cpu_ms = 60000, wall_ms = 60000 }";

async function startScript(): Promise<TestServer> {
  const config = `[[functions]]\nname = "f"\npath = "./f.js"\nroutes = ["GET /f"]\n${TABLE}\n`;
  return startTestServer({ files: { "f.js": COMPUTES }, config });
}

describe.each([
  ["script", startScript],
  ...(noChromium ? [] : [["browser", () => startPages({ f: { code: COMPUTES, config: TABLE } })] as const]),
] as const)("%s", (_engine, start) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await start();
    await (await fetch(`${server.url}/f`)).text();
  }, 30_000);
  afterAll(() => server?.[Symbol.asyncDispose]());

  test("the answers come one after another, and each once", async () => {
    const order: number[] = [];
    const asked = Array.from({ length: 8 }, async () => {
      order.push(Number(await (await fetch(`${server.url}/f`)).text()));
    });
    const times: number[] = [];
    await Promise.all(asked.map((one) => one.then(() => times.push(performance.now()))));
    expect(order.toSorted((one, other) => one - other)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    // Each takes 40 ms; that all are answered with the last one would bring them at once.
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(120);
  });
});
