/** Projects, keys, secrets and plans through the admin API: who gets where, and what is never shown. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type ApiAnswer, ask, deploy, functionPath, saying, withKey } from "../../testing/control_client.ts";
import { askLogs, logsOf } from "../../testing/log_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ config: '[plans.anonymous]\nrun = "any"\n[plans.filed]\nrun = "any"\n' });
  for (const name of ["a", "b"]) await ask(server, "POST", "/v1/projects", { name });
});
afterAll(() => server[Symbol.asyncDispose]());

async function keyOf(project: string, scopes: readonly string[], more: object = {}): Promise<string> {
  const { status, body } = await ask(server, "POST", `/v1/projects/${project}/keys`, { scopes, ...more });
  expect(status).toBe(201);
  return body.key;
}

interface Document {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly operationId: string; readonly "x-access": unknown }>>>
  >;
}

async function everyRoute(): Promise<{ method: string; path: string; id: string; access: unknown }[]> {
  const document = (await (await server.admin("/v1/openapi.json")).json()) as Document;
  return Object.entries(document.paths).flatMap(([path, methods]) => {
    return Object.entries(methods).map(([method, operation]) => {
      return { method: method.toUpperCase(), path, id: operation.operationId, access: operation["x-access"] };
    });
  });
}

const fill = (path: string, project: string) =>
  path
    .replace("{project}", project)
    .replace("{hash}", `sha256-${"0".repeat(64)}`)
    .replace(/\{\w+\}/g, "f");

test("no request without a credential gets in, whatever it asks, except /healthz", async () => {
  const routes = await everyRoute();
  expect(routes.length).toBeGreaterThan(35);
  for (const { method, path } of [
    ...routes,
    { method: "GET", path: "/metrics" },
    { method: "GET", path: "/status" },
    { method: "GET", path: "/v1/none" },
  ]) {
    for (const credential of [undefined, "Bearer wrong", `Basic ${server.token}`]) {
      const headers = credential === undefined ? {} : { authorization: credential };
      const response = await fetch(server.adminUrl + fill(path, "a"), { method, headers });
      expect([method, path, credential, response.status]).toEqual([method, path, credential, 401]);
      await response.body?.cancel();
    }
  }
  expect(await (await fetch(`${server.adminUrl}/healthz`)).text()).toBe("ok\n");
});

test("a key of one project gets nowhere in another, nor at the server, by any route of the API", async () => {
  await deploy(server, "f", saying("of b"), { project: "b" });
  const key = await keyOf("a", ["admin", "deploy", "invoke", "run", "logs"]);
  const untouched = await snapshotOf("b");
  let foreign = 0;
  for (const { method, path, id, access } of await everyRoute()) {
    if (access === "anyone") continue;
    const body = method === "GET" || method === "DELETE" ? undefined : "{}";
    const response = await server.admin(fill(path, "b"), { method, body: body ?? null, headers: withKey(key) });
    if (id === "queryLogs")
      expect([id, (await server.admin("/v1/logs?project=b", { headers: withKey(key) })).status]).toEqual([id, 403]);
    else {
      expect([id, response.status]).toEqual([id, 403]);
      foreign += 1;
    }
    await response.body?.cancel();
  }
  expect(foreign).toBeGreaterThan(30);
  expect(await snapshotOf("b")).toEqual(untouched);
  const { body } = await ask(server, "GET", "/v1/projects", undefined, withKey(key));
  expect(body.items.map(({ name }) => name)).toEqual(["a"]);
  const whoami = (await (await server.admin("/v1/whoami", { headers: withKey(key) })).json()) as object;
  expect(whoami).toMatchObject({ project: "a" });
});

async function snapshotOf(project: string): Promise<unknown> {
  const paths = ["", "/functions", "/keys", "/secrets"].map((rest) => `/v1/projects/${project}${rest}`);
  return Promise.all(paths.map(async (path) => (await ask(server, "GET", path)).body));
}

test("a scope opens its part and no other", async () => {
  await deploy(server, "scoped", saying("x"), { project: "a" });
  const may = async (scopes: string[]): Promise<string> => {
    const headers = withKey(await keyOf("a", scopes));
    const tries: Record<string, () => Promise<ApiAnswer>> = {
      read: () => ask(server, "GET", functionPath("scoped", "", "a"), undefined, headers),
      deploy: () => deploy(server, "scoped", saying("x"), { project: "a", headers }),
      secret: () => ask(server, "PUT", "/v1/projects/a/secrets/S", { value: "v" }, headers),
      key: () => ask(server, "POST", "/v1/projects/a/keys", { scopes: ["run"] }, headers),
      logs: () => ask(server, "GET", "/v1/logs", undefined, headers),
      plan: () => ask(server, "PUT", "/v1/plans/p", {}, headers),
      pin: () => ask(server, "POST", "/v1/pins", { code: "1" }, headers),
      run: async () => ({
        ...(await ask(server, "GET", "/v1/whoami", undefined, headers)),
        status: (await server.run("1", { headers })).status,
      }),
    };
    const opened: string[] = [];
    for (const [name, attempt] of Object.entries(tries)) if ((await attempt()).status < 300) opened.push(name);
    return opened.join(" ");
  };
  expect(await may(["deploy"])).toBe("read deploy");
  expect(await may(["logs"])).toBe("read logs");
  expect(await may(["run"])).toBe("run");
  expect(await may(["invoke"])).toBe("");
  expect(await may(["admin"])).toBe("read deploy secret key logs run");
});

test("a key is shown once, expires, and opens nothing when it is deleted", async () => {
  const expiresAt = Date.now() + 400;
  const made = await ask(server, "POST", "/v1/projects/a/keys", {
    scopes: ["run", "deploy"],
    expiresAt,
    name: "short",
  });
  const headers = withKey(made.body.key);
  expect((await server.run("console.log(1)", { headers })).status).toBe(200);
  const listed = (await ask(server, "GET", "/v1/projects/a/keys")).body;
  expect(JSON.stringify(listed)).not.toContain(made.body.key);
  expect(listed.items).toContainEqual(
    expect.objectContaining({ prefix: made.body.key.slice(0, 13), name: "short", id: made.body.id }),
  );
  while (Date.now() <= expiresAt) await server.admin("/v1/whoami");
  expect((await server.run("1", { headers })).status).toBe(401);
  expect((await ask(server, "GET", "/v1/whoami", undefined, headers)).status).toBe(401);
  const other = await ask(server, "POST", "/v1/projects/a/keys", { scopes: ["run"] });
  expect((await ask(server, "DELETE", `/v1/projects/a/keys/${other.body.id}`)).status).toBe(204);
  expect((await server.run("1", { headers: withKey(other.body.key) })).status).toBe(401);
  for (const wrong of [
    { scopes: [] },
    { scopes: ["root"] },
    { scopes: ["run"], plan: "none" },
    { scopes: ["run"], expiresAt: 1 },
  ]) {
    expect((await ask(server, "POST", "/v1/projects/a/keys", wrong)).status).toBe(400);
  }
});

test("a function never sees a key of ours, and a key of another project counts as none", async () => {
  await deploy(server, "echo", "export default (r) => new Response(r.headers.get('authorization'));", {
    routes: ["GET /echo"],
  });
  const seen = async (headers: Record<string, string>) => (await fetch(`${server.url}/echo`, { headers })).text();
  for (const key of [
    await keyOf("default", ["invoke"]),
    await keyOf("a", ["invoke"]),
    await keyOf("default", ["logs"]),
  ]) {
    expect(await seen(withKey(key))).toBe("");
  }
  expect(await seen({ authorization: "Bearer somebody's own" })).toBe("Bearer somebody's own");
});

test("secrets reach the function, never the API, the audit or the disk; a new value is there at once", async () => {
  const value = "s3cr3t-value-one";
  expect(
    (await deploy(server, "sec", "export default 1", { settings: { secrets: [{ binding: "T", name: "TOKEN" }] } }))
      .status,
  ).toBe(400);
  expect((await ask(server, "PUT", "/v1/projects/default/secrets/TOKEN", { value })).status).toBe(204);
  const settings = { secrets: [{ binding: "T", name: "TOKEN" }], env: {} };
  const first = await deploy(server, "sec", "export default (r, env) => new Response(env.T);", {
    routes: ["GET /sec"],
    settings,
  });
  const get = async () => (await fetch(`${server.url}/sec`)).text();
  expect(await get()).toBe(value);
  await ask(server, "PUT", "/v1/projects/default/secrets/TOKEN", { value: "s3cr3t-value-two" });
  expect(await get()).toBe("s3cr3t-value-two");
  expect((await ask(server, "GET", functionPath("sec", `/versions/${first.body.short}`))).status).toBe(200);
  const paths = [
    "/v1/projects/default/secrets",
    functionPath("sec"),
    functionPath("sec", "/versions"),
    "/v1/audit?limit=1000",
    "/status",
  ];
  for (const path of paths)
    expect([path, await (await server.admin(path)).text()]).toEqual([path, expect.not.stringContaining("s3cr3t")]);
  for (const file of filesBelow(server.directory)) {
    expect([file, readFileSync(file).includes("s3cr3t-value")]).toEqual([file, false]);
  }
  const used = await ask(server, "DELETE", "/v1/projects/default/secrets/TOKEN");
  expect([used.status, used.body.error.code]).toEqual([409, "in_use"]);
  const other = await deploy(server, "sec", "export default 1", { project: "a", settings });
  expect(other.body.error.message).toContain('project "a" has no secret "TOKEN"');
  expect(statSync(join(server.directory, "data/secrets-key")).mode & 0o777).toBe(0o600);
});

function filesBelow(directory: string): string[] {
  const all = readdirSync(directory, { recursive: true, withFileTypes: true });
  return all.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

test("quotas and limits of a project hold, and are named", async () => {
  const quotas = { functionsMax: 1, versionsMax: 2, secretsMax: 1, keysMax: 1, routesMax: 1, versionBytesMax: 100 };
  await ask(server, "POST", "/v1/projects", { name: "small", quotas, limits: { wallMs: 100 } });
  const project = "small";
  const struck = async (answer: Promise<ApiAnswer>) => {
    const { status, body } = await answer;
    return status === 403 ? [body.error.code, body.error.limit?.name] : status;
  };
  const loops = "export default async () => { await new Promise(() => {}); };";
  expect(await struck(deploy(server, "one", loops, { project, routes: ["GET /small"] }))).toBe(200);
  expect(await struck(deploy(server, "two", saying("1"), { project }))).toEqual(["quota_exceeded", "functionsMax"]);
  expect(await struck(deploy(server, "one", saying("1"), { project, routes: ["GET /s1", "GET /s2"] }))).toEqual([
    "quota_exceeded",
    "routesMax",
  ]);
  expect(await struck(deploy(server, "one", saying("2"), { project }))).toEqual(["quota_exceeded", "versionsMax"]);
  expect(await struck(deploy(server, "one", saying("x".repeat(100)), { project }))).toEqual([
    "quota_exceeded",
    "versionBytesMax",
  ]);
  const secret = (name: string) => ask(server, "PUT", `/v1/projects/small/secrets/${name}`, { value: "v" });
  expect([await struck(secret("A")), await struck(secret("B"))]).toEqual([204, ["quota_exceeded", "secretsMax"]]);
  const key = () => ask(server, "POST", "/v1/projects/small/keys", { scopes: ["run"] });
  expect([await struck(key()), await struck(key())]).toEqual([201, ["quota_exceeded", "keysMax"]]);
  await ask(server, "POST", functionPath("one", "/rollback", project), {});
  const response = await fetch(`${server.url}/small`);
  expect([response.status, await response.text()]).toEqual([504, expect.stringContaining('"value":100')]);
  expect((await ask(server, "DELETE", "/v1/projects/small")).body.error.code).toBe("in_use");
});

test("projects and plans come and go; those in use and those of the file stay", async () => {
  expect((await ask(server, "POST", "/v1/projects", { name: "a" })).body.error.code).toBe("name_taken");
  for (const name of ["A", "a--b", "-a", "x".repeat(41), ""])
    expect((await ask(server, "POST", "/v1/projects", { name })).status).toBe(400);
  await ask(server, "POST", "/v1/projects", { name: "brief" });
  expect((await ask(server, "DELETE", "/v1/projects/brief")).status).toBe(204);
  expect((await ask(server, "GET", "/v1/projects/brief")).status).toBe(404);
  expect((await ask(server, "DELETE", "/v1/projects/default")).body.error.code).toBe("in_use");

  expect((await ask(server, "PUT", "/v1/plans/filed", {})).body.error.code).toBe("name_taken");
  expect((await ask(server, "PUT", "/v1/plans/tight", { run: "any", limits: { wallMs: 50 } })).status).toBe(204);
  const key = await keyOf("default", ["run"], { plan: "tight" });
  expect((await server.run("await new Promise((r) => setTimeout(r, 5000));", { headers: withKey(key) })).status).toBe(
    504,
  );
  expect((await ask(server, "DELETE", "/v1/plans/tight")).body.error.code).toBe("in_use");
  const { items } = (await ask(server, "GET", "/v1/plans")).body;
  expect(items.map(({ name, ofFile }) => [name, ofFile])).toEqual([
    ["anonymous", true],
    ["filed", true],
    ["tight", false],
  ]);
  expect((await ask(server, "PUT", "/v1/plans/brief", { ratePerSecond: 5 })).status).toBe(204);
  expect((await ask(server, "DELETE", "/v1/plans/brief")).status).toBe(204);
});

test("the audit says who did what, and a project sees its own", async () => {
  const key = await keyOf("b", ["deploy", "admin"]);
  await deploy(server, "audited", saying("x"), { project: "b", headers: withKey(key) });
  const own = (await ask(server, "GET", "/v1/projects/b/audit", undefined, withKey(key))).body.items;
  expect(own[0]).toMatchObject({ action: "deploy", what: "audited", who: key.slice(0, 13), project: "b" });
  expect(new Set(own.map(({ project }) => project))).toEqual(new Set(["b"]));
  const first = await ask(server, "GET", "/v1/audit?limit=3");
  const second = await ask(server, "GET", `/v1/audit?limit=3&cursor=${first.body.next}`);
  const whole = await ask(server, "GET", "/v1/audit?limit=6");
  expect([...first.body.items, ...second.body.items]).toEqual([...whole.body.items]);
  expect(whole.body.items.map(({ at }) => at)).toEqual(
    [...whole.body.items.map(({ at }) => Number(at))].sort((x, y) => y - x),
  );
});

test("a key reads the log of its project, and no other", async () => {
  const code = "export default () => { console.log('said by a'); return new Response('x'); };";
  await deploy(server, "talks", code, { project: "a", routes: ["GET /talks"] });
  const response = await fetch(`${server.url}/talks`);
  await response.text();
  const own = { admin: (path: string) => server.admin(path, { headers: withKey(keys.a) }) };
  const keys = { a: await keyOf("a", ["logs"]), b: await keyOf("b", ["logs"]) };
  const lines = await logsOf(own, response);
  expect(lines.map((line) => "text" in line && line.text)).toContain("said by a");
  const other = { admin: (path: string) => server.admin(path, { headers: withKey(keys.b) }) };
  expect(JSON.stringify(await askLogs(other, { limit: "1000" }))).not.toContain("said by a");
});

test("a key gives nothing that it does not have, and reaches nothing inside", async () => {
  const headers = withKey(await keyOf("b", ["admin"]));
  const make = (body: object) => ask(server, "POST", "/v1/projects/b/keys", { scopes: ["run"], ...body }, headers);
  expect((await make({ plan: "filed" })).body.error.code).toBe("forbidden");
  expect((await make({ mayPin: true })).body.error.code).toBe("forbidden");
  expect((await make({})).status).toBe(201);
  const reach = async (rule: string, more: object = { headers }) =>
    (await deploy(server, "reach", saying("x"), { project: "b", settings: { egress: [rule] }, ...more })).status;
  for (const inside of ["localhost:8081", "127.0.0.1:*", "10.0.0.0/8", "http://[::1]:80"])
    expect([inside, await reach(inside)]).toEqual([inside, 403]);
  expect([await reach("api.example.com"), await reach("*"), await reach("10.1.2.3:80", {})]).toEqual([200, 200, 200]);
  await ask(server, "PATCH", "/v1/projects/b", { egressInside: ["10.1.2.3:80"] });
  expect([await reach("10.1.2.3:80"), await reach("10.1.2.4:80")]).toEqual([200, 403]);
});
