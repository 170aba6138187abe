/** Secrets, keys, plans, projects and the audit by the command line, against a real server. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { type CommandOptions, isopod } from "../testing/command_line.ts";
import { ask, deploy } from "../testing/control_client.ts";
import { startTestServer, type TestServer } from "../testing/server.ts";

let server: TestServer;
let env: Record<string, string>;

beforeAll(async () => {
  const config = '[plans.anonymous]\nrun = "none"\n[plans.filed]\nrun = "any"\nwall_ms = 2500\nmemory_mb = 64\n';
  server = await startTestServer({ config });
  env = { ISOPOD_URL: server.adminUrl, ISOPOD_DATA: join(server.directory, "data"), TZ: "UTC" };
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const run = (args: readonly string[], options: CommandOptions = {}) => isopod(args, { env, ...options });
const json = async (...args: string[]) => JSON.parse((await run([...args, "--json"])).stdout);

async function refused(code: number, text: string, args: readonly string[], options?: CommandOptions): Promise<void> {
  const end = await run(args, options);
  expect([args, end.code, end.stdout]).toEqual([args, code, ""]);
  expect(end.stderr).toContain(text);
}

/** The names that the API's document has in a member of a body. */
async function namesOf(method: string, path: string, member: string): Promise<string[]> {
  const { paths } = (await (await server.admin("/v1/openapi.json")).json()) as {
    paths: Record<string, Record<string, { requestBody: { content: Record<string, { schema: Schema }> } }>>;
  };
  const schema = paths[path]?.[method]?.requestBody.content["application/json"]?.schema;
  return Object.keys(schema?.properties?.[member]?.properties ?? {}).sort();
}

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
}

test("a secret comes from standard input, reaches functions, and is shown nowhere", async () => {
  expect((await run(["secret", "list"])).stdout).toContain("has no secrets");
  const set = await run(["secret", "set", "TOKEN"], { stdin: "first value\n" });
  expect(set).toEqual({ code: 0, stdout: "TOKEN is set in project default\n", stderr: "" });
  const code = "export default (request, env) => new Response(env.TOKEN);";
  await deploy(server, "teller", code, { settings: { secrets: [{ binding: "TOKEN", name: "TOKEN" }] } });
  expect((await run(["invoke", "teller"])).stdout).toBe("first value");
  expect(JSON.parse((await run(["secret", "set", "TOKEN", "--json"], { stdin: "two\nlines" })).stdout)).toEqual({
    ...{ name: "TOKEN", project: "default" },
  });
  expect((await run(["invoke", "teller"])).stdout).toBe("two\nlines");
  const list = await run(["secret", "list"]);
  expect(list.stdout).toMatch(/^name +set +used by\nTOKEN +.* teller\n$/);
  expect(await json("secret", "list")).toMatchObject([{ name: "TOKEN", usedBy: ["teller"] }]);
  expect((await run(["secret", "rotate"])).stdout).toBe("All are encrypted with the first key already\n");
  await refused(6, "TOKEN", ["secret", "delete", "TOKEN", "--yes"]);
  await run(["secret", "set", "SPARE"], { stdin: "x" });
  expect((await run(["secret", "delete", "SPARE", "--yes"])).stdout).toBe("SPARE is deleted\n");
  await refused(5, "SPARE", ["secret", "delete", "SPARE", "--yes"]);
});

test("a secret that cannot be one is refused, and never taken from the arguments", async () => {
  await refused(2, "standard input is empty", ["secret", "set", "NONE"]);
  await refused(1, 'expected letters, digits and "_"', ["secret", "set", "no-dash"], { stdin: "x" });
  await refused(2, "too many arguments", ["secret", "set", "NAME", "typed-value"], { stdin: "x" });
});

