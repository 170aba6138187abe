/** The other commands: pins and keys that a server takes, help that teaches, and starts that are refused. */
import { expect, test } from "bun:test";
import { dirname, join } from "node:path";
import { isopod } from "../testing/command_line.ts";
import { startTestServer } from "../testing/server.ts";

/** Files outside src/cli that a file loads before any command runs, by way of others too. */
async function loadedOutside(file: string, seen = new Set<string>()): Promise<string[]> {
  if (seen.has(file)) return [];
  seen.add(file);
  const scanned = new Bun.Transpiler({ loader: "ts" }).scanImports(await Bun.file(file).text());
  const paths = scanned.filter(({ kind, path }) => kind === "import-statement" && path.startsWith("."));
  const files = paths.map(({ path }) => join(dirname(file), path)).filter((path) => path.endsWith(".ts"));
  const inner = files.filter((path) => path.startsWith(import.meta.dir));
  const below = await Promise.all(inner.map((path) => loadedOutside(path, seen)));
  return [...files.filter((path) => !inner.includes(path)), ...below.flat()];
}

test("a pinned program runs by its URL for those who may run pinned ones, and no other does", async () => {
  await using server = await startTestServer({ config: '[plans.anonymous]\nrun = "pinned"\n' });
  const file = join(server.directory, "hello.ts");
  await Bun.write(file, 'const a: string = "pinned"; console.log(a)');
  const data = ["--data", join(server.directory, "data"), "--url", server.adminUrl];
  const { code, stdout, stderr } = await isopod(["pin", file, "--json", ...data]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const [{ hash, url }] = JSON.parse(stdout);
  expect(url).toBe(`${server.url}/run/${hash}`);
  expect(await (await fetch(url)).text()).toBe("pinned\n");
  expect((await server.run("console.log(1)")).status).toBe(403);
  expect((await isopod(["pin", file, ...data])).stdout).toBe(`${hash}  ${url}  ${file}\n`);
  const wrong = await isopod(["pin", file, "--url", server.adminUrl], { env: { ISOPOD_TOKEN: "wrong" } });
  expect(wrong.code).toBe(4);
  expect(wrong.stderr).toMatch(/^isopod: The admin token is missing or wrong.*\n {2}→ /);
  const none = await isopod(["pin", file, "--url", server.adminUrl, "--data", server.directory]);
  expect(none.code).toBe(4);
  expect(none.stderr).toStartWith("isopod: Cannot find a token");
});

test("a created key is what its lines let a server know", async () => {
  const text = (await isopod(["keys", "create", "--plan", "paid"])).stdout;
  const [key = ""] = text.split("\n");
  const lines = text.slice(text.indexOf("[[keys]]"));
  await using server = await startTestServer({
    config: `[plans.anonymous]\nrun = "none"\n[plans.paid]\nrun = "any"\n${lines}`,
  });
  expect((await server.run("console.log(1)")).status).toBe(403);
  expect(await (await server.run("console.log(1)", { headers: { authorization: `Bearer ${key}` } })).text()).toBe(
    "1\n",
  );
  const json = JSON.parse((await isopod(["keys", "create", "--json"])).stdout);
  expect(json.hash).toBe(`sha256-${new Bun.CryptoHasher("sha256").update(json.key).digest("hex")}`);
});

test("doctor says what follows, for people and for scripts", async () => {
  const { code, stdout } = await isopod(["doctor", "--json"]);
  const { untrusted_code, findings } = JSON.parse(stdout);
  expect({ code, untrusted_code }).toEqual({ code: 0, untrusted_code: true });
  const names = findings.map(({ name }: { name: string }) => name);
  for (const name of ["bubblewrap", "user namespaces", "seccomp", "control groups", "user ids", "chromium"])
    expect(names).toContain(name);
  const text = (await isopod(["doctor"])).stdout;
  expect(text).toEndWith("Foreign code can be run here.\n");
  expect(text).not.toContain("\u001b");
});

test("without bubblewrap doctor ends with 1, and a server refuses to start and names the package", async () => {
  const env = { PATH: "/nowhere" };
  const doctor = await isopod(["doctor"], { env });
  expect(doctor.code).toBe(1);
  expect(doctor.stdout).toContain("Foreign code cannot be run here");
  const serve = await isopod(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"], { env });
  expect(serve.code).toBe(1);
  expect(serve.stderr).toMatch(
    /^isopod: Cannot run untrusted code: bubblewrap is not installed; .*package bubblewrap.*\n$/,
  );
});

test("where the kernel gives no sandbox, a server refuses to start and says what to set", async () => {
  const prefix = [
    "unshare",
    "--user",
    "--map-root-user",
    "sh",
    "-c",
    'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"',
    "sh",
  ];
  const { code, stderr } = await isopod(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"], { prefix });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^isopod: Cannot run untrusted code: .*; .*`isopod doctor`.*\n$/);
});

test("a mistake in starting a server is one readable line", async () => {
  await using server = await startTestServer();
  const refusal = async (args: readonly string[]) => {
    const { code, stderr } = await isopod([
      "serve",
      "--data",
      join(server.directory, "other"),
      "--admin",
      "127.0.0.1:0",
      ...args,
    ]);
    expect({ args, lines: stderr.trimEnd().split("\n").length }).toEqual({ args, lines: 1 });
    return `${code} ${stderr}`;
  };
  expect(await refusal(["--listen", "8080"])).toBe(
    '2 isopod: Cannot read --listen "8080": expected a host and a port, such as 127.0.0.1:8080\n',
  );
  expect(await refusal(["--config", join(server.directory, "none.toml")])).toMatch(/^2 .*there is no such file\n$/);
  expect(await refusal(["--listen", "0.0.0.0:0"])).toMatch(
    /^2 isopod: Cannot read --listen: .* nothing says what callers without a key may run; write \[plans\.anonymous\]/,
  );
  expect(await refusal(["--listen", "127.0.0.1:1", "--admin", "127.0.0.1:1"])).toStartWith(
    "2 isopod: Cannot read --listen and --admin: ",
  );
  expect(await refusal(["--data", process.execPath])).toContain("is a file");
  expect(await refusal(["--listen", `127.0.0.1:${server.port}`])).toBe(
    `1 isopod: Cannot listen on 127.0.0.1:${server.port}: something else does already (EADDRINUSE); --listen and --admin name other addresses\n`,
  );
}, 60_000);

test("help teaches by examples, and nothing of the server is loaded for it", async () => {
  expect((await isopod(["--help"])).stdout).toContain("isopod run hello.ts");
  for (const command of ["serve", "run", "pin", "doctor"]) {
    const { code, stdout } = await isopod([command, "--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: isopod ${command}`);
  }
  expect(await loadedOutside(join(import.meta.dir, "main.ts"))).toEqual([]);
  const wrong = await isopod(["sevre"]);
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toContain("Did you mean serve?");
});
