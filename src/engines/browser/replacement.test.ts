/** Browsers come and go without losing a page: one that has served its time is replaced, one that is idle is ended. */
import { describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../core/clock.ts";
import type { Engine, GuestProcess } from "../../core/engine.ts";
import { browserGuestCode, browserPageCode } from "../../guest_code.ts";
import { Instance } from "../../pool/instance.ts";
import { requireChromium } from "../../sandbox/chromium.ts";
import { noChromium } from "../../testing/browser_rig.ts";
import { descendants, goneAfter } from "../../testing/children.ts";
import { NO_BINDING_SET } from "../../testing/guest_program.ts";
import { createBrowserEngine } from "./engine.ts";

const PROGRAM = { kind: "browser", name: "f.ts", hash: "h", code: "export default () => 1", files: [] } as const;
const MB = 1024 * 1024;

async function withEngine(more: object, use: (engine: Engine) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "isopod-browser-"));
  chmodSync(directory, 0o755);
  const guest = { program: process.execPath, code: browserGuestCode(), page: browserPageCode() };
  const engine = createBrowserEngine({
    ...{ browserGuest: async () => guest, chromium: undefined, directory, ...more },
    uids: { first: 1_992_000_000, count: 64 },
  });
  try {
    await use(engine);
  } finally {
    await engine.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function page(
  engine: Engine,
  project: string,
  key: string,
): Promise<{ process: GuestProcess; instance: Instance }> {
  const process = await engine.start("run", { program: PROGRAM, memoryBytes: 200 * MB, project, key });
  const instance = new Instance({ process, clock: systemClock, bindings: NO_BINDING_SET, report() {} });
  await instance.prepare();
  const grants = { egress: { allow: [], secrets: [] }, cacheSpace: "", bindings: new Map() };
  const fn = { name: "f", version: "v" };
  await instance.load({ mode: "function", program: PROGRAM, env: {}, grants, project, fn }, 200 * MB);
  return { process, instance };
}

describe.skipIf(noChromium)("browsers", () => {
  test("one that has had its tabs is replaced before it ends, and its pages go on until then", async () => {
    await withEngine({ tabsMax: 2 }, async (engine) => {
      const old = [await page(engine, "p", "a"), await page(engine, "p", "b")];
      while (old.some(({ process }) => process.due !== true)) await new Promise((resolve) => setImmediate(resolve));
      const next = await page(engine, "p", "a");
      expect(next.process.pid).not.toBe(old[0]?.process.pid as number);
      expect(next.process.due).toBe(false);
      // Those of before still answer.
      await Promise.all(old.map(({ instance }) => instance.ping()));
      const pids = old.map(({ process }) => process.pid);
      for (const { process } of old) process.kill();
      await goneAfter(pids, 5000);
      await next.instance.ping();
    });
  }, 60_000);

  test("projects have a browser each, and nothing is left of any once the engine is closed", async () => {
    const before = new Set(descendants());
    await withEngine({}, async (engine) => {
      const [one, other, same] = [
        await page(engine, "one", "k"),
        await page(engine, "other", "k"),
        await page(engine, "one", "l"),
      ];
      expect(one.process.pid).not.toBe(other.process.pid);
      expect(same.process.pid).toBe(one.process.pid);
      expect(engine.layers).toEqual(
        expect.arrayContaining(["user-ns", "net-ns", "no-caps", "seccomp", "rlimits", "chromium"]),
      );
      expect(one.process.layers).toEqual(engine.layers);
    });
    await goneAfter(
      descendants().filter((pid) => !before.has(pid)),
      5000,
    );
  }, 60_000);

  test("one that cannot be started says why", async () => {
    await withEngine({ chromium: "/nowhere/chrome" }, async (engine) => {
      const failed = await page(engine, "p", "k").catch((error) => error);
      expect(String(failed.details.cause)).toContain("ISOPOD_CHROMIUM is /nowhere/chrome, which is no program");
    });
    // A program that is no browser ends, and its words are told.
    await withEngine({ chromium: "/bin/false" }, async (engine) => {
      const failed = await page(engine, "p", "k").catch((error) => error);
      expect(String(failed.details.cause)).toContain("browser");
    });
    expect(await requireChromium(undefined)).toStartWith("/");
  }, 60_000);
});
