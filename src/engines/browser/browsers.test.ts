/** Which browser a project has when one dies while its replacement is being started. */
import { expect, test } from "bun:test";
import { deferred } from "../../stdx/deferred.ts";
import { settle } from "../../testing/fake_clock.ts";
import type { Browser } from "./browser.ts";
import { Browsers } from "./browsers.ts";

/** A browser that is ready, and gone, when it is told. */
class FakeBrowser {
  readonly readyNow = deferred<void>();
  readonly goneNow = deferred<void>();
  readonly ready = this.readyNow.promise;
  readonly gone = this.goneNow.promise;
  readonly hadTabs = true;
  isSpent = false;
  idleSince: number | undefined;
  isGone = false;

  retire(): void {
    this.kill();
  }

  kill(): void {
    this.isGone = true;
    this.goneNow.resolve();
  }
}

test("one that dies while its replacement starts leaves one browser, not two", async () => {
  const made: FakeBrowser[] = [];
  const browsers = new Browsers(async () => {
    const browser = new FakeBrowser();
    made.push(browser);
    return browser as unknown as Browser;
  });
  try {
    const first = browsers.of("p");
    await settle();
    made[0]?.readyNow.resolve();
    await first;
    (made[0] as FakeBrowser).isSpent = true;
    // Browsers are looked at once a second.
    while (made.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    made[0]?.kill();
    await settle();
    for (const each of made) each.readyNow.resolve();
    await settle();
    const present = await browsers.of("p");
    await settle();
    expect(made.filter(({ isGone }) => !isGone)).toEqual([present as unknown as FakeBrowser]);
  } finally {
    await browsers.close();
  }
});
