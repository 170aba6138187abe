/** `isopod logs`: pages and filters, lines that people read, and following over restarts. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { isopod, startIsopod } from "../../testing/command_line.ts";
import { ask, deploy, withKey } from "../../testing/control_client.ts";
import { LineReader } from "../../testing/line_reader.ts";
import { logsOf } from "../../testing/log_client.ts";
import { PortForward } from "../../testing/port_forward.ts";
import { ServeProcess } from "../../testing/serve_process.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

const FUNCTION = `export default (request) => {
  const { pathname } = new URL(request.url);
  console.info("saw", pathname);
  if (pathname.endsWith("/warn")) console.warn("two\\nlines \\u001b[2J\\u202e");
  if (pathname.endsWith("/throw")) throw new Error("broken in here");
  return new Response("fine");
};`;

let server: TestServer;
let env: Record<string, string>;

beforeAll(async () => {
  const config = ["f", "g"].map(
    (name) => `[[functions]]\nname = "${name}"\npath = "./f.ts"\nroutes = ["GET /${name}/*"]\n`,
  );
  server = await startTestServer({ config: config.join(""), files: { "f.ts": FUNCTION } });
  env = { ISOPOD_URL: server.adminUrl, ISOPOD_DATA: join(server.directory, "data"), TZ: "UTC" };
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

/** Calls a path, and waits until the log has it. */
async function call(path: string): Promise<string> {
  const response = await fetch(`${server.url}${path}`);
  await logsOf(server, response);
  return response.headers.get("isopod-request-id") ?? "";
}

const logs = (...args: string[]) => isopod(["logs", ...args], { env });
const parsed = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test("a request's records are lines with time, level, function and text, the last with what it took", async () => {
  const id = await call("/f/warn");
  const { code, stdout, stderr } = await logs("--request", id);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const lines = stdout.trimEnd().split("\n");
  const time = String.raw`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}`;
  expect(lines[0]).toMatch(new RegExp(`${time} INFO  f saw /f/warn$`));
  expect(lines[1]).toMatch(new RegExp(`${time} WARN  f two$`));
  expect(lines[2]).toBe("    lines \ufffd[2J\ufffd");
  const took = (how: string) => `wall [\\d.]+ ms, cpu [\\d.]+ ms, (memory [1-9][\\d.]* MiB, )?${how}`;
  expect(lines[3]).toMatch(new RegExp(`${time} INFO  f GET /f/warn 200  ${took("cold")}  ${id}$`));
  expect(lines).toHaveLength(4);
  const again = await call("/f/again");
  expect((await logs("--request", again)).stdout).toMatch(new RegExp(`GET /f/again 200  ${took("warm")}  ${again}\n$`));
  const thrown = (await logs("--request", await call("/g/throw"))).stdout;
  expect(thrown).toMatch(/ ERROR g uncaught_exception: Error: broken in here\n {4,}at /);
  expect(thrown).toContain(" ERROR g GET /g/throw 500  uncaught_exception, wall ");
});

test("filters are the server's, -n takes the last, --since all, the oldest first", async () => {
  const start = new Date().toISOString();
  const ids = [await call("/f/1"), await call("/g/2"), await call("/f/throw")];
  const all = parsed((await logs("--json", "--since", start)).stdout);
  expect(all.filter(({ kind }) => kind === "invocation").map(({ request_id }) => request_id)).toEqual(ids);
  expect(parsed((await logs("--json", "-n", "2")).stdout)).toEqual(all.slice(-2));
  const ofG = parsed((await logs("--json", "--function", "g", "--since", start)).stdout);
  expect(ofG.map(({ text }) => text)).toEqual(["saw /g/2", "GET /g/2 200"]);
  const { version } = ofG[0];
  expect(parsed((await logs("--json", "--function", "g", "--version", version, "--since", start)).stdout)).toEqual(ofG);
  const errors = parsed(
    (await logs("--json", "--request", ids[2] ?? "", "--level", "error", "--since", "1h", "--grep", "broken")).stdout,
  );
  expect(errors.map(({ kind }) => kind)).toEqual(["error"]);
  expect((await logs("--since", start, "--until", "2001-01-01")).stdout).toBe("");
  expect((await logs("-n", "0")).stdout).toBe("");
});

test("a version is named as people do, programs that were sent are shown too, and a key sees its project's", async () => {
  const first = (await deploy(server, "named", FUNCTION, { routes: ["GET /named/*"] })).body;
  await call("/named/1");
  const named = await logs("--json", "--function", "named", "--version", "production");
  expect(parsed(named.stdout).every(({ version }) => version === first.version)).toBeTrue();
  expect(parsed((await logs("--json", "--function", "named", "--version", first.short)).stdout)).toHaveLength(2);
  await logsOf(server, await server.run("console.error('from a program')"));
  expect((await logs("--level", "error", "--grep", "from a program")).stdout).toMatch(
    / ERROR [0-9a-f]{12} from a program\n$/,
  );
  await ask(server, "POST", "/v1/projects", { name: "other" });
  const { key } = (await ask(server, "POST", "/v1/projects/other/keys", { scopes: ["logs", "deploy"] })).body;
  await deploy(server, "inner", FUNCTION, { routes: ["GET /inner/*"], project: "other", headers: withKey(key) });
  await call("/inner/1");
  const asKey = await isopod(["logs", "--json"], { env: { ...env, ISOPOD_TOKEN: key } });
  expect(parsed(asKey.stdout).map(({ text }) => text)).toEqual(["saw /inner/1", "GET /inner/1 200"]);
  const foreign = await isopod(["logs", "--project", "default"], { env: { ...env, ISOPOD_TOKEN: key } });
  expect([foreign.code, foreign.stderr]).toEqual([
    4,
    expect.stringContaining("→ --project or ISOPOD_PROJECT names it"),
  ]);
});

