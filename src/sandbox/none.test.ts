/** `sandbox = "none"`: it works, it is said loudly, by the file as by the command line, and it is never the default. */
import { expect, test } from "bun:test";
import { ServeProcess } from "../testing/serve_process.ts";
import { startTestServer } from "../testing/server.ts";

const ADDRESSES = 'listen_address = "127.0.0.1:0"\nadmin_address = "127.0.0.1:0"\n';
const WARNING = "There is no sandbox: every program can do what this user can";

async function layersOf(server: ServeProcess): Promise<string[]> {
  return ((await (await server.admin("/status")).json()) as { layers: string[] }).layers;
}

test("without a sandbox the server warns, and its layers say so", async () => {
  await using server = await ServeProcess.start({ "isopod.toml": `${ADDRESSES}sandbox = "none"\n` });
  expect(server.linesOf(WARNING).length).toBe(1);
  const layers = await layersOf(server);
  for (const layer of ["user-ns", "net-ns", "minimal-root"]) expect(layers).not.toContain(layer);
  const response = await fetch(`${server.url}/run`, { method: "POST", body: "console.log('still works')" });
  expect(await response.text()).toBe("still works\n");
}, 30_000);

test("a server that says nothing about it has one, and does not warn", async () => {
  await using server = await ServeProcess.start({ "isopod.toml": ADDRESSES });
  expect(server.linesOf(WARNING)).toEqual([]);
  expect(await layersOf(server)).toEqual(
    expect.arrayContaining(["user-ns", "net-ns", "minimal-root", "seccomp", "seal"]),
  );
}, 30_000);

test("the test server is no exception", async () => {
  await using server = await startTestServer();
  expect((server.server.status() as { layers: string[] }).layers).toContain("seal");
});
