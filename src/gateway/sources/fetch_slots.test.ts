import { expect, test } from "bun:test";
import { FetchSlots } from "./fetch_slots.ts";

const never = new AbortController().signal;

test("those who wait get a slot in their turn; who hung up gets none, and too many are refused", async () => {
  const slots = new FetchSlots(1, 2);
  await slots.take(never);
  const gone = new AbortController();
  const order: string[] = [];
  const first = slots.take(gone.signal).catch(() => order.push("gone"));
  const second = slots.take(never).then(() => order.push("second"));
  await expect(slots.take(never)).rejects.toThrow("no room");
  gone.abort();
  await first;
  slots.give();
  await second;
  expect(order).toEqual(["gone", "second"]);
  slots.give();
  await slots.take(never);
});