/** What a terminal shows of a command that is given `answer` once it has asked. */
async function answered(args: readonly string[], question: string, answer: string): Promise<string> {
  let shown = "";
  const asked = Promise.withResolvers<void>();
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "main.ts"), ...args], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    terminal: {
      cols: 80,
      rows: 24,
      data(_terminal, bytes) {
        shown += new TextDecoder().decode(bytes);
        if (shown.includes(question)) asked.resolve();
      },
    },
  });
  await asked.promise;
  child.terminal?.write(answer);
  expect(await child.exited).toBe(0);
  child.terminal?.close();
  return shown;
}

test("on a terminal a secret's value is asked for and not echoed", async () => {
  const shown = await answered(["secret", "set", "TYPED"], "it is not shown): ", "hush\u007f\u007fsh!\r");
  expect(shown).toContain("TYPED is set in project default");
  expect(shown).not.toContain("hu");
  await deploy(server, "typed", "export default (request, env) => new Response(env.TYPED);", {
    settings: { secrets: [{ binding: "TYPED", name: "TYPED" }] },
  });
  expect((await run(["invoke", "typed"])).stdout).toBe("hush!");
});

test("a key is made with scopes, opens what they say, is listed by its beginning, and revoked", async () => {
  const made = await run(["keys", "create", "--scopes", "logs, deploy", "--name", "ci", "--expires", "90d"]);
  const key = made.stdout.trim();
  expect(key).toMatch(/^isopod_\S+$/);
  expect(made.stderr).toMatch(
    /^It is shown this once. It opens logs, deploy in project default until \d{4}-.*Z; its plan is anonymous.\n$/,
  );
  const asKey = { env: { ...env, ISOPOD_TOKEN: key } };
  expect((await run(["logs", "-n", "1"], asKey)).code).toBe(0);
  await refused(4, "this takes admin", ["keys", "list"], asKey);
  const list = (await run(["keys", "list"])).stdout;
  expect(list).toMatch(new RegExp(`\n${key.slice(0, 13)} +[0-9a-f]{16} +logs,deploy +anonymous +.*ci\n`));
  expect(list).not.toContain(key);
  const other = await json("keys", "create", "--scopes", "run", "--plan", "filed", "--may-pin");
  expect(other).toMatchObject({ plan: "filed", scopes: ["run"], mayPin: true, key: expect.any(String) });
  await refused(5, 'There is no key "nobody"', ["keys", "revoke", other.id, "nobody"]);
  expect(await json("keys", "list")).toHaveLength(2);
  expect((await run(["keys", "revoke", key, "--yes"])).stdout).toBe(`${key.slice(0, 13)} (ci) is revoked\n`);
  await refused(4, "unauthorized", ["logs"], asKey);
  expect(await json("keys", "revoke", other.id, "--yes")).toEqual({ revoked: [other.id] });
});

test("what no command brings back is not taken away unasked", async () => {
  await run(["secret", "set", "KEPT"], { stdin: "x" });
  const { id } = await json("keys", "create", "--scopes", "logs");
  await run(["plans", "set", "kept"]);
  await run(["projects", "create", "kept"]);
  await deploy(server, "kept", "export default () => new Response();");
  for (const args of [
    ["secret", "delete", "KEPT"],
    ["keys", "revoke", id],
    ["plans", "delete", "kept"],
    ["projects", "delete", "kept"],
    ["alias", "kept", "production", "--delete"],
    ["queues", "purge", "kept"],
  ]) {
    const end = await run(args);
    expect([args, end.code, end.stdout]).toEqual([args, 2, ""]);
    expect(end.stderr).toMatch(
      /Cannot ask whether to \w+ .*: this is no terminal\n {2}→ add --yes to \w+ it unasked\n$/,
    );
  }
  expect(await json("secret", "list")).toContainEqual(expect.objectContaining({ name: "KEPT" }));
  expect(await json("keys", "list")).toContainEqual(expect.objectContaining({ id }));
  const purged = await run(["queues", "purge", "kept", "--yes"]);
  expect(purged.stdout).toBe("0 messages have left kept\n");
});

