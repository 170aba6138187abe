/** The modules in `wasm/` are what their text says, and answer as they are served. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startTestServer } from "../src/testing/server.ts";
import { startTcpServer } from "../src/testing/tcp_server.ts";
import { buildModules } from "./wasm/build.ts";

const at = (file: string): string => join(import.meta.dir, "wasm", file);

test("each module is made of the text beside it", async () => {
  const built = await buildModules();
  expect([...built.keys()].sort()).toEqual(["backend.wasm", "echo.wasm", "hello.wasm"]);
  for (const [file, bytes] of built) expect([file, readFileSync(at(file)).equals(bytes)]).toEqual([file, true]);
});

test("they are served by the older form as it stands", async () => {
  await using backend = await startTcpServer((socket) => socket.once("data", (line) => socket.end(`heard ${line}`)));
  const entry = (file: string, path: string, more: string) =>
    `[[applications]]\nfile_path = ${JSON.stringify(at(file))}\nmethod = "GET"\nurl_path = "${path}"\n${more}\n`;
  const backendEnv = `env = { "/env/backend" = "${backend.address}" }`;
  await using server = await startTestServer({
    config: [
      entry("hello.wasm", "/hello", 'function = "hello"'),
      entry("hello.wasm", "/greet", 'function = "greet"'),
      entry("backend.wasm", "/backend", backendEnv),
      entry("echo.wasm", "/echo", "").replace("GET", "POST"),
    ].join(""),
  });
  const ask = async (path: string) => (await fetch(server.url + path)).text();
  expect(await ask("/hello")).toBe("hello world");
  expect(await ask("/greet")).toBe("Grüße aus Zürich, à bientôt!\n");
  const echo = await fetch(`${server.url}/echo`, { method: "POST", body: "an echo" });
  expect([echo.headers.get("content-type"), await echo.text()]).toEqual(["text/plain", "an echo"]);
  expect(await ask("/backend")).toBe("heard GET\n");
});
