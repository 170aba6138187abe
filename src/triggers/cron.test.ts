/** When cron expressions are due: fields, time zones, and the nights on which clocks are changed. */
import { expect, test } from "bun:test";
import { checkCron, nextAfter } from "./cron.ts";

const next = (cron: string, after: string, timezone = "UTC") => {
  const at = nextAfter(cron, timezone, Date.parse(after));
  return at === undefined ? undefined : new Date(at).toISOString();
};

test("fields mean what they mean everywhere", () => {
  expect(next("*/15 * * * *", "2026-01-01T00:00:00Z")).toBe("2026-01-01T00:15:00.000Z");
  expect(next("0 6 * * 1-5", "2026-01-02T07:00:00Z")).toBe("2026-01-05T06:00:00.000Z");
  expect(next("30 0 6 * * *", "2026-01-01T00:00:00Z")).toBe("2026-01-01T06:00:30.000Z");
  expect(next("@daily", "2026-01-01T10:00:00Z")).toBe("2026-01-02T00:00:00.000Z");
  expect(next("0 0 29 2 *", "2026-01-01T00:00:00Z")).toBe("2028-02-29T00:00:00.000Z");
  expect(next("0 0 31 2 *", "2026-01-01T00:00:00Z")).toBeUndefined();
});

test("time zones count, also when their clocks are changed", () => {
  expect(next("0 6 * * *", "2026-01-01T00:00:00Z", "Europe/Berlin")).toBe("2026-01-01T05:00:00.000Z");
  expect(next("0 6 * * *", "2026-07-01T00:00:00Z", "Europe/Berlin")).toBe("2026-07-01T04:00:00.000Z");
  const spring = next("30 2 * * *", "2026-03-28T12:00:00Z", "Europe/Berlin");
  expect(spring?.slice(0, 10)).toBe("2026-03-29");
  const autumn = next("30 2 * * *", "2026-10-24T12:00:00Z", "Europe/Berlin") ?? "";
  expect(autumn.slice(0, 10)).toBe("2026-10-25");
  expect(next("30 2 * * *", autumn, "Europe/Berlin")?.slice(0, 10)).toBe("2026-10-26");
});

test("what is no expression or no time zone is refused", () => {
  for (const cron of ["", "* * *", "61 * * * *", "* * * * * * *", "often", "0 0 * * 9"])
    expect(() => checkCron(cron, "UTC")).toThrow();
  expect(() => checkCron("* * * * *", "Mars/Olympus")).toThrow();
});
