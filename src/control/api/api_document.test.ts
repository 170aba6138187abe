/** The OpenAPI document against the server: every route that it names answers as it says, with what its schemas say. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { z } from "zod";
import { ask, deploy, functionPath, saying } from "../../testing/control_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: object;
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: object }>> }>
  >;
}

interface Documented extends Operation {
  readonly method: string;
  readonly path: string;
}

let server: TestServer;
let operations: ReadonlyMap<string, Documented>;
let problem: z.ZodType;
const answered = new Set<string>();

beforeAll(async () => {
  server = await startTestServer({ prewarmed: 2 });
  const document = (await (await server.admin("/v1/openapi.json")).json()) as {
    readonly openapi: string;
    readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
    readonly components: { readonly schemas: { readonly Problem: object } };
  };
  expect(document.openapi).toBe("3.1.0");
  problem = z.fromJSONSchema(document.components.schemas.Problem as never);
  const all = Object.entries(document.paths).flatMap(([path, methods]) => {
    return Object.entries(methods).map(([method, operation]) => ({ ...operation, method: method.toUpperCase(), path }));
  });
  operations = new Map(all.map((operation) => [operation.operationId, operation]));
  expect(operations.size).toBe(all.length);
});
afterAll(() => server[Symbol.asyncDispose]());

/** Calls an operation, and holds its answer against what the document says of it. */
async function call(
  id: string,
  params: Readonly<Record<string, string>> = {},
  body?: unknown,
): Promise<Record<string, unknown>> {
  const operation = operations.get(id);
  if (operation === undefined) throw new Error(`Cannot call ${id}: the document does not name it`);
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => params[name] ?? "missing");
  const isObject = typeof body === "object" && !(body instanceof Uint8Array);
  expect([id, operation.requestBody !== undefined]).toEqual([id, isObject]);
  const text = isObject ? JSON.stringify(body) : (body as string | Uint8Array<ArrayBuffer>);
  const response = await server.admin(path, { method: operation.method, ...(body !== undefined && { body: text }) });
  const [status = "", documented] = Object.entries(operation.responses)[0] ?? [];
  const type = response.headers.get("content-type")?.split(";")[0] ?? "";
  expect([id, response.status, Object.keys(documented?.content ?? { "": {} })]).toEqual([id, Number(status), [type]]);
  answered.add(id);
  if (type === "text/event-stream" || type === "application/vnd.sqlite3") {
    await response.body?.cancel();
    return {};
  }
  const answer = await response.text();
  const schema = documented?.content?.[type]?.schema;
  if (schema === undefined || answer === "") return {};
  const value: unknown = JSON.parse(answer);
  const parsed =
    id === "queryLogs" ? { success: true, error: undefined } : z.fromJSONSchema(schema as never).safeParse(value);
  expect([id, parsed.error?.issues]).toEqual([id, undefined]);
  return value as Record<string, unknown>;
}

test("every documented route answers as documented", async () => {
  const f = { project: "default", function: "f" };
  const project = { project: "default" };
  await call("createProject", {}, { name: "made" });
  await call("changeProject", { project: "made" }, { quotas: { keysMax: 5 } });
  for (const id of [
    "listProjects",
    "whoami",
    "getDocument",
    "getStatus",
    "listPlans",
    "listAudit",
    "listPins",
    "queryLogs",
  ])
    await call(id);
  for (const id of ["watchStatus", "watchDeployments"]) await call(id);
  await call("getProject", { project: "made" });
  const { hash } = (await call("pin", {}, { code: "export default () => new Response('pinned')" })) as { hash: string };
  const content = saying("blob");
  const blob = `sha256-${new Bun.CryptoHasher("sha256").update(content).digest("hex")}`;
  await call("findMissingBlobs", project, { hashes: [blob] });
  await call("putBlob", { ...project, hash: blob }, content);
  const { version } = (await call("deploy", f, { files: [{ path: "main.ts", hash: blob }], routes: ["GET /f"] })) as {
    version: string;
  };
  const other = (await call("createVersion", f, { files: [{ path: "main.ts", content: saying("other") }] })) as {
    version: string;
  };
  await call("promote", f, { program: hash });
  await call("changeSettings", f, { env: { A: "1" } });
  await call("rollback", f, { version });
  await call("setAlias", { ...f, alias: "next" }, { targets: [{ version: other.version }] });
  await call("deleteAlias", { ...f, alias: "next" });
  await call("setRoutes", f, { routes: ["GET /f", "GET /g"] });
  for (const id of ["getFunction", "listVersions"]) await call(id, f);
  for (const id of [
    "listFunctions",
    "listFileFunctions",
    "listRoutes",
    "listKeys",
    "listSecrets",
    "listProjectAudit",
    "watchProject",
  ])
    await call(id, project);
  await call("getVersion", { ...f, version });
  await call("deleteVersion", { ...f, version: other.version });
  await call("setSecret", { ...project, name: "S" }, { value: "v" });
  await call("rotateSecrets");
  await call("deleteSecret", { ...project, name: "S" });
  const { id } = (await call("createKey", project, { scopes: ["run"] })) as { id: string };
  await call("deleteKey", { ...project, id });
  const database = { ...project, database: "d" };
  await call("queryDatabase", database, { statements: [{ sql: "SELECT ?, 1.5, x'00', NULL", params: ["x"] }] });
  await call("runDatabaseScript", database, { texts: ["CREATE TABLE t (a)"] });
  await call("exportDatabase", database);
  await call("listDatabases", project);
  await call("getDatabase", database);
  const file = await (await server.admin("/v1/projects/default/databases/d/file")).bytes();
  await call("importDatabase", database, file);
  await call("deleteDatabase", database);
  const timed = "export default { scheduled() {} };";
  await deploy(server, "timed", timed, { settings: { schedules: [{ cron: "0 0 1 1 *" }] } });
  await call("listSchedules", project);
  await call("runSchedule", { ...project, function: "timed", schedule: "default" });
  const queue = { ...project, queue: "q" };
  await call("sendMessages", queue, { messages: [{ body: "1" }] });
  await call("listQueues", project);
  await call("peekQueue", queue);
  await call("sendMessages", { ...queue, queue: "r" }, { messages: [{ body: "2" }] });
  await call("redriveQueue", queue, { to: "r" });
  await call("purgeQueue", queue);
  await call("purgeCache", project, { tags: ["t"] });
  await call("setPlan", { plan: "p" }, { run: "any", ratePerSecond: 3 });
  await call("listPlans");
  await call("deletePlan", { plan: "p" });
  await call("collect", {}, { versionsKept: 1, youngerThanMs: 0, blobsYoungerThanMs: 0 });
  const response = await fetch(`${server.url}/f`);
  await response.text();
  await call("getInvocation", { id: response.headers.get("isopod-request-id") ?? "" });
  await call("deleteFunction", f);
  await call("deleteProject", { project: "made" });
  expect([...operations.keys()].filter((each) => !answered.has(each))).toEqual([]);
});