test("on a terminal it is asked, and only yes does it", async () => {
  await run(["plans", "set", "asked"]);
  expect(await answered(["plans", "delete", "asked"], "(y/N) ", "\r")).toContain("Nothing is changed");
  expect(await answered(["plans", "delete", "asked"], "(y/N) ", "y\r")).toContain("Plan asked is deleted");
});

test("a key without scopes needs no server; what only a server can give says so", async () => {
  const nowhere = { env: { ISOPOD_URL: "http://127.0.0.1:1" } };
  expect((await run(["keys", "create", "--plan", "paid"], nowhere)).stdout).toContain(
    '\n[[keys]]\nplan = "paid"\nhash = "sha256-',
  );
  await refused(2, "with --expires and without --scopes", ["keys", "create", "--expires", "1d"], nowhere);
  await refused(2, "with --aws and without --scopes", ["keys", "create", "--aws"], nowhere);
  const signing = await run(["keys", "create", "--scopes", "invoke", "--aws"]);
  expect(signing.stdout).toMatch(
    /^isopod_\S+\nAWS_ACCESS_KEY_ID=ISOPOD[0-9A-F]{16}\nAWS_SECRET_ACCESS_KEY=[\w+/]{40}\n$/,
  );
  await run(["keys", "revoke", signing.stdout.split("\n")[0] ?? "", "--yes"]);
  await refused(2, 'Cannot read --expires "soon"', ["keys", "create", "--scopes", "run", "--expires", "soon"]);
  await refused(1, 'scopes.0: expected "deploy", "invoke", "run", "logs" or "admin", not "everything"', [
    "keys",
    "create",
    "--scopes",
    "everything",
  ]);
  await refused(1, 'There is no plan "gold"', ["keys", "create", "--scopes", "run", "--plan", "gold"]);
});

test("a plan is made, changed in part, and deleted; one of the file is changed there", async () => {
  const all = ["wall_ms=3000", "cpu_ms=100", "memory_mb=64", "body_mb=1", "response_mb=2", "log_kb=3", "subrequests=4"];
  const limits = [...all, "subrequest_mb=5", "concurrency=6"].flatMap((each) => ["--limit", each]);
  const made = await json(
    "plans",
    "set",
    "paid",
    "--run",
    "any",
    "--rate",
    "2.5/s",
    "--egress",
    "api.example.com",
    ...limits,
  );
  const MB = 1024 * 1024;
  expect(made).toMatchObject({
    ...{ name: "paid", run: "any", ratePerSecond: 2.5, egress: ["api.example.com"], ofFile: false },
    limits: {
      ...{ wallMs: 3000, cpuMs: 100, memoryBytes: 64 * MB, bodyBytesMax: MB, responseBytesMax: 2 * MB },
      ...{ logBytesMax: 3 * 1024, subrequestsMax: 4, subrequestBytesMax: 5 * MB, concurrencyMax: 6 },
    },
  });
  expect(Object.keys(made.limits).sort()).toEqual(await namesOf("put", "/v1/plans/{plan}", "limits"));
  const show = (await run(["plans", "set", "paid", "--limit", "wall_ms=50", "--egress", ""])).stdout;
  expect(show).toContain("  run      any\n  rate     2.5/s\n  limits   wall_ms=50 cpu_ms=100 memory_mb=64");
  expect(show).toContain("  egress   none\n");
  expect((await run(["plans", "show", "paid"])).stdout).toBe(show);
  expect((await json("plans", "set", "paid", "--rate", "none")).ratePerSecond).toBeUndefined();
  expect((await run(["plans", "list"])).stdout).toMatch(/\nfiled +any +- +wall_ms=2500 memory_mb=64 +- +file\n/);
  await refused(2, 'Cannot read --limit "speed=1": expected NAME=NUMBER', [
    "plans",
    "set",
    "paid",
    "--limit",
    "speed=1",
  ]);
  await refused(2, 'Cannot read --rate "fast"', ["plans", "set", "paid", "--rate", "fast"]);
  await refused(6, "filed", ["plans", "set", "filed", "--run", "none"]);
  await refused(5, 'There is no plan "gold"', ["plans", "show", "gold"]);
  const { id } = await json("keys", "create", "--scopes", "run", "--plan", "paid");
  await refused(6, "paid", ["plans", "delete", "paid", "--yes"]);
  await run(["keys", "revoke", id, "--yes"]);
  expect((await run(["plans", "delete", "paid", "--yes"])).stdout).toBe("Plan paid is deleted\n");
});

