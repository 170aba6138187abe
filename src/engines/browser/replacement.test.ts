/** Browsers come and go without losing a page: one that has served its time is replaced, one that is idle is ended. */
import { describe, expect, test } from "bun:test";
import { requireChromium } from "../../sandbox/chromium.ts";
import { openPage, withBrowsers } from "../../testing/browser_engine_rig.ts";
import { noChromium } from "../../testing/browser_rig.ts";
import { descendants, goneAfter } from "../../testing/children.ts";

describe.skipIf(noChromium)("browsers", () => {
  test("one that has had its tabs is replaced before it ends, and its pages go on until then", async () => {
    await withBrowsers({ tabsMax: 2 }, async (engine) => {
      const old = [await openPage(engine, "p", "a"), await openPage(engine, "p", "b")];
      while (old.some(({ process }) => process.due !== true)) await new Promise((resolve) => setImmediate(resolve));
      const next = await openPage(engine, "p", "a");
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
    await withBrowsers({}, async (engine) => {
      const [one, other, same] = [
        await openPage(engine, "one", "k"),
        await openPage(engine, "other", "k"),
        await openPage(engine, "one", "l"),
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
    await withBrowsers({ chromium: "/nowhere/chrome" }, async (engine) => {
      const failed = await openPage(engine, "p", "k").catch((error) => error);
      expect(String(failed.details.cause)).toContain("ISOPOD_CHROMIUM is /nowhere/chrome, which is no program");
    });
    // A program that is no browser ends, and its words are told.
    await withBrowsers({ chromium: "/bin/false" }, async (engine) => {
      const failed = await openPage(engine, "p", "k").catch((error) => error);
      expect(String(failed.details.cause)).toContain("browser");
    });
    expect(await requireChromium(undefined)).toStartWith("/");
  }, 60_000);
});