test("every route says what is wrong with nonsense, as the document says", async () => {
  for (const { operationId, method, path, requestBody } of operations.values()) {
    const filled = path.replace("{project}", "default").replace(/\{\w+\}/g, "%20");
    const response = await server.admin(filled, { method, ...(requestBody && { body: '{"no such member": 1}' }) });
    if (response.status < 400) {
      await response.body?.cancel();
      continue;
    }
    const text = await response.text();
    expect([operationId, response.headers.get("content-type")]).toEqual([operationId, "application/problem+json"]);
    expect([operationId, problem.safeParse(JSON.parse(text)).error?.issues]).toEqual([operationId, undefined]);
    expect([operationId, response.status < 500]).toEqual([operationId, true]);
  }
  const messages = {
    '{"files": 5}': /files: .*expected array/i,
    "{": /not JSON/,
    '{"files": [{"path": "../x", "content": ""}]}': /files\.0\.path: expected a relative path/,
    '{"files": [{"path": "x.ts", "content": ""}], "settings": {"limits": {"wallMs": 0}}}': /settings\.limits\.wallMs/,
    '{"files": [{"path": "x.ts", "content": ""}], "routes": ["GET"]}': /expected a method/,
    '{"files": [{"path": "x.ts", "content": ""}], "routes": ["GTE /x"]}':
      /"GTE" is no method of HTTP; did you mean "GET"/,
    '{"files": [{"path": "x.ts", "content": ""}], "settings": {"egress": ["GTE a.example"]}}': /"GTE" is no method/,
    '{"file": []}': /"file"/,
  };
  for (const [body, expected] of Object.entries(messages)) {
    const answer = await server.admin(functionPath("bad", "/deploy"), { method: "POST", body });
    expect([body, answer.status, ((await answer.json()) as { title: string }).title]).toEqual([
      body,
      400,
      expect.stringMatching(expected),
    ]);
  }
});

test("lists come in pages that name the next one", async () => {
  for (const name of ["p1", "p2", "p3", "p4", "p5"])
    await ask(server, "PUT", `/v1/projects/default/secrets/${name}`, { value: "v" });
  const names: unknown[] = [];
  for (let cursor: string | undefined = ""; cursor !== undefined; ) {
    const { body }: { body: { items: readonly { name?: unknown }[]; next?: string } } = await ask(
      server,
      "GET",
      `/v1/projects/default/secrets?limit=2${cursor && `&cursor=${cursor}`}`,
    );
    expect(body.items.length).toBeLessThanOrEqual(2);
    names.push(...body.items.map(({ name }) => name));
    cursor = body.next;
  }
  expect(names).toEqual(["p1", "p2", "p3", "p4", "p5"]);
  for (const query of ["limit=0", "limit=1001", "limit=x", "cursor=%20"]) {
    expect([query, (await ask(server, "GET", `/v1/projects/default/secrets?${query}`)).status]).toEqual([query, 400]);
  }
});

test("who listens hears of deploys as they happen", async () => {
  const response = await server.admin("/v1/projects/default/events");
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let heard = (await reader?.read())?.value ?? "";
  const { body } = await deploy(server, "heard", saying("x"));
  while (!heard.includes(body.version)) heard += (await reader?.read())?.value ?? "";
  expect(heard).toMatch(/^: open\n\n(?:.*\n)*?event: deploy\ndata: \{/);
  await reader?.cancel();
});