test("a project is made, changed in part, has its own secrets, and is deleted when it is empty", async () => {
  const made = await json("projects", "create", "shop", "--limit", "memory_mb=64", "--quota", "secrets=1");
  expect(made).toMatchObject({ name: "shop", limits: { memoryBytes: 64 * 1024 * 1024 }, quotas: { secretsMax: 1 } });
  const all = [
    "functions=2",
    "versions=3",
    "version_mb=4",
    "keys=5",
    "routes=6",
    "kv_mb=7",
    "blob_mb=9",
    "queue_mb=10",
    "sql_mb=8",
  ].flatMap((each) => ["--quota", each]);
  const set = (await run(["projects", "set", "shop", ...all, "--egress-inside", "10.0.0.1"])).stdout;
  expect(set).toContain("  limits         memory_mb=64\n");
  expect(set).toContain(
    "  quotas         functions=2 versions=3 version_mb=4 secrets=1 keys=5 routes=6 kv_mb=7 blob_mb=9 queue_mb=10 sql_mb=8\n  egress inside  10.0.0.1\n",
  );
  const { quotas } = await json("projects", "show", "shop");
  expect(Object.keys(quotas).sort()).toEqual(await namesOf("patch", "/v1/projects/{project}", "quotas"));
  expect((await run(["projects", "show", "shop"])).stdout).toContain("project shop, made ");
  expect((await run(["projects", "list"])).stdout).toMatch(/\nshop +.*memory_mb=64/);
  await run(["secret", "set", "ONE", "--project", "shop"], { stdin: "1" });
  await refused(4, "secretsMax", ["secret", "set", "TWO", "--project", "shop"], { stdin: "2" });
  await refused(6, "shop", ["projects", "create", "shop"]);
  await refused(6, "shop", ["projects", "delete", "shop", "--yes"]);
  await run(["secret", "delete", "ONE", "--project", "shop", "--yes"]);
  expect((await run(["projects", "delete", "shop", "--yes"])).stdout).toBe("Project shop is deleted\n");
  await refused(5, 'There is no project "shop"', ["projects", "show", "shop"]);
});

test("the audit says who did what; a key sees its project's", async () => {
  await run(["projects", "create", "watched"]);
  const { key, prefix } = await json("keys", "create", "--scopes", "admin", "--project", "watched");
  const asKey = { env: { ...env, ISOPOD_TOKEN: key, ISOPOD_PROJECT: "watched" } };
  await run(["secret", "set", "S"], { ...asKey, stdin: "1" });
  const { stdout } = await run(["audit", "--project", "watched"]);
  const rows = stdout
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((row) => row.split(/ {2,}/).slice(1));
  expect(rows[0]?.slice(0, 2)).toEqual([prefix, "secret"]);
  expect(rows.some(([who, action]) => who === "token" && action === "key-create")).toBeTrue();
  const own = await isopod(["audit", "--json", "-n", "1"], { env: { ...env, ISOPOD_TOKEN: key } });
  expect(JSON.parse(own.stdout)).toMatchObject([{ who: prefix, project: "watched", what: "S" }]);
  const { body } = await ask(server, "GET", "/v1/audit?limit=1000");
  expect(await json("audit", "-n", "10000")).toEqual([...body.items]);
  await refused(2, 'Cannot read --lines "0"', ["audit", "-n", "0"]);
});
