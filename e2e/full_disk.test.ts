/** A server whose store has no room left: what is deployed goes on, a deploy says so, and works once there is room. */
import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { deploy, saying } from "../src/testing/control_client.ts";
import { ANY_PORTS, launchServer, temporaryFolder, tokenHeaders } from "./launched_server.ts";

const CLI = join(import.meta.dir, "../src/cli/main.ts");
/** Random bytes of one deploy that helps to fill the disk. */
const FILLING_BYTES = 60_000;
const DEPLOYS_MAX = 60;

const reason =
  process.getuid?.() !== 0
    ? "needs root, for a file system of its own"
    : Bun.spawnSync(["unshare", "-m", "true"]).success
      ? undefined
      : "mount namespaces cannot be made here";

test.skipIf(reason !== undefined)(
  `a full disk refuses deploys and nothing else${reason === undefined ? "" : ` (skipped: ${reason})`}`,
  async () => {
    using folder = temporaryFolder();
    const data = join(folder.path, "data");
    const store = join(data, "store");
    mkdirSync(store, { recursive: true });
    // In a mount namespace of the server's own: nobody else sees the file system, and it goes with the server.
    const script = `mount -t tmpfs -o size=2m tmpfs "${store}" && exec "$0" "$@"`;
    const serve = [process.execPath, CLI, "serve", ...ANY_PORTS, "--data", data];
    await using server = await launchServer(["unshare", "-m", "sh", "-c", script, ...serve], { cwd: folder.path });
    const api = {
      admin: (path: string, init: RequestInit = {}) =>
        fetch(`${server.admin}${path}`, { ...init, headers: { ...tokenHeaders(data), ...init.headers } }),
    };
    const served = async () => (await fetch(`${server.url}/a`)).text();
    expect((await deploy(api, "a", saying("one"), { routes: ["GET /a"] })).status).toBe(200);
    expect(await served()).toBe("one");

    let refused: Awaited<ReturnType<typeof deploy>> | undefined;
    for (let count = 0; count < DEPLOYS_MAX && refused === undefined; count += 1) {
      const filling = Buffer.from(crypto.getRandomValues(new Uint8Array(FILLING_BYTES))).toString("base64");
      const answer = await deploy(api, `filling-${count}`, `/* ${filling} */ ${saying("x")}`);
      if (answer.status !== 200) refused = answer;
    }
    expect([refused?.status, refused?.body.error.code]).toEqual([507, "storage_full"]);
    expect(await served()).toBe("one");
    expect((await deploy(api, "a", `/* ${"y".repeat(50_000)} */ ${saying("two")}`)).status).toBe(507);
    expect(await served()).toBe("one");

    const grow = ["nsenter", "-m", "-t", String(server.pid), "mount", "-o", "remount,size=20m", store];
    expect(Bun.spawnSync(grow).exitCode).toBe(0);
    expect((await deploy(api, "a", saying("two"), { routes: ["GET /a"] })).status).toBe(200);
    expect(await served()).toBe("two");
  },
  60_000,
);
