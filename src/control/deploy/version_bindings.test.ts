/** Bindings in the settings of deploys and in plans of the store: the same as in the configuration file. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { ask, deploy, functionPath, withKey } from "../../testing/control_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(async () => await server?.[Symbol.asyncDispose]());

test("a secret among the bindings is the secret of the project, and cannot be deleted under it", async () => {
  const settings = { bindings: { T: { type: "secret", name: "TOKEN" } } };
  const code = "export default (request, env) => new Response(env.T);";
  const options = { settings, routes: [{ route: "GET /sec" }] };
  expect((await deploy(server, "sec", code, options)).status).toBe(400);
  await ask(server, "PUT", "/v1/projects/default/secrets/TOKEN", { value: "one" });
  expect((await deploy(server, "sec", code, options)).status).toBe(200);
  expect(await (await fetch(`${server.url}/sec`)).text()).toBe("one");
  await ask(server, "PUT", "/v1/projects/default/secrets/TOKEN", { value: "two" });
  expect(await (await fetch(`${server.url}/sec`)).text()).toBe("two");
  expect((await ask(server, "DELETE", "/v1/projects/default/secrets/TOKEN")).body.error.code).toBe("in_use");
});

test("a name is bound once", async () => {
  const twice = {
    env: { A: "x" },
    bindings: { A: { type: "kv" } },
  };
  const { status, body } = await deploy(server, "twice", "export default 1", { settings: twice });
  expect([status, body.error.message]).toEqual([400, 'Cannot deploy "twice": "A" is both a variable and a binding']);
});

test("the programs of a key's plan have the data of the key's project, and a plan gives no secrets", async () => {
  const bindings = { KV: { type: "kv", name: "shared" } };
  expect((await ask(server, "PUT", "/v1/plans/paid", { run: "any", bindings })).status).toBeLessThan(300);
  expect((await ask(server, "PUT", "/v1/plans/bad", { bindings: { T: { type: "secret" } } })).status).toBe(400);
  const listed = (await ask(server, "GET", "/v1/plans")).body.items.find(({ name }) => name === "paid");
  expect(listed).toMatchObject({ bindings: { KV: { type: "kv", name: "shared", mode: "read-write" } } });
  const keys: string[] = [];
  for (const name of ["one", "two"]) {
    await ask(server, "POST", "/v1/projects", { name });
    const made = await ask(server, "POST", `/v1/projects/${name}/keys`, { scopes: ["run"], plan: "paid" });
    keys.push(made.body.key);
  }
  const code = (text: string) =>
    `export default async (_, { KV }) => { ${text === "" ? "" : `await KV.put("k", "${text}");`} return Response.json(await KV.get("k")); };`;
  const run = async (key: string | undefined, text = "") =>
    (await server.run(code(text), { headers: withKey(key ?? "") })).json();
  expect(await run(keys[0], "one's")).toBe("one's");
  expect(await run(keys[1])).toBeNull();
  expect(await run(keys[0])).toBe("one's");
});

test("a project's quota is held as it is now", async () => {
  await ask(server, "POST", "/v1/projects", { name: "small", quotas: { kvBytesMax: 1000 } });
  const code = `export default async (request, { KV }) => {
    try { await KV.put("k", "x".repeat(2000)); return new Response("kept"); } catch (error) { return new Response(error.code); }
  }`;
  const settings = { bindings: { KV: { type: "kv" } } };
  await deploy(server, "fills", code, { project: "small", settings, routes: [{ route: "GET /fills" }] });
  const put = async () => (await fetch(`${server.url}/fills`)).text();
  expect(await put()).toBe("quota_exceeded");
  await ask(server, "PATCH", "/v1/projects/small", { quotas: { kvBytesMax: 10_000 } });
  expect(await put()).toBe("kept");
  expect((await ask(server, "GET", functionPath("fills", "", "small"))).status).toBe(200);
});
