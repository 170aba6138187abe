/** The machine's clock waits as long as it is told, however long that is. */
import { expect, test } from "bun:test";
import { systemClock } from "./clock.ts";

test("what is to come in 35 days does not come at once, and can be given up", async () => {
  let came = 0;
  const cancel = systemClock.after(35 * 86_400_000, () => {
    came += 1;
  });
  // A timer that has fired at once would have come before these.
  for (let turn = 0; turn < 5; turn += 1) await new Promise<void>((resolve) => void setTimeout(resolve, 2));
  expect(came).toBe(0);
  cancel();
});
