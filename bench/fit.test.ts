/** The line that the soak's verdict is read from. */
import { expect, test } from "bun:test";
import { slopeOf } from "./fit.ts";

const series = (value: (at: number) => number) =>
  Array.from({ length: 60 }, (_, at) => ({ minutes: at / 6, value: value(at) }));

test("a straight line has its own slope, a constant none", () => {
  expect(slopeOf(series((at) => 1000 + at * 5))).toBeCloseTo(30, 6);
  expect(slopeOf(series(() => 64_000))).toBe(0);
});

test("a saw tooth has next to no slope, and hides none", () => {
  const tooth = (at: number) => (at % 5) * 100;
  expect(Math.abs(slopeOf(series(tooth)))).toBeLessThan(15);
  expect(slopeOf(series((at) => tooth(at) + at * 50))).toBeGreaterThan(285);
});

test("what has no length has no slope", () => {
  expect(slopeOf([])).toBe(0);
  expect(slopeOf([{ minutes: 3, value: 9 }])).toBe(0);
});
