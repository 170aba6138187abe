/** Before a program runs it is fetched and bundled: both are under the caller's wall limit, and end when they hang up. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { goneAfter, instances } from "../../testing/children.ts";
import { RawClient } from "../../testing/raw_client.ts";
import { httpResponse, type RawServer, startRawServer } from "../../testing/raw_server.ts";
import { recordOf } from "../../testing/records.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

const WALL_MS = 1500;
const SLACK_MS = 250;

let source: RawServer;
let server: TestServer;
/** Called for each request that the source server leaves without an answer. */
let stalled = () => {};
beforeAll(async () => {
  source = await startRawServer((socket, request) => {
    if (request.includes("/stall")) return stalled();
    const [, name] = /\/imports(\w*)\.ts/.exec(request) ?? [];
    const code = name === undefined ? "console.log('well')" : `import { x } from "./stall${name}.ts"; console.log(x)`;
    socket.end(httpResponse(code, ["connection: close"]));
  });
  const config = `[codeless]\nsources = ["http://127.0.0.1:${source.port}/"]\n[plans.anonymous]\nwall_ms = ${WALL_MS}\n[pool]\nprewarmed = 0\n`;
  server = await startTestServer({ config });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await source.close();
});

const at = (path: string) => `/run/127.0.0.1:${source.port}${path}`;

/** Sends a GET whose program is being waited for when this resolves. */
async function waiting(path: string): Promise<RawClient> {
  const asked = new Promise<void>((resolve) => {
    stalled = resolve;
  });
  const client = await RawClient.connect(server.port);
  client.request([`GET ${at(path)} HTTP/1.1`, "host: localhost"]);
  await asked;
  return client;
}

for (const path of ["/stall.ts", "/imports.ts"]) {
  test(`a source that does not answer ends at the wall limit: ${path}`, async () => {
    const startedAt = performance.now();
    const response = await fetch(server.url + at(path));
    const { error } = (await response.json()) as { error: object };
    expect(performance.now() - startedAt).toBeLessThan(WALL_MS + SLACK_MS);
    expect([response.status, error]).toMatchObject([
      504,
      { code: "wall_limit", limit: { name: "wallMs", value: WALL_MS } },
    ]);
    await goneAfter(instances(), 5000);
  });

  test(`whoever hangs up ends what is prepared: ${path}`, async () => {
    const client = await waiting(path);
    client.socket.destroy();
    await source.gone();
    await goneAfter(instances(), 5000);
  });
}

test("builds that wait for their turn keep to the limit, and give it up when their caller hangs up", async () => {
  const first = await waiting("/imports.ts");
  const second = await waiting("/importsB.ts");
  const codes = await Promise.all(
    ["C", "D", "E", "F"].map(async (name) => {
      const response = await fetch(server.url + at(`/imports${name}.ts`));
      return [response.status, (await recordOf(server, response)).error?.code];
    }),
  );
  expect(codes).toEqual(Array.from({ length: 4 }, () => [504, "wall_limit"]));
  first.socket.destroy();
  second.socket.destroy();
  expect(await (await fetch(server.url + at("/well.ts"))).text()).toBe("well\n");
}, 20_000);
