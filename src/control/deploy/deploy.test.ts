/** Deploys through the admin API of a real server: what is visible when, what is refused, and the way back. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { ask, deploy, functionPath, saying } from "../../testing/control_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

let server: TestServer;

beforeAll(async () => {
  const config = `[[functions]]\nname = "filed"\npath = "./f.ts"\nroutes = ["GET /filed"]\n`;
  server = await startTestServer({ config, files: { "f.ts": saying("of the file") }, prewarmed: 2 });
});
afterAll(() => server[Symbol.asyncDispose]());

const get = async (path: string, headers: Record<string, string> = {}) => {
  const response = await fetch(server.url + path, { headers });
  return `${response.status} ${await response.text()}`;
};

test("a deploy is served by the next request, the same again changes nothing, and a rollback takes it back", async () => {
  const first = await deploy(server, "hello", saying("one"), { routes: ["GET /hello"] });
  expect([first.status, first.body.unchanged, await get("/hello")]).toEqual([200, false, "200 one"]);
  const second = await deploy(server, "hello", saying("two"));
  expect(await get("/hello")).toBe("200 two");
  const audited = async () => (await ask(server, "GET", "/v1/projects/default/audit")).body.items.length;
  const before = await audited();
  const again = await deploy(server, "hello", saying("two"), { routes: ["GET /hello"] });
  expect([again.body.version, again.body.unchanged, again.etag]).toEqual([second.body.version, true, second.etag]);
  expect(await audited()).toBe(before);
  expect((await ask(server, "POST", functionPath("hello", "/rollback"))).status).toBe(200);
  expect(await get("/hello")).toBe("200 one");
  const none = await ask(server, "POST", functionPath("hello", "/rollback"));
  expect([none.status, none.body.error.code]).toEqual([404, "version_unknown"]);
  await ask(server, "POST", functionPath("hello", "/rollback"), { version: second.body.short });
  expect(await get("/hello")).toBe("200 two");
});

test("two rollbacks go back two", async () => {
  for (const text of ["a", "b", "c"]) await deploy(server, "steps", saying(text), { routes: ["GET /steps"] });
  const seen = [await get("/steps")];
  for (let step = 0; step < 2; step += 1) {
    await ask(server, "POST", functionPath("steps", "/rollback"));
    seen.push(await get("/steps"));
  }
  expect(seen).toEqual(["200 c", "200 b", "200 a"]);
  await deploy(server, "steps", saying("d"));
  await ask(server, "POST", functionPath("steps", "/rollback"));
  expect(await get("/steps")).toBe("200 a");
});

test.each([
  ["does not parse", "export default () => {\n  const = 1;\n};", 400, "syntax_error", 2],
  ["throws at its top level", "\nthrow new Error('at the top');\nexport default 1;", 422, "program_invalid", 2],
  ["lacks its export", "export const other = 1;", 422, "program_invalid", undefined],
  ["exports no function", "export default 5;", 422, "program_invalid", undefined],
  ["imports what is not there", 'import x from "./gone.ts"; export default x;', 400, "unresolved_import", undefined],
  ["imports a package", 'import x from "left-pad"; export default x;', 400, "unresolved_import", undefined],
  ["loops for ever", "for (;;); export default () => 1;", 422, "program_invalid", undefined],
])("a program that %s is refused and leaves nothing", async (what, code, status, name, line) => {
  const fn = `bad-${what.replaceAll(" ", "-")}`.slice(0, 40);
  const answer = await deploy(server, fn, code, { routes: ["GET /bad"], settings: { limits: { cpuMs: 200 } } });
  expect([answer.status, answer.body.error.code]).toEqual([status, name]);
  expect(answer.body.error.message).toStartWith(`Cannot deploy "${fn}": `);
  if (line !== undefined) expect(answer.body.error).toMatchObject({ line, column: expect.any(Number) });
  expect((await ask(server, "GET", functionPath(fn))).status).toBe(404);
  expect(await get("/bad")).toStartWith("404");
});

test("a refused deploy leaves what is served", async () => {
  await deploy(server, "kept", saying("good"), { routes: ["GET /kept"] });
  expect((await deploy(server, "kept", "throw 1")).status).toBe(422);
  expect(await get("/kept")).toBe("200 good");
});

test("several files are joined, a bundle with its map is taken as it is, contents are sent once", async () => {
  const lib = 'export const text = "joined"; export const fail = () => { throw new Error("in lib"); };';
  const main =
    'import { fail, text } from "./lib"; export default (r) => r.url.endsWith("?x") ? fail() : new Response(text);';
  const sha = (text: string) => `sha256-${new Bun.CryptoHasher("sha256").update(text).digest("hex")}`;
  const files = [
    { path: "main.ts", hash: sha(main) },
    { path: "lib.ts", hash: sha(lib) },
  ];
  const refused = await ask(server, "POST", functionPath("joined", "/deploy"), { files, routes: ["GET /joined"] });
  expect([refused.status, refused.body.error.code]).toEqual([422, "blobs_missing"]);
  for (const text of [main, lib]) {
    const put = await server.admin(`/v1/projects/default/blobs/${sha(text)}`, { method: "PUT", body: text });
    expect(put.status).toBe(200);
  }
  const wrong = await server.admin(`/v1/projects/default/blobs/${sha("other")}`, { method: "PUT", body: main });
  expect(wrong.status).toBe(422);
  const done = await ask(server, "POST", functionPath("joined", "/deploy"), { files, routes: ["GET /joined"] });
  expect([done.status, await get("/joined")]).toEqual([200, "200 joined"]);
  expect(await get("/joined?x")).toContain('"line":1');
});

test("a form brings files as they are", async () => {
  const form = new FormData();
  form.set("deploy", JSON.stringify({ routes: ["GET /form"] }));
  form.append("files", new File([saying("from a form")], "index.ts"));
  const response = await server.admin(functionPath("form", "/deploy"), { method: "POST", body: form });
  expect([response.status, await get("/form")]).toEqual([200, "200 from a form"]);
});

test("two deploys at once both succeed, one of them is current, and If-Match tells who was late", async () => {
  const routes = ["GET /race"];
  await deploy(server, "race", saying("0"), { routes });
  const answers = await Promise.all(
    ["1", "2", "3", "4"].map((text) => deploy(server, "race", saying(text), { routes })),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  const versions = (await ask(server, "GET", functionPath("race", "/versions"))).body.items;
  expect(versions).toHaveLength(5);
  const { body, etag } = await ask(server, "GET", functionPath("race"));
  const current = body.aliases["production"]?.targets[0]?.version;
  const at = answers.findIndex((answer) => answer.body.version === current);
  expect(await get("/race")).toBe(`200 ${at + 1}`);
  const tagged = (text: string) => deploy(server, "race", saying(text), { headers: { "if-match": etag } });
  const both = await Promise.all([tagged("5"), tagged("6")]);
  expect(both.map(({ status }) => status).sort()).toEqual([200, 412]);
  expect((await tagged("7")).body.error.code).toBe("changed_meanwhile");
});

test("routes are one function's; who has one is named; a route that is given up is free", async () => {
  await deploy(server, "owner", saying("owner"), { routes: ["GET /owned/:id", "ANY api.example.com/*"] });
  const taken = async (route: string) =>
    (await deploy(server, "other", saying("other"), { routes: [route] })).body.error;
  expect(await taken("GET /owned/:name")).toMatchObject({
    code: "route_taken",
    message: 'Cannot deploy "other": route GET /owned/:name is taken by function "owner"',
  });
  expect((await taken("ANY API.example.com/*")).message).toContain('"owner"');
  expect((await taken("GET /filed")).message).toContain('function "filed" of the configuration file');
  expect((await taken("GET /run/x")).message).toContain("the server itself");
  expect((await taken("POST /rpc/x")).message).toContain("the server itself");
  expect((await taken("FETCH")).code).toBe("bad_request");
  await deploy(server, "accents", saying("é"), { routes: ["GET /é/(x)", "GET /c/../d"] });
  for (const same of ["GET /%C3%A9/(x)", "GET /d", "GET /é/(x)/"])
    expect([same, (await taken(same)).code]).toEqual([same, "route_taken"]);
  expect(await get("/d")).toBe("200 é");
  expect((await deploy(server, "filed", saying("x"))).body.error.code).toBe("name_taken");
  expect((await deploy(server, "other", saying("other"), { routes: ["POST /owned/:id"] })).status).toBe(200);
  await ask(server, "PUT", functionPath("owner", "/routes"), { routes: ["GET /elsewhere"] });
  expect(await get("/elsewhere")).toBe("200 owner");
  const moved = await deploy(server, "other", saying("other"), { routes: ["GET /owned/:id"] });
  expect([moved.status, await get("/owned/1")]).toEqual([200, "200 other"]);
});

test("of several functions that want one route at once, one gets it", async () => {
  const names = ["w1", "w2", "w3", "w4"];
  const answers = await Promise.all(
    names.map((name) => deploy(server, name, saying(name), { routes: ["GET /wanted"] })),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409]);
  expect(await get("/wanted")).toBe(`200 ${names[answers.findIndex(({ status }) => status === 200)]}`);
});

test("a body that would stop the server is refused unread", async () => {
  const answer = await server.admin(functionPath("big", "/deploy"), {
    method: "POST",
    body: `[${"[],".repeat(1_000_000)}1]`,
  });
  expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining("more than 50000 values")]);
});

test("settings make another version of the same files", async () => {
  const code = "export default (r, env) => Response.json(env);";
  const first = await deploy(server, "set", code, { routes: ["GET /set"], settings: { env: { A: "1", B: "2" } } });
  expect(await get("/set")).toBe('200 {"A":"1","B":"2"}');
  const changed = await ask(server, "PATCH", functionPath("set", "/settings"), { env: { B: null, C: "3" } });
  expect([changed.status, await get("/set")]).toEqual([200, '200 {"A":"1","C":"3"}']);
  expect(changed.body.version).not.toBe(first.body.version);
  await ask(server, "PATCH", functionPath("set", "/settings"), { env: { B: "2", C: null } });
  expect((await ask(server, "GET", functionPath("set"))).body.aliases["production"]?.targets[0]?.version).toBe(
    first.body.version,
  );
});

test("a function that is deleted answers no more, and its name and routes are free", async () => {
  await deploy(server, "gone", saying("there"), { routes: ["GET /gone"] });
  expect((await ask(server, "DELETE", functionPath("gone"), undefined, { "if-match": '"1"' })).status).toBe(412);
  expect((await ask(server, "DELETE", functionPath("gone"))).status).toBe(204);
  expect(await get("/gone")).toStartWith("404");
  expect((await ask(server, "DELETE", functionPath("gone"))).status).toBe(404);
  expect((await deploy(server, "heir", saying("heir"), { routes: ["GET /gone"] })).status).toBe(200);
});
