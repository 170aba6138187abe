/** Builds whose size is unusual. */
import { expect, test } from "bun:test";
import { startTestServer } from "../testing/server.ts";

const values = (count: number) => `[${Array.from({ length: count }, (_, at) => `"value ${at}"`).join(",")}]`;

test("a bundle may be longer than what is under way between guest and host", async () => {
  const files = {
    "main.ts": 'import { all } from "./all.ts";\nexport default () => new Response(String(all.length));',
    "all.ts": `export const all = ${values(100_000)};`,
  };
  const config = '[[functions]]\nname = "f"\npath = "main.ts"\nroutes = ["GET /f"]';
  await using server = await startTestServer({ config, files });
  expect(await (await fetch(`${server.url}/f`)).text()).toBe("100000");
}, 30_000);

test("a module that many import counts once", async () => {
  const importers = Array.from({ length: 40 }, (_, at) => at);
  const files: Record<string, string> = {
    "main.ts": `${importers.map((at) => `import { n as n${at} } from "./part${at}.ts";`).join("\n")}
export default () => new Response(String([${importers.map((at) => `n${at}`).join(", ")}].length));`,
    "large.ts": `export const large = 1;\n/* ${"x".repeat(1024 * 1024)} */`,
  };
  for (const at of importers)
    files[`part${at}.ts`] = `import { large } from "./large.ts";\nexport const n = large + ${at};`;
  const config = '[[functions]]\nname = "f"\npath = "main.ts"\nroutes = ["GET /f"]';
  await using server = await startTestServer({ config, files });
  expect(await (await fetch(`${server.url}/f`)).text()).toBe("40");
}, 30_000);
