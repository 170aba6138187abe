/** `isopod run` against a real server: output, log, failures and hanging up, as a script or a person sees them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { type CommandOptions, isopod, startIsopod } from "../../testing/command_line.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

const HASH_OF_KEY = `sha256-${new Bun.CryptoHasher("sha256").update("isopod_paid").digest("hex")}`;
let server: TestServer;

beforeAll(async () => {
  const config = `[plans.paid]\nrun = "any"\n[[keys]]\nplan = "paid"\nhash = "${HASH_OF_KEY}"\n`;
  server = await startTestServer({ prewarmed: 2, config });
});

afterAll(() => server[Symbol.asyncDispose]());

const run = (code: string, args: readonly string[] = [], options: CommandOptions = {}) =>
  isopod(["run", "-", "--url", server.url, ...args], { stdin: code, ...options });

async function write(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(server.directory, name);
  await Bun.write(path, content);
  return path;
}

test("output goes to stdout and the log to stderr, each as it was written", async () => {
  const end = await run('console.log("out"); console.error("err"); process.stdout.write(new Uint8Array([0, 255, 10]))');
  expect(end).toEqual({ code: 0, stdout: "out\n\u0000\ufffd\n", stderr: "err\n" });
});

test("output arrives while the program runs", async () => {
  const child = startIsopod(["run", "-", "--url", server.url], {
    stdin: 'console.log("first"); await new Promise(() => setTimeout(() => {}, 1e6))',
  });
  const reader = child.stdout.getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("first\n");
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
});

test("hanging up by SIGINT ends the program on the server", async () => {
  const child = startIsopod(["run", "-", "--url", server.url], { stdin: 'console.log("up"); for (;;);' });
  await child.stdout.getReader().read();
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
  const deadline = performance.now() + 2000;
  const running = async () =>
    ((await (await server.admin("/v1/status")).json()) as { pool: { invocations: number } }).pool.invocations;
  while ((await running()) > 0 && performance.now() < deadline) await Bun.sleep(10);
  expect(await running()).toBe(0);
});

test("an error names file, line and column and shows the code there", async () => {
  const file = await write("bad.ts", 'type A = string;\nconst a: A = "1";\nnull.length;\n');
  const { code, stdout, stderr } = await isopod(["run", file, "--url", server.url]);
  expect(code).toBe(1);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/bad\.ts:3:\d+: TypeError: .*\(uncaught_exception, request \w+\)/);
  expect(stderr).toContain('  2 | const a: A = "1";\n> 3 | null.length;\n    | ');
});

test("a syntax error has its place too", async () => {
  const { code, stderr } = await run("const a = 1;\nconst = 2;\n");
  expect(code).toBe(1);
  expect(stderr).toMatch(/^standard input:2:\d+: .*\(syntax_error, /);
});

test("args, variables and binary input reach the program, and JavaScript is told by the file's name", async () => {
  const file = await write(
    "module.mjs",
    "export default async (request, env, { args }) => ({ args, env, bytes: [...new Uint8Array(await request.arrayBuffer())] })",
  );
  const input = await write("input.bin", new Uint8Array([0, 255, 13]));
  const args = [
    "run",
    file,
    "--url",
    server.url,
    "--args",
    '{"n":[1]}',
    "--env",
    "A=1",
    "--env",
    "B=x=y",
    "--input",
    input,
  ];
  const { stdout, stderr } = await isopod(args);
  expect(stderr).toBe("");
  expect(JSON.parse(stdout)).toEqual({ args: { n: [1] }, env: { A: "1", B: "x=y" }, bytes: [0, 255, 13] });
});

test("an answer of 400 or more is a failure, with its body on stdout", async () => {
  const end = await run('export default () => new Response("no", { status: 404 })');
  expect(end).toEqual({ code: 1, stdout: "no", stderr: "isopod: the program answered 404\n" });
});

test("--json prints the events, a failure's among them", async () => {
  const { code, stdout } = await run('console.log("a"); await Bun.sleep(50); throw new Error("b")', ["--json"]);
  const events = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(code).toBe(1);
  expect(events.map(({ event }) => event).filter((name) => name !== "log")).toEqual(["output", "error", "end"]);
  expect(events.find(({ event }) => event === "error").data.code).toBe("uncaught_exception");
});

test("a key goes along; one that is not known is told", async () => {
  expect((await run("console.log(1)", ["--key", "isopod_paid"])).stdout).toBe("1\n");
  const { code, stderr } = await run("console.log(1)", [], { env: { ISOPOD_KEY: "wrong" } });
  expect(code).toBe(1);
  expect(stderr).toContain("unauthorized");
});

test("mistakes on this side are one line each", async () => {
  const line = async (args: readonly string[], expected = 2) => {
    const { code, stderr } = await isopod(args);
    expect(code).toBe(expected);
    return stderr;
  };
  expect(await line(["run", "/nowhere.ts"])).toBe("isopod: Cannot read /nowhere.ts: there is no such file\n");
  expect(await line(["run", "-", "--args", "{"])).toStartWith("isopod: Cannot read --args: it is not JSON");
  expect(await line(["run", "-", "--env", "3"])).toBe('isopod: Cannot read --env "3": expected NAME=VALUE\n');
  expect(await line(["run", "-", "--url", "http://127.0.0.1:1"], 3)).toMatch(
    /^isopod: Cannot reach http:\/\/127\.0\.0\.1:1: nothing listens there; .*\n$/,
  );
  expect(await line(["run", "-", "--url", server.adminUrl], 1)).toContain("(unauthorized");
});
