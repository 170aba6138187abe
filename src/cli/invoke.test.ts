/** `isopod invoke` and `isopod env`: calls of deployed functions, and versions that differ by their variables. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { type CommandOptions, isopod } from "../testing/command_line.ts";
import { ask, deploy, functionPath, withKey } from "../testing/control_client.ts";
import { startTestServer, type TestServer } from "../testing/server.ts";

const ECHO = `export default async (request, env, ctx) => {
  const { pathname, search } = new URL(request.url);
  const status = Number(new URLSearchParams(search).get("status") ?? 200);
  if (pathname === "/bytes") return new Response(new Uint8Array([0, 255, 10]));
  if (pathname === "/cut") return new Response(new ReadableStream({ async pull(c) { c.enqueue("begun"); await Bun.sleep(20); throw new Error("no more"); } }));
  const body = [request.method, pathname + search, request.headers.get("x-one"), await request.text(), env.GREETING, ctx.params?.name];
  return Response.json(body, { status, headers: status === 302 ? { location: "/elsewhere" } : { "x-answer": "yes" } });
};`;

let server: TestServer;
let env: Record<string, string>;

beforeAll(async () => {
  server = await startTestServer();
  env = { ISOPOD_URL: server.adminUrl, ISOPOD_DATA: join(server.directory, "data") };
  await deploy(server, "echo", ECHO, {
    routes: ["PUT /echo", "GET /greet/:name"],
    settings: { env: { GREETING: "hi" } },
  });
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const run = (args: readonly string[], options: CommandOptions = {}) => isopod(args, { env, ...options });
const invoke = async (...args: string[]) => JSON.parse((await run(["invoke", ...args])).stdout);

test("a function is called at its route's path, or at any, with method, headers and body", async () => {
  expect(await invoke("echo")).toEqual(["PUT", "/echo", null, "", "hi", null]);
  expect(await invoke("echo", "--path", "/greet/Ada?x=1")).toEqual(["GET", "/greet/Ada?x=1", null, "", "hi", "Ada"]);
  expect((await invoke("echo", "--path", "//other.example/x"))[1]).toEndWith("/other.example/x");
  const full = ["--path", "/p", "--method", "patch", "--data", "text", "-H", "X-One: a: b"];
  expect(await invoke("echo", ...full)).toEqual(["PATCH", "/p", "a: b", "text", "hi", null]);
  const file = join(server.directory, "body.txt");
  await Bun.write(file, "from a file");
  expect(await invoke("echo", "--path", "/", "-d", `@${file}`)).toEqual(["POST", "/", null, "from a file", "hi", null]);
  const piped = await run(["invoke", "echo", "--path", "/", "-d", "-"], { stdin: "from a pipe" });
  expect(JSON.parse(piped.stdout)[3]).toBe("from a pipe");
});

test("the answer is printed as it is; -i shows its head, --json all of it", async () => {
  const bytes = JSON.parse((await run(["invoke", "echo", "--path", "/bytes", "--json"])).stdout);
  expect(bytes).toMatchObject({ status: 200, bodyBase64: "AP8K", version: expect.stringMatching(/^sha256-/) });
  const head = (await run(["invoke", "echo", "--path", "/x?status=201", "-i"])).stdout;
  expect(head).toStartWith("HTTP/1.1 201 Created\n");
  expect(head).toContain("\nx-answer: yes\n");
  expect(head).toContain('\n\n["GET","/x?status=201"');
  const moved = await run(["invoke", "echo", "--path", "/?status=302", "-i"]);
  expect([moved.code, moved.stdout.split("\n")[0]]).toEqual([0, "HTTP/1.1 302 Found"]);
  const cut = await run(["invoke", "echo", "--path", "/cut"]);
  expect([cut.code, cut.stdout]).toEqual([1, "begun"]);
  expect(cut.stderr).toMatch(
    /^isopod: Cannot read the answer to its end.*\n {2}→ isopod logs --request \S+ says why\n$/,
  );
});

test("the exit code follows the status, and mistakes say what was expected", async () => {
  for (const [status, code] of [
    [200, 0],
    [400, 1],
    [401, 4],
    [403, 4],
    [404, 5],
    [409, 6],
    [500, 1],
  ] as const)
    expect([status, (await run(["invoke", "echo", "--path", `/?status=${status}`])).code]).toEqual([status, code]);
  const refused = async (code: number, text: string, ...args: string[]) => {
    const end = await run(["invoke", ...args]);
    expect([end.code, end.stdout]).toEqual([code, ""]);
    expect(end.stderr).toContain(text);
  };
  await refused(5, "`isopod deploy` deploys it", "nobody");
  await refused(5, 'has no version "abcd"', "echo", "--version", "abcd");
  await refused(2, 'Cannot call the path "x"', "echo", "--path", "x");
  await refused(2, 'Cannot read --header "x-one"', "echo", "-H", "x-one");
  await refused(2, "Cannot read the body from", "echo", "-d", `@${join(server.directory, "nothing")}`);
  await refused(3, "--at names where it is reached", "echo", "--at", "http://127.0.0.1:1");
});

test("a variable is changed by a new version, which is named; the one before stays callable", async () => {
  await deploy(server, "vars", ECHO, { settings: { env: { GREETING: "one", KEPT: "k" } } });
  const vars = (...args: string[]) => run(["env", "vars", ...args]);
  expect((await vars("list")).stdout).toBe("GREETING=one\nKEPT=k\n");
  const before = JSON.parse((await run(["invoke", "vars", "--json"])).stdout).version;
  const set = await vars("set", "GREETING=two=2", "NEW=");
  expect([set.code, set.stderr]).toEqual([0, ""]);
  const short = before.slice(7, 19);
  expect(set.stdout).toMatch(
    new RegExp(`^vars has a new version [0-9a-f]{12}, which production stands for now \\(before: ${short}\\)\n$`),
  );
  expect(JSON.parse((await vars("list", "--json")).stdout)).toEqual({ GREETING: "two=2", KEPT: "k", NEW: "" });
  expect((await invoke("vars"))[4]).toBe("two=2");
  expect((await invoke("vars", "--version", short))[4]).toBe("one");
  expect((await vars("set", "KEPT=k")).stdout).toContain("has these already");
  const unset = JSON.parse((await vars("unset", "NEW", "GREETING", "--json")).stdout);
  expect(unset).toMatchObject({ unchanged: false, preview: expect.stringContaining("--vars.localhost") });
  expect((await vars("list")).stdout).toBe("KEPT=k\n");
});

test("changes of variables that cannot be are refused, and change nothing", async () => {
  await deploy(server, "fixed", ECHO, { settings: { env: { A: "1" } } });
  const refused = async (code: number, text: string, ...args: string[]) => {
    const end = await run(["env", ...args]);
    expect([end.code, end.stdout]).toEqual([code, ""]);
    expect(end.stderr).toContain(text);
  };
  const expected = 'cannot name a variable "a b": expected a name of letters, digits, "_", "-", "." and "/"';
  await refused(1, `Cannot deploy "fixed": ${expected}`, "fixed", "set", "a b=c");
  await refused(2, "Cannot unset B: fixed has no such variable", "fixed", "unset", "B");
  await refused(2, 'Cannot set "=…": expected NAME=VALUE', "fixed", "set", "=hidden");
  await refused(2, 'Cannot unset "A=…": expected NAME', "fixed", "unset", "A=hidden");
  await refused(2, "Cannot set nothing", "fixed", "set");
  await refused(2, "Allowed choices are list, set, unset", "fixed", "show");
  await refused(5, 'There is no function "nobody"', "nobody", "list");
  const { key } = (await ask(server, "POST", "/v1/projects/default/keys", { scopes: ["logs"] })).body;
  const asKey = await isopod(["env", "fixed", "set", "A=2"], { env: { ...env, ISOPOD_TOKEN: key } });
  expect([asKey.code, asKey.stderr]).toEqual([4, expect.stringContaining("this takes deploy or admin")]);
  const answer = await ask(server, "GET", functionPath("fixed", "/versions"), undefined, withKey(key));
  expect(answer.body.items).toHaveLength(1);
});
