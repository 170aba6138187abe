/** The one executable: built by `npm run compile`, alone in an empty folder, server and guest at once. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  ANY_PORTS,
  descendants,
  launchServer,
  runCommand,
  type TemporaryFolder,
  temporaryFolder,
} from "./launched_server.ts";

const ROOT = join(import.meta.dir, "..");
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
let folder: TemporaryFolder;
let isopod: string;

beforeAll(() => {
  folder = temporaryFolder();
  isopod = join(folder.path, "isopod");
  runCommand(["npm", "run", "--silent", "compile", "--", `--outfile=${isopod}`], ROOT);
}, 60_000);

afterAll(() => folder[Symbol.dispose]());

/** Whether a sandbox below `pid` runs the executable itself; bubblewrap's mount hides its path, not its number. */
function runsItself(pid: number): boolean {
  const { ino } = statSync(isopod);
  return descendants(pid).some((child) => {
    try {
      return statSync(`/proc/${child}/exe`).ino === ino || readlinkSync(`/proc/${child}/exe`) === "/program";
    } catch {
      return false;
    }
  });
}

test("one file serves and runs programs, and is its own guest", async () => {
  using data = temporaryFolder();
  await using server = await launchServer([isopod, "serve", ...ANY_PORTS, "--data", data.path], {
    cwd: data.path,
    env: { PATH: "/usr/bin:/bin" },
  });
  const answer = await fetch(`${server.url}/run`, {
    method: "POST",
    body: "const n: number = 6 * 7; console.log(n, Bun.version)",
  });
  expect(await answer.text()).toBe(`42 ${Bun.version}\n`);
  expect(runsItself(server.pid)).toBe(true);
  const sql = (statement: string) => {
    const command = [isopod, "sql", "made", statement, "--url", server.admin, "--data", data.path];
    return runCommand(command, data.path, { NO_COLOR: "1" });
  };
  expect(sql("CREATE TABLE made (n)")).toBe("0 rows changed\n");
  expect(sql("SELECT 6 * 7 AS n")).toBe(" n\n42\n");
});

test("it deploys what init wrote, by the bundler that it holds", async () => {
  using data = temporaryFolder();
  const env = { PATH: "/usr/bin:/bin" };
  await using server = await launchServer([isopod, "serve", ...ANY_PORTS, "--data", data.path], {
    cwd: data.path,
    env,
  });
  using project = temporaryFolder();
  runCommand([isopod, "init", project.path, "--name", "shop", "--yes"], project.path);
  const said = runCommand(
    [isopod, "deploy", project.path, "--url", server.admin, "--data", data.path, "--json"],
    project.path,
  );
  expect(JSON.parse(said)).toMatchObject({ functions: [{ name: "shop", change: "new", unchanged: false }] });
  expect(await (await fetch(`${server.url}/shop/Ada`)).json()).toEqual({ message: "Hello, Ada!" });
});

test("its command line is the same, and tells a user's mistake in one line", () => {
  expect(runCommand([isopod, "--help"], folder.path)).toContain("isopod doctor");
  const failed = Bun.spawnSync([isopod, "serve", "--config", "nowhere.toml"], { cwd: folder.path });
  expect(failed.exitCode).toBe(2);
  expect(failed.stderr.toString()).toBe("isopod: nowhere.toml: Cannot read the configuration: there is no such file\n");
});

test.skipIf(!isRoot)("it works for an ordinary user as for root", async () => {
  using own = temporaryFolder();
  chmodSync(folder.path, 0o755);
  const data = join(own.path, "data");
  mkdirSync(data);
  for (const path of [own.path, data]) chownSync(path, NOBODY, NOBODY);
  await using server = await launchServer([isopod, "serve", ...ANY_PORTS, "--data", data], {
    cwd: own.path,
    env: { HOME: own.path },
    uid: NOBODY,
  });
  const answer = await fetch(`${server.url}/run`, { method: "POST", body: "console.log('as a user')" });
  expect(await answer.text()).toBe("as a user\n");
});
