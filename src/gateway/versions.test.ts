/** Which version of a deployed function answers: by alias and weight, by header, by a preview's host, by JSON-RPC. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { ask, deploy, functionPath, saying, withKey } from "../testing/control_client.ts";
import { rawExchange } from "../testing/raw_client.ts";
import { startTestServer, type TestServer } from "../testing/server.ts";

let server: TestServer;
let one: string;
let two: string;

beforeAll(async () => {
  server = await startTestServer({ prewarmed: 2, config: 'preview_domains = ["preview.test"]\n' });
  one = (await deploy(server, "f", saying("one"), { routes: ["GET /f", { route: "GET /beta", alias: "production" }] }))
    .body.short;
  two = (
    await ask(server, "POST", functionPath("f", "/versions"), { files: [{ path: "main.ts", content: saying("two") }] })
  ).body.short;
});
afterAll(() => server[Symbol.asyncDispose]());

const setAlias = (alias: string, body: unknown) => ask(server, "PUT", functionPath("f", `/aliases/${alias}`), body);
const split = (sticky?: unknown) => ({
  targets: [
    { version: one, weight: 1 },
    { version: two, weight: 1 },
  ],
  sticky,
});

async function get(path: string, headers: Record<string, string> = {}) {
  const response = await fetch(server.url + path, { headers });
  return { text: await response.text(), response };
}

/** What 40 requests are answered by, and what they were sent with. */
async function forty(headers: (at: number) => Record<string, string>) {
  const texts: string[] = [];
  for (let at = 0; at < 40; at += 1) texts.push((await get("/f", headers(at))).text);
  return texts;
}

test("an answer says which version it is of", async () => {
  const { text, response } = await get("/f");
  expect([text, response.headers.get("isopod-version")]).toEqual(["one", one]);
});

test("weights divide requests at random; weight 0 gets none", async () => {
  await setAlias("production", split());
  expect(new Set(await forty(() => ({})))).toEqual(new Set(["one", "two"]));
  await setAlias("production", {
    targets: [
      { version: one, weight: 0 },
      { version: two, weight: 5 },
    ],
  });
  expect(new Set(await forty(() => ({})))).toEqual(new Set(["two"]));
  await setAlias("production", { targets: [{ version: one }] });
});

test("a caller stays on its side by header, cookie and key", async () => {
  await setAlias("production", split({ by: "header", name: "x-user" }));
  const byUser = await forty((at) => ({ "x-user": `user-${at % 10}` }));
  for (const [at, text] of byUser.entries()) expect(text).toBe(byUser[at % 10] ?? "");
  expect(new Set(byUser).size).toBe(2);

  await setAlias("production", split({ by: "cookie", name: "side" }));
  const first = await get("/f");
  const cookie = /^side=([^;]+); Path=\//.exec(first.response.headers.get("set-cookie") ?? "")?.[1] ?? "";
  expect(cookie).not.toBe("");
  const again = await get("/f", { cookie: `other=1; side=${cookie}` });
  expect(again.response.headers.get("set-cookie")).toBeNull();
  expect(new Set(await forty(() => ({ cookie: `side=${cookie}` })))).toEqual(new Set([first.text]));

  await setAlias("production", split({ by: "key" }));
  const keys: string[] = [];
  for (let at = 0; at < 8; at += 1) {
    keys.push((await ask(server, "POST", "/v1/projects/default/keys", { scopes: ["invoke"] })).body.key);
  }
  const byKey = await forty((at) => withKey(keys[at % 8] ?? ""));
  for (const [at, text] of byKey.entries()) expect(text).toBe(byKey[at % 8] ?? "");
  await setAlias("production", { targets: [{ version: one }] });
});

test("a version is reached by header and by host, whatever aliases stand for", async () => {
  await setAlias("next", { targets: [{ version: two }] });
  for (const name of [two, `sha256-${two}`, "next"]) {
    expect([name, (await get("/f", { "isopod-version": name })).text]).toEqual([name, "two"]);
  }
  expect((await get("/f", { "isopod-version": "production" })).text).toBe("one");
  const unknown = await get("/f", { "isopod-version": "0123456789ab" });
  expect([unknown.response.status, unknown.text]).toEqual([404, expect.stringContaining("version_unknown")]);
  for (const host of [`${two}--f.localhost`, `next--f.localhost:${server.port}`, `${two}--F.preview.test`]) {
    const answer = await rawExchange(server.port, ["GET /any/path HTTP/1.1", `Host: ${host}`]);
    expect([host, answer]).toEqual([host, expect.objectContaining({ status: 200, body: "two" })]);
  }
  for (const host of [`${two}--g.localhost`, `${two}--f--other.localhost`]) {
    expect(await rawExchange(server.port, ["GET / HTTP/1.1", `Host: ${host}`])).toMatchObject({ status: 404 });
  }
});

test("an alias stands for what is there, and one that a route leads to stays", async () => {
  expect((await setAlias("x", { targets: [{ version: "ffff0000" }] })).body.error.code).toBe("version_unknown");
  expect((await setAlias("x", { targets: [{ version: one }, { version: one }] })).status).toBe(400);
  expect((await setAlias("x", { targets: [] })).status).toBe(400);
  expect((await setAlias("x--y", { targets: [{ version: one }] })).status).toBe(400);
  const remove = (alias: string) => ask(server, "DELETE", functionPath("f", `/aliases/${alias}`));
  expect((await remove("production")).body.error.code).toBe("in_use");
  await setAlias("gone", { targets: [{ version: one }] });
  expect([(await remove("gone")).status, (await remove("gone")).status]).toEqual([204, 404]);
  const used = await ask(server, "DELETE", functionPath("f", `/versions/${one}`));
  expect([used.status, used.body.error.code]).toEqual([409, "in_use"]);
});

