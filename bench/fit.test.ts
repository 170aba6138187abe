/** The line that the soak's verdict is read from. */
import { expect, test } from "bun:test";
import { feetOf, slopeOf } from "./fit.ts";

const series = (value: (at: number) => number) =>
  Array.from({ length: 60 }, (_, at) => ({ minutes: at / 6, value: value(at) }));

test("a straight line has its own slope, a constant none, and both are certain", () => {
  const straight = slopeOf(series((at) => 1000 + at * 5));
  expect(straight.slope).toBeCloseTo(30, 6);
  expect(straight.error).toBeCloseTo(0, 6);
  expect(slopeOf(series(() => 64_000))).toEqual({ slope: 0, error: 0 });
});

test("the feet of a saw tooth have no slope, and hide none", () => {
  const tooth = (at: number) => (at % 6) * 100;
  expect(slopeOf(feetOf(series(tooth))).slope).toBeCloseTo(0, 6);
  expect(slopeOf(feetOf(series((at) => tooth(at) + at * 50))).slope).toBeCloseTo(300, 6);
});

test("noise shows in the error", () => {
  const { slope, error } = slopeOf(series((at) => (at % 2 === 0 ? 1000 : 0)));
  expect(Math.abs(slope)).toBeLessThan(2 * error);
});

test("what has no length tells nothing", () => {
  expect(slopeOf([]).error).toBe(Number.POSITIVE_INFINITY);
  expect(slopeOf(series(() => 9).slice(0, 2)).error).toBe(Number.POSITIVE_INFINITY);
});
