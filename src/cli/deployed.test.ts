/** The commands on what is deployed: versions, rollback, alias, promote, routes, status, delete. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { isopod } from "../testing/command_line.ts";
import { deploy, saying } from "../testing/control_client.ts";
import { startTestServer, type TestServer } from "../testing/server.ts";

let server: TestServer;
let env: Record<string, string>;

beforeAll(async () => {
  server = await startTestServer();
  env = { ISOPOD_URL: server.adminUrl, ISOPOD_DATA: join(server.directory, "data") };
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const run = (...args: string[]) => isopod(args, { env });
const text = async (path: string, headers = {}) => (await fetch(`${server.url}${path}`, { headers })).text();

/** Two versions of a function; gives their short forms, the older one first. */
async function twoVersions(name: string): Promise<[string, string]> {
  const one = await deploy(server, name, saying("one"), { routes: [`GET /${name}`] });
  const two = await deploy(server, name, saying("two"));
  return [one.body.short, two.body.short];
}

test("versions are listed for people and for scripts, the youngest first", async () => {
  const [one, two] = await twoVersions("listed");
  const { code, stdout } = await run("versions", "listed");
  expect(code).toBe(0);
  const [head, first, second] = stdout.split("\n");
  expect(head).toMatch(/^version +alias +made +size +by +message$/);
  expect(first).toMatch(new RegExp(`^${two} +production +(now|\\d+ s ago) +\\d+ B +token$`));
  expect(second).toStartWith(one);
  const all = JSON.parse((await run("versions", "listed", "--json")).stdout);
  expect(all.map(({ short }: { short: string }) => short)).toEqual([two, one]);
  const missing = await run("versions", "nobody");
  expect(missing).toEqual({ code: 5, stdout: "", stderr: 'isopod: There is no function "nobody". (not_found)\n' });
});

test("a rollback is there for the next request, to the version before or to one that is named", async () => {
  const [one, two] = await twoVersions("back");
  expect(await text("/back")).toBe("two");
  expect((await run("rollback", "back")).stdout).toBe(`back@production is ${one}, was ${two}\n`);
  expect(await text("/back")).toBe("one");
  expect((await run("rollback", "back", two)).stdout).toBe(`back@production is ${two}, was ${one}\n`);
  expect(await text("/back")).toBe("two");
  const unknown = await run("rollback", "back", "0123456789");
  expect(unknown.code).toBe(5);
  expect(unknown.stderr).toEndWith("  → `isopod versions NAME` lists the versions\n");
  const short = await run("rollback", "back", one.slice(0, 3));
  expect([short.code, short.stderr]).toEqual([5, expect.stringContaining("expected 4 digits at least")]);
  const json = JSON.parse((await run("rollback", "back", one, "--json")).stdout);
  expect(json.aliases.production.targets[0].version).toStartWith(`sha256-${one}`);
});

test("an alias stands for versions by their weights, sticks, and is deleted", async () => {
  const [one, two] = await twoVersions("shared");
  const set = await run("alias", "shared", "production", `${one}=3`, `${two}=1`, "--sticky", "header:x-user");
  expect(set.stdout).toContain(`${one} 75%, ${two} 25%`);
  expect(set.stdout).toContain("header:x-user");
  const said = new Set(await Promise.all(Array.from({ length: 40 }, (_, i) => text("/shared", { "x-user": `u${i}` }))));
  expect([...said].sort()).toEqual(["one", "two"]);
  expect((await run("alias", "shared", "beta", two)).code).toBe(0);
  expect((await run("alias", "shared", "beta")).stdout).toContain(`beta   ${two}`);
  expect((await run("alias", "shared", "beta", "--delete", "--yes")).stdout).not.toContain("beta");
  expect((await run("alias", "shared", "production", "--delete", "--yes")).code).toBe(6);
  for (const [wrong, said] of [
    [["production", `${one}=x`], 'Cannot read "'],
    [["production", one, "--sticky", "moon"], 'Cannot read --sticky "moon": expected cookie'],
    [["gamma"], 'Cannot find the alias "gamma" of shared: there are production'],
  ] as const) {
    const end = await run("alias", "shared", ...wrong);
    expect(end.code).toBe(2);
    expect(end.stderr).toContain(said);
  }
});

test("a program that ran becomes a function by its hash", async () => {
  const file = join(server.directory, "report.ts");
  await Bun.write(file, saying("a report"));
  const [{ hash }] = JSON.parse((await run("pin", file, "--json")).stdout);
  const { code, stdout } = await run("promote", hash, "report", "--route", "GET /report", "--route", "GET /report/new");
  expect(code).toBe(0);
  expect(stdout).toContain(`report serves ${hash.slice(7, 19)}`);
  expect(stdout).toContain(`GET ${server.url}/report/new`);
  expect(await text("/report")).toBe("a report");
  const unknown = await run("promote", `sha256-${"0".repeat(64)}`, "other");
  expect(unknown.code).toBe(5);
  expect((await run("promote", "abc", "other")).stderr).toContain("`isopod pin FILE` prints it");
});

test("routes and status say what there is", async () => {
  await twoVersions("shown");
  const { stdout } = await run("routes", "--function", "shown");
  expect(stdout).toMatch(/^method +path +function +alias\nGET +\/shown +shown\n$/);
  expect((await run("routes", "--function", "none")).stdout).toStartWith("none has no routes that were deployed");
  const all = JSON.parse((await run("routes", "--json")).stdout);
  expect(all).toContainEqual({ route: "GET /shown", alias: "production", function: "shown" });
  const status = await run("status");
  expect(status.stdout).toContain(`server    ${server.adminUrl}`);
  expect(status.stdout).toContain(`listens   127.0.0.1:${server.port}`);
  expect(status.stdout).toMatch(/\nshown +production [0-9a-f]{12} +1 +/);
  const json = JSON.parse((await run("status", "--json")).stdout);
  expect(json).toMatchObject({ project: "default", scopes: ["admin"], server: { listen: { port: server.port } } });
});

test("delete asks for --yes where nobody can be asked, and takes no version that is in use", async () => {
  const [one, two] = await twoVersions("doomed");
  const unasked = await run("delete", "doomed");
  expect(unasked.code).toBe(2);
  expect(unasked.stderr).toContain("add --yes to delete it unasked");
  expect((await run("delete", "doomed", "--version", two, "--yes")).code).toBe(6);
  expect((await run("delete", "doomed", "--version", one, "--yes")).stdout).toBe(`Deleted version ${one} of doomed\n`);
  expect(JSON.parse((await run("delete", "doomed", "--yes", "--json")).stdout)).toHaveProperty("deleted");
  expect((await fetch(`${server.url}/doomed`)).status).toBe(404);
  expect((await run("delete", "doomed", "--yes")).code).toBe(5);
});
