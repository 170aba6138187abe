/** `isopod profile`: servers by name, whose tokens are kept and go nowhere else. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CommandOptions, isopod } from "../../testing/command_line.ts";
import { ask } from "../../testing/control_client.ts";
import { startTestServer } from "../../testing/server.ts";

/** A home of its own. `using` removes it. */
function freshHome() {
  const home = mkdtempSync(join(tmpdir(), "isopod-home-"));
  const env = { XDG_CONFIG_HOME: home, XDG_DATA_HOME: home, ISOPOD_DATA: join(home, "none") };
  return {
    file: join(home, "isopod", "profiles.toml"),
    run: (args: readonly string[], options: CommandOptions = {}) =>
      isopod(args, { ...options, env: { ...env, ...options.env } }),
    [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }),
  };
}

test("two servers by name: the current one is meant, until somebody says another", async () => {
  using home = freshHome();
  await using first = await startTestServer();
  await using second = await startTestServer();
  await ask(second, "POST", "/v1/projects", { name: "shop" });
  const add = (name: string, url: string, token: string, ...more: string[]) =>
    home.run(["profile", "add", name, "--url", url, "--token-stdin", ...more], { stdin: `${token}\n` });
  expect(await add("one", first.adminUrl, first.token)).toEqual({
    ...{ code: 0, stdout: "Profile one is kept: isopod status --profile one\n", stderr: "" },
  });
  await add("two", second.adminUrl, second.token, "--project", "shop", "--use");
  expect(statSync(home.file).mode & 0o777).toBe(0o600);
  const names = async (options: CommandOptions, ...args: string[]) => {
    const { stdout } = await home.run(["projects", "list", "--json", ...args], options);
    return JSON.parse(stdout).map(({ name }: { name: string }) => name);
  };
  expect(await names({})).toEqual(["default", "shop"]);
  expect(await names({}, "--profile", "one")).toEqual(["default"]);
  expect(await names({ env: { ISOPOD_PROFILE: "one" } })).toEqual(["default"]);
  expect((await home.run(["secret", "set", "S"], { stdin: "1" })).stdout).toBe("S is set in project shop\n");
  const other = await home.run(["projects", "list"], { env: { ISOPOD_URL: first.adminUrl } });
  expect([other.code, other.stderr]).toEqual([4, expect.stringContaining("Cannot find a token")]);
  const list = (await home.run(["profile", "list"])).stdout;
  expect(list).toMatch(
    new RegExp(`\n {3}one +${first.adminUrl} +default +kept\n\\* +two +${second.adminUrl} +shop +kept\n$`),
  );
  expect(list).not.toContain(first.token);
  expect((await home.run(["profile", "use", "one"])).stdout).toBe("one is the current profile\n");
  expect(await names({})).toEqual(["default"]);
});

test("profiles are changed, moved and removed; a token does not move to another server", async () => {
  using home = freshHome();
  const add = (...more: string[]) => home.run(["profile", "add", "p", "--json", ...more], { stdin: "secret-token" });
  const url = "http://one.example:8081";
  const one = { name: "p", url, hasToken: true, current: true };
  expect(JSON.parse((await add("--url", url, "--token-stdin", "--use")).stdout)).toEqual([one]);
  expect(JSON.parse((await add("--url", url, "--project", "shop")).stdout)).toEqual([{ ...one, project: "shop" }]);
  const moved = { ...one, project: "shop", url: "http://two.example:8081", hasToken: false };
  expect(JSON.parse((await add("--url", moved.url)).stdout)).toEqual([moved]);
  expect((await home.run(["profile", "use"])).stdout).toContain("No profile is current");
  expect((await home.run(["profile", "remove", "p"])).stdout).toBe("Profile p is removed\n");
  expect((await home.run(["profile", "list"])).stdout).toStartWith("There are no profiles in ");
});

test("mistakes are named with what was expected", async () => {
  using home = freshHome();
  const refused = async (code: number, text: string, ...args: string[]) => {
    const end = await home.run(args);
    expect([args, end.code, end.stdout]).toEqual([args, code, ""]);
    expect(end.stderr).toContain(text);
  };
  await refused(2, 'Cannot keep the profile "a b"', "profile", "add", "a b", "--url", "http://one.example");
  await refused(2, 'Cannot keep the profile "current"', "profile", "add", "current", "--url", "http://one.example");
  await refused(2, "Cannot read the server's address", "profile", "add", "p", "--url", "::");
  await refused(2, "required option '--url <url>'", "profile", "add", "p");
  await refused(2, 'Cannot find the profile "p": there are none yet', "profile", "use", "p");
  await refused(5, 'There is no profile "p"', "profile", "remove", "p");
  await Bun.write(home.file, 'current = "gone"\n[p]\nurl = "http://one.example"\n');
  await refused(2, "current names none of them", "status");
});