test("mistakes are named with what was expected, and end with the code of their kind", async () => {
  const refused = async (code: number, text: string, ...args: string[]) => {
    const end = await logs(...args);
    expect([end.code, end.stdout]).toEqual([code, ""]);
    expect(end.stderr).toContain(text);
  };
  await refused(0, "There are no such records\n", "--function", "nobody");
  expect(await logs("--function", "nobody", "--json")).toEqual({ code: 0, stdout: "", stderr: "" });
  await refused(2, 'Cannot read --since "soon": expected how long ago', "--since", "soon");
  await refused(2, 'Cannot read --lines "-1": expected a number from 0 to 10000', "-n", "-1");
  await refused(2, "Allowed choices are debug, info, warn, error", "--level", "loud");
  await refused(2, "--until and --follow exclude each other", "--follow", "--until", "1m");
  await refused(2, "isopod logs --function NAME --version abcd", "--version", "abcd");
  await refused(5, 'Function "f" has no version "abcd"', "--function", "f", "--version", "abcd");
  await using gone = await PortForward.to(1);
  await refused(3, "Cannot reach", "--url", gone.url, "--data", join(server.directory, "data"));
});

test("who has read enough ends it quietly", async () => {
  for (let count = 0; count < 3; count++) await call(`/f/${count}`);
  const child = startIsopod(["logs", "--follow", "-n", "2"], { env });
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const ended = child.exited;
  await call("/f/after");
  await call("/f/after");
  expect([await ended, await new Response(child.stderr).text()]).toEqual([141, ""]);
});

test("a follower loses its server and comes back: each record once, none missed", async () => {
  const files = {
    "isopod.toml": `listen_address = "127.0.0.1:0"\nadmin_address = "127.0.0.1:0"\n[[functions]]\nname = "f"\npath = "./f.ts"\nroutes = ["GET /*"]\n`,
    "f.ts": FUNCTION,
  };
  await using first = await ServeProcess.start(files);
  await using forward = await PortForward.to(Number(new URL(first.adminUrl).port));
  const data = join(first.directory, "data");
  const child = startIsopod(["logs", "--follow", "--json", "--url", forward.url, "--data", data]);
  const [out, told] = [new LineReader(child.stdout), new LineReader(child.stderr)];
  const texts = async (server: ServeProcess, name: string) => {
    await fetch(`${server.url}/${name}`);
    return (await out.next(2)).map((line) => JSON.parse(line).text);
  };
  // It began with the last records or with these; from here on it follows.
  for (const name of ["a", "b"]) expect(await texts(first, name)).toEqual([`saw /${name}`, `GET /${name} 200`]);
  forward.cut();
  await told.until((line) => line.includes("trying again"));
  expect(await texts(first, "c")).toEqual(["saw /c", "GET /c 200"]);
  await told.until((line) => line.includes("connected again"));
  forward.target = undefined;
  first.signal("SIGTERM");
  await first.exited;
  await told.until((line) => line.includes("trying again"));
  await using second = await ServeProcess.start(files, first);
  await logsOf(second, await fetch(`${second.url}/while-away`));
  forward.target = Number(new URL(second.adminUrl).port);
  expect((await out.next(2)).map((line) => JSON.parse(line).text)).toEqual(["saw /while-away", "GET /while-away 200"]);
  expect(await texts(second, "d")).toEqual(["saw /d", "GET /d 200"]);
  second.signal("SIGKILL");
  await second.exited;
  await using third = await ServeProcess.start(files, second);
  await logsOf(third, await fetch(`${third.url}/killed`));
  forward.target = Number(new URL(third.adminUrl).port);
  expect((await out.next(2)).map((line) => JSON.parse(line).text)).toEqual(["saw /killed", "GET /killed 200"]);
  child.kill("SIGINT");
  await child.exited;
  expect(await out.next(1)).toEqual([]);
}, 60_000);

test("what the server no longer has is told by its number", async () => {
  const bounds = { config: "[logs]\nmax_mb = 1\n" };
  await using small = await startTestServer(bounds);
  const burst = "for (let i = 0; i < 900; i++) console.error(i, 'x'.repeat(50))";
  for (let round = 0; round < 8; round++) await logsOf(small, await small.run(burst));
  const own = { ISOPOD_URL: small.adminUrl, ISOPOD_DATA: join(small.directory, "data") };
  const { stdout } = await isopod(["logs", "--since", "1h"], { env: own });
  const [line = ""] = stdout.split("\n").filter((each) => each.includes("missing"));
  const missing = Number(
    / --- {3}(\d+) records are missing: they were too many or too old to be kept$/.exec(line)?.[1],
  );
  const shown = stdout.trimEnd().split("\n").length - 1;
  const { newest_id } = (await ask(small, "GET", "/v1/logs?limit=1")).body as unknown as { newest_id: number };
  expect(missing + shown).toBe(newest_id);
  // More than a page, turned round.
  const last = parsed((await isopod(["logs", "-n", "1500", "--json"], { env: own })).stdout).map(({ id }) => id);
  expect(last).toEqual(Array.from({ length: 1500 }, (_, index) => newest_id - 1499 + index));
});
