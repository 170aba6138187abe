/** A server of an ordinary user: the same sandboxes, with one uid for all of them; and none that outlives it. */
import { expect, test } from "bun:test";
import { chmodSync, chownSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  ANY_PORTS,
  descendants,
  isAlive,
  launchServer,
  temporaryFolder,
  tokenHeaders,
  until,
} from "./launched_server.ts";

const CLI = join(import.meta.dir, "../src/cli/main.ts");
/** A user that is nobody here: no sandbox's uid, and nobody's. */
const UID = 54_321;
const isRoot = process.getuid?.() === 0;
const GONE_MS_MAX = 5000;

/** Whether everybody may read the file and enter the folders above it. */
function isOpen(path: string): boolean {
  for (let at = path; ; at = dirname(at)) {
    if ((statSync(at).mode & 0o005) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

const canStart = !isRoot || (isOpen(CLI) && isOpen(process.execPath));

test.skipIf(!canStart)(
  "serves, keeps its sandboxes apart, and leaves none behind when it is killed",
  async () => {
    using folder = temporaryFolder();
    chmodSync(folder.path, 0o755);
    if (isRoot) chownSync(folder.path, UID, UID);
    const command = [process.execPath, CLI, "serve", ...ANY_PORTS, "--data", join(folder.path, "data")];
    await using server = await launchServer(command, {
      cwd: "/",
      env: { HOME: folder.path },
      ...(isRoot && { uid: UID }),
    });
    const { layers } = (await (
      await fetch(`${server.admin}/status`, { headers: tokenHeaders(join(folder.path, "data")) })
    ).json()) as { layers: string[] };
    expect(layers).toEqual(
      expect.arrayContaining(["user-ns", "pid-ns", "net-ns", "no-caps", "minimal-root", "seccomp", "seal"]),
    );
    expect(layers).not.toContain("own-uid");

    // Threads are counted by uid, and these have all the same: together they are far above what one sandbox may have.
    const workers = `const address = URL.createObjectURL(new Blob(["postMessage(1)"])); let answers = 0;
    const all = Array.from({ length: 6 }, () => new Worker(address));
    await Promise.all(all.map((worker) => new Promise((resolve) => { worker.onmessage = () => resolve(answers += 1); })));
    console.log(answers); process.exit(0);`;
    const runs = Array.from({ length: 6 }, () => fetch(`${server.url}/run`, { method: "POST", body: workers }));
    const texts = await Promise.all(runs.map(async (run) => (await run).text()));
    expect(texts).toEqual(Array.from({ length: 6 }, () => "6\n"));

    const running = await fetch(`${server.url}/run`, { method: "POST", body: "console.log('begun'); for (;;);" });
    const below = descendants(server.pid);
    expect(below.length).toBeGreaterThan(2);
    process.kill(server.pid, "SIGKILL");
    await until(() => !below.some(isAlive), GONE_MS_MAX);
    await running.text().catch(() => "");
  },
  60_000,
);
