/** Whoever waits for a connection is told of its end, and nothing is kept of whoever has waited. */
import { expect, test } from "bun:test";
import { ConnectionEnd } from "./connection_end.ts";

test("what comes before the end is given, and nothing is left of it", async () => {
  const end = new ConnectionEnd();
  for (let round = 0; round < 1000; round += 1) expect(await end.before(Promise.resolve(round))).toBe(round);
  await expect(end.before(Promise.reject(new Error("refused")))).rejects.toThrow("refused");
  expect(end.waiting).toBe(0);
});

test("what came together with the end is given", async () => {
  const end = new ConnectionEnd();
  const { promise, resolve } = Promise.withResolvers<string>();
  const waiting = end.before(promise);
  setImmediate(resolve, "answered");
  end.tell(new Error("gone"));
  expect(await waiting).toBe("answered");
});

test("the end is told to all who wait, and to those who come later", async () => {
  const end = new ConnectionEnd();
  const never = new Promise<void>(() => {});
  const waiting = [end.before(never), end.before(never)];
  expect(end.waiting).toBe(2);
  end.tell(new Error("gone"));
  end.tell(new Error("gone again"));
  const reasons = (await Promise.allSettled(waiting)).map((each) => each.status === "rejected" && each.reason.message);
  expect(reasons).toEqual(["gone", "gone"]);
  await expect(end.before(Promise.reject(new Error("late")))).rejects.toThrow(/^gone$/);
  expect(end.waiting).toBe(0);
});
