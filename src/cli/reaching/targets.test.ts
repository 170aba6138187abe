/** Which server a command talks to and as whom: options, environment, profiles; tokens that go nowhere else. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { isopod } from "../../testing/command_line.ts";
import { ask } from "../../testing/control_client.ts";
import { ProjectFolder } from "../../testing/project_folder.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";
import { findProfile, readProfiles, writeProfiles } from "../profile/profiles.ts";

let one: TestServer;
let two: TestServer;
let home: ProjectFolder;

beforeAll(async () => {
  [one, two] = await Promise.all([startTestServer(), startTestServer()]);
  await ask(two, "POST", "/v1/projects", { name: "shop" });
  home = new ProjectFolder({});
  const profiles = new Map([
    ["one", { url: one.adminUrl, token: one.token }],
    ["two", { url: two.adminUrl, token: two.token, project: "shop" }],
  ]);
  writeProfiles({ profiles, current: undefined }, join(home.path, "isopod", "profiles.toml"));
}, 30_000);
afterAll(async () => {
  home[Symbol.dispose]();
  await Promise.all([one[Symbol.asyncDispose](), two[Symbol.asyncDispose]()]);
});

async function status(args: readonly string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await isopod(["status", "--json", ...args], {
    env: { XDG_CONFIG_HOME: home.path, ISOPOD_DATA: home.path, ...env },
  });
  const { url, project } = stdout === "" ? { url: undefined, project: undefined } : JSON.parse(stdout);
  return { code, url, project, stderr };
}

test("two profiles are two servers, each with its token and project", async () => {
  expect(await status(["--profile", "one"])).toMatchObject({ code: 0, url: one.adminUrl, project: "default" });
  expect(await status(["--profile", "two"])).toMatchObject({ code: 0, url: two.adminUrl, project: "shop" });
  expect(await status([], { ISOPOD_PROFILE: "two" })).toMatchObject({ code: 0, url: two.adminUrl, project: "shop" });
  const other = await status(["--profile", "two", "--project", "default"]);
  expect(other).toMatchObject({ code: 0, project: "default" });
  expect(statSync(join(home.path, "isopod", "profiles.toml")).mode & 0o777).toBe(0o600);
  const unknown = await status(["--profile", "three"]);
  expect(unknown).toMatchObject({ code: 2 });
  expect(unknown.stderr).toContain('Cannot find the profile "three": there are one, two');
});

test("what is typed comes before the environment", async () => {
  const env = { ISOPOD_URL: one.adminUrl, ISOPOD_TOKEN: one.token };
  expect(await status([], env)).toMatchObject({ code: 0, url: one.adminUrl });
  expect(await status(["--profile", "two"], env)).toMatchObject({ code: 0, url: two.adminUrl, project: "shop" });
  expect(await status(["--url", two.adminUrl], { ...env, ISOPOD_TOKEN: two.token })).toMatchObject({
    code: 0,
    url: two.adminUrl,
  });
});

test("no token goes to an address that it does not belong to", async () => {
  const seen: (string | null)[] = [];
  using stranger = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      seen.push(request.headers.get("authorization"));
      return new Response("{}", { status: 404 });
    },
  });
  const url = `http://127.0.0.1:${stranger.port}`;
  const end = await status(["--url", url], { ISOPOD_PROFILE: "one" });
  expect(end).toMatchObject({ code: 4 });
  expect(end.stderr).toContain("Cannot find a token");
  const remote = await status(["--url", "http://isopod.invalid:8081"], { ISOPOD_DATA: join(one.directory, "data") });
  expect(remote).toMatchObject({ code: 4 });
  expect(seen).toEqual([]);
});

test("each kind of failure has its exit code", async () => {
  expect(await status(["--url", "http://127.0.0.1:1"], { ISOPOD_TOKEN: "x" })).toMatchObject({ code: 3 });
  const wrong = await status(["--url", one.adminUrl], { ISOPOD_TOKEN: "wrong" });
  expect(wrong).toMatchObject({ code: 4 });
  expect(wrong.stderr).toContain("(unauthorized)\n  → ");
  expect(await status(["--url", "::"])).toMatchObject({ code: 2 });
  expect(await status(["--url", "ftp://127.0.0.1:8081"])).toMatchObject({ code: 2 });
  expect(await status(["--url", one.url], { ISOPOD_TOKEN: one.token })).toMatchObject({
    code: 5,
    stderr: expect.stringContaining(`${one.url} is where functions answer; name the admin API`),
  });
});

test("a file of profiles that cannot be read is told with what was expected", () => {
  using folder = new ProjectFolder({
    "a.toml": "[one]\nurl = 3\n",
    "b.toml": '[one]\nurl = "x"\nkey = "y"\n',
    "c.toml": "[",
  });
  const reading = (name: string) => () => readProfiles(join(folder.path, name));
  expect(reading("a.toml")).toThrow("url must be a string");
  expect(reading("b.toml")).toThrow('"key" is no key; expected url, token, project');
  expect(reading("c.toml")).toThrow("Cannot read the profiles in");
  expect(() => findProfile("x", join(folder.path, "none.toml"))).toThrow("there are none yet");
  expect(() =>
    writeProfiles({ profiles: new Map([["a b", { url: "x" }]]), current: undefined }, join(folder.path, "d.toml")),
  ).toThrow("Cannot keep the profile");
});