test("what runs ends on the version that it began on", async () => {
  const slow = (text: string) => `export default async (request) => {
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    (async () => {
      for (let at = 0; at < 20; at += 1) { await writer.write(new TextEncoder().encode("${text}")); await new Promise((r) => setTimeout(r, 20)); }
      await writer.close();
    })();
    return new Response(readable);
  };`;
  await deploy(server, "slow", slow("a"), { routes: ["GET /slow"] });
  const running = await fetch(`${server.url}/slow`);
  await deploy(server, "slow", slow("b"));
  await deploy(server, "slow", slow("c"));
  expect(await (await fetch(`${server.url}/slow`)).text()).toBe("c".repeat(20));
  expect(await running.text()).toBe("a".repeat(20));
});

const METHODS = `
export const add = (a, b) => a + b;
export function named({ text }, env, ctx) { return [text, env.V, typeof ctx.requestId, this.env.V]; }
export const broken = () => { throw new Error("in here"); };
export const refuse = () => { throw Object.assign(new Error("no such user"), { code: 404, data: { user: 1 } }); };
export const odd = () => 1n;
export const nothing = () => {};
export const value = 5;
export default { fetch: () => new Response("fetch") };`;

test("exports are methods of JSON-RPC, with the standard's errors", async () => {
  await deploy(server, "rpc", METHODS, { settings: { env: { V: "1" } } });
  const send = async (body: string) => {
    const response = await fetch(`${server.url}/rpc/rpc`, { method: "POST", body });
    const text = await response.text();
    return { status: response.status, value: text === "" ? undefined : JSON.parse(text) };
  };
  const call = async (method: unknown, params?: unknown, id: unknown = 1) => {
    const { value } = await send(JSON.stringify({ jsonrpc: "2.0", method, params, id }));
    return value.error?.code ?? value.result;
  };
  expect(await call("add", [1, 2])).toBe(3);
  expect(await call("named", { text: "x" })).toEqual(["x", "1", "string", "1"]);
  expect(await call("nothing")).toBeNull();
  for (const name of ["nope", "value", "default", "fetch", "toString", "__proto__"])
    expect([name, await call(name)]).toEqual([name, -32601]);
  expect(await call("add", 5)).toBe(-32602);
  expect(await call(7)).toBe(-32600);
  expect(await call("odd")).toBe(-32603);
  expect(await call("refuse")).toBe(404);
  const broken = await send('{"jsonrpc":"2.0","method":"broken","id":"b"}');
  expect(broken.value).toMatchObject({ id: "b", error: { code: -32000, data: { code: "uncaught_exception" } } });
  expect((await send("{")).value).toMatchObject({ id: null, error: { code: -32700 } });
  expect((await send("[]")).value.error.code).toBe(-32600);
  expect((await send(JSON.stringify(Array.from({ length: 101 }, () => 1)))).value.error.code).toBe(-32600);
  expect(await send('{"jsonrpc":"2.0","method":"add","params":[1,2]}')).toEqual({ status: 204, value: undefined });
  const batch = await send(
    '[{"jsonrpc":"2.0","method":"add","params":[1,2],"id":1},{"jsonrpc":"2.0","method":"add"},7,{"jsonrpc":"2.0","method":"nope","id":2}]',
  );
  expect(
    batch.value.map((answer: { result?: number; error?: { code: number } }) => answer.result ?? answer.error?.code),
  ).toEqual([3, -32600, -32601]);
  expect((await fetch(`${server.url}/rpc/rpc`)).status).toBe(405);
  expect((await fetch(`${server.url}/rpc/none`, { method: "POST", body: "{}" })).status).toBe(404);
});

test("where others can reach the server, previews and methods take a key of the project", async () => {
  const config = '[plans.anonymous]\nrun = "none"\n[pool]\nprewarmed = 1\n';
  await using open = await startTestServer({ config, listen: "0.0.0.0:0" });
  await ask(open, "POST", "/v1/projects", { name: "other" });
  const { body } = await deploy(open, "f", "export const m = () => 1; export default () => new Response('f');", {
    routes: ["GET /f"],
  });
  const key = async (project: string, scopes: string[]) =>
    (await ask(open, "POST", `/v1/projects/${project}/keys`, { scopes })).body.key;
  const calls = (headers: Record<string, string>) => [
    fetch(`${open.url}/f`, { headers: { ...headers, "isopod-version": body.short } }),
    fetch(`${open.url}/x`, { headers: { ...headers, host: `${body.short}--f.localhost` } }),
    fetch(`${open.url}/rpc/f`, { method: "POST", headers, body: '{"jsonrpc":"2.0","method":"m","id":1}' }),
  ];
  const statuses = async (headers: Record<string, string>) =>
    (await Promise.all(calls(headers))).map(({ status }) => status);
  expect(await statuses({})).toEqual([403, 403, 403]);
  expect(await statuses(withKey(await key("other", ["invoke"])))).toEqual([403, 403, 403]);
  expect(await statuses(withKey(await key("default", ["deploy", "run"])))).toEqual([403, 403, 403]);
  expect(await statuses(withKey(await key("default", ["invoke"])))).toEqual([200, 200, 200]);
  expect((await fetch(`${open.url}/f`)).status).toBe(200);
});
