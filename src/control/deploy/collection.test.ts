/** What is collected, and what never is: what an alias, a rollback or an instance needs, and blobs that a version has. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { ask, deploy, functionPath, saying } from "../../testing/control_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ prewarmed: 1 });
});
afterAll(() => server[Symbol.asyncDispose]());

const collect = async (policy: object = {}) => {
  const answer = await ask(server, "POST", "/v1/collect", {
    versionsKept: 1,
    youngerThanMs: 0,
    blobsYoungerThanMs: 0,
    ...policy,
  });
  return answer.body as unknown as { versions: number; blobs: number };
};
const versionsOf = async (name: string) =>
  (await ask(server, "GET", functionPath(name, "/versions"))).body.items.map(({ version }) => String(version));
const get = async (path: string, headers: Record<string, string> = {}) =>
  (await fetch(server.url + path, { headers })).text();

test("old versions go, and those that something stands on stay", async () => {
  const made: string[] = [];
  for (const text of ["aliased", "running", "old", "older", "before", "now"]) {
    made.push((await deploy(server, "f", saying(text), { routes: ["GET /f"] })).body.version);
  }
  const [aliased = "", running = "", old = "", older = "", before = "", now = ""] = made;
  await ask(server, "PUT", functionPath("f", "/aliases/kept"), { targets: [{ version: aliased }] });
  expect((await collect({ youngerThanMs: 3_600_000 })).versions).toBe(0);
  expect((await collect({ versionsKept: 6 })).versions).toBe(0);
  expect(await get("/f", { "isopod-version": running })).toBe("running");
  expect((await collect()).versions).toBe(2);
  const left = await versionsOf("f");
  expect(left.sort()).toEqual([aliased, running, before, now].sort());
  for (const gone of [old, older])
    expect((await ask(server, "GET", functionPath("f", `/versions/${gone}`))).status).toBe(404);
  await ask(server, "POST", functionPath("f", "/rollback"));
  expect([await get("/f"), await get("/f", { "isopod-version": "kept" })]).toEqual(["before", "aliased"]);
});

test("contents that no version has go, and a deploy can bring them again", async () => {
  const code = saying("only once");
  const hash = `sha256-${new Bun.CryptoHasher("sha256").update(code).digest("hex")}`;
  const isMissing = async () => {
    const { body } = await ask(server, "POST", "/v1/projects/default/blobs/missing", { hashes: [hash] });
    return (body as unknown as { missing: string[] }).missing.length === 1;
  };
  expect((await server.admin(`/v1/projects/default/blobs/${hash}`, { method: "PUT", body: code })).status).toBe(200);
  expect((await collect({ blobsYoungerThanMs: 3_600_000 })).blobs).toBe(0);
  expect(await isMissing()).toBe(false);
  await collect();
  expect(await isMissing()).toBe(true);
  const byHash = () =>
    ask(server, "POST", functionPath("g", "/deploy"), { files: [{ path: "main.ts", hash }], routes: ["GET /g"] });
  expect((await byHash()).body.error.code).toBe("blobs_missing");
  await deploy(server, "g", code, { routes: ["GET /g"] });
  await collect();
  expect([await isMissing(), (await byHash()).status, await get("/g")]).toEqual([false, 200, "only once"]);
});

test("a program that was sent, or pinned, becomes a function whose version is its hash", async () => {
  const code = 'export default () => new Response("promoted");';
  const hash = `sha256-${new Bun.CryptoHasher("sha256").update(code).digest("hex")}`;
  const promote = (program: string) =>
    ask(server, "POST", functionPath("p", "/promote"), { program, routes: ["GET /p"] });
  const unknown = await promote(hash);
  expect([unknown.status, unknown.body.error.message]).toEqual([404, expect.stringContaining("isopod pin")]);
  expect(await (await server.run(code)).text()).toBe("promoted");
  const done = await promote(hash);
  expect([done.status, done.body.version, await get("/p")]).toEqual([200, hash, "promoted"]);
  const pinned = await ask(server, "POST", "/v1/pins", { code: saying("pinned") });
  expect((await promote(pinned.body.hash)).body.version).toBe(pinned.body.hash);
  expect(await get("/p")).toBe("pinned");
});

test("a version's short form must be one version's", async () => {
  const answer = await ask(server, "GET", functionPath("f", "/versions/abc"));
  expect([answer.status, answer.body.error.code]).toEqual([404, "version_unknown"]);
});
