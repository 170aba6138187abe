/** How a server ends: in order when asked, at once when asked twice, and with nothing left behind when it is killed. */
import { expect, test } from "bun:test";
import { chmodSync, readdirSync } from "node:fs";
import { join } from "node:path";
import {
  ANY_PORTS,
  descendants,
  isAlive,
  type LaunchedServer,
  launchServer,
  temporaryFolder,
  until,
} from "./launched_server.ts";

const ROOT = join(import.meta.dir, "..");
const GONE_MS_MAX = 5000;

function start(data: string): Promise<LaunchedServer> {
  // Sandboxed uids may enter it, so that the sandboxes' files lie in it and not elsewhere.
  chmodSync(data, 0o755);
  const command = ["node", join(ROOT, "bin/isopod"), "serve", ...ANY_PORTS, "--data", data];
  return launchServer(command, { cwd: ROOT, group: true });
}

/** A program that runs until it is ended; resolves when its first output is here. */
async function startProgram(server: LaunchedServer, code: string): Promise<Response> {
  return fetch(`${server.url}/run`, { method: "POST", body: `console.log("started"); ${code}` });
}

const allGone = (pids: readonly number[]) => () => !pids.some(isAlive);

const WAYS = [
  ["SIGTERM", "the launcher"],
  ["SIGINT", "the launcher"],
  // As a terminal does by Ctrl-C, and service managers and `timeout` do.
  ["SIGTERM", "the whole group"],
  ["SIGINT", "the whole group"],
] as const;

for (const [signal, receiver] of WAYS) {
  test(`${signal} to ${receiver} lets what runs end, then ends the server with 0 and nothing left`, async () => {
    using data = temporaryFolder();
    await using server = await start(data.path);
    const pids = [server.pid, ...descendants(server.pid)];
    expect(pids.length).toBeGreaterThan(1);
    const answer = await startProgram(server, 'await Bun.sleep(300); console.log("done")');
    if (receiver === "the launcher") server.command.kill(signal);
    else process.kill(-server.command.pid, signal);
    expect(await answer.text()).toBe("started\ndone\n");
    expect(await server.command.exited).toBe(0);
    await until(allGone(pids), GONE_MS_MAX);
    expect(readdirSync(join(data.path, "sandbox"))).toEqual([]);
  });
}

test("a second SIGINT ends everything at once", async () => {
  using data = temporaryFolder();
  await using server = await start(data.path);
  const answer = await startProgram(server, "await Bun.sleep(1e6)");
  const pids = [server.pid, ...descendants(server.pid)];
  server.command.kill("SIGINT");
  await until(() => server.stderr().includes("The server is ending"), GONE_MS_MAX);
  // What comes within a second of the first is the first, passed on.
  await until(() => {
    server.command.kill("SIGINT");
    return !isAlive(server.pid);
  }, GONE_MS_MAX);
  expect(await server.command.exited).toBe(130);
  await until(allGone(pids), GONE_MS_MAX);
  await answer.text().catch(() => {});
});

test("a terminal that is closed takes the server with it", async () => {
  using data = temporaryFolder();
  chmodSync(data.path, 0o755);
  let shown = "";
  const child = Bun.spawn(["node", join(ROOT, "bin/isopod"), "serve", ...ANY_PORTS, "--data", data.path], {
    cwd: ROOT,
    env: { ...process.env, ISOPOD_LOG: "info" },
    terminal: {
      data(_terminal, bytes) {
        shown += bytes.toString();
      },
    },
  });
  await until(() => shown.includes('"The server is ready"'), 3 * GONE_MS_MAX);
  const pids = [child.pid, ...descendants(child.pid)];
  expect(pids.length).toBeGreaterThan(2);
  child.terminal?.close();
  await until(allGone(pids), GONE_MS_MAX);
  expect(readdirSync(join(data.path, "sandbox"))).toEqual([]);
});

test("a killed launcher takes server and sandboxes with it", async () => {
  using data = temporaryFolder();
  await using server = await start(data.path);
  const pids = [server.pid, ...descendants(server.pid)];
  server.command.kill("SIGKILL");
  await until(allGone(pids), GONE_MS_MAX);
});

test("a killed server leaves no sandbox, and the next one clears its files away", async () => {
  using data = temporaryFolder();
  await using server = await start(data.path);
  const answer = await startProgram(server, "for (;;);");
  const pids = descendants(server.pid);
  process.kill(server.pid, "SIGKILL");
  await until(allGone(pids), GONE_MS_MAX);
  await answer.text().catch(() => {});
  const left = readdirSync(join(data.path, "sandbox"));
  expect(left.length).toBe(1);
  await using next = await start(data.path);
  expect(next.pid).not.toBe(server.pid);
  expect(readdirSync(join(data.path, "sandbox")).filter((name) => left.includes(name))).toEqual([]);
});
