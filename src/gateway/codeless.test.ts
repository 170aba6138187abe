import { afterAll, beforeAll, expect, test } from "bun:test";
import { startTestServer, type TestServer } from "../testing/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());

test("a script's output is the answer", async () => {
  const response = await server.run(`console.log("hello", 1 + 1)`);
  expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([200, "text/plain; charset=utf-8", "hello 2\n"]);
});
