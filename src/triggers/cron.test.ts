/** When cron expressions are due: fields, time zones, and the nights on which clocks are changed. */
import { expect, test } from "bun:test";
import { checkCron, dueBetween, nextAfter } from "./cron.ts";

const next = (cron: string, after: string, timezone = "UTC") => {
  const at = nextAfter({ cron, timezone }, Date.parse(after));
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
  // A time that does not exist comes when the clocks have been put forward, and once.
  expect(next("30 2 * * *", "2026-03-28T12:00:00Z", "Europe/Berlin")).toBe("2026-03-29T01:00:00.000Z");
  expect(next("30 2 * * *", "2026-03-29T01:00:00Z", "Europe/Berlin")).toBe("2026-03-30T00:30:00.000Z");
  // One that comes twice counts the first time.
  expect(next("30 2 * * *", "2026-10-24T12:00:00Z", "Europe/Berlin")).toBe("2026-10-25T00:30:00.000Z");
  expect(next("30 2 * * *", "2026-10-25T00:30:00Z", "Europe/Berlin")).toBe("2026-10-26T01:30:00.000Z");
  // Every hour is every hour, also of a night that has 25.
  expect(next("0 * * * *", "2026-10-25T00:00:00Z", "Europe/Berlin")).toBe("2026-10-25T01:00:00.000Z");
});

test("what was due in a span is counted up to a bound, and its last time found", () => {
  const minutely = { cron: "* * * * *", timezone: "UTC" };
  const since = Date.parse("2026-01-01T00:00:00Z");
  expect(dueBetween(minutely, since, since)).toEqual({ count: 0, last: undefined, next: since + 60_000 });
  expect(dueBetween(minutely, since, since + 150_000)).toEqual({
    ...{ count: 2, last: since + 120_000, next: since + 180_000 },
  });
  const year = since + 365 * 86_400_000;
  expect(dueBetween(minutely, since, year + 1)).toEqual({ count: 100, last: year, next: year + 60_000 });
  const rare = { cron: "0 0 1 1 *", timezone: "UTC" };
  expect(dueBetween(rare, since, year + 1)).toMatchObject({ count: 1, last: year });
  expect(nextAfter(minutely, 8.64e15)).toBeUndefined();
});

test("what is no expression or no time zone is refused", () => {
  for (const cron of ["", "* * *", "61 * * * *", "* * * * * * *", "often", "0 0 * * 9"])
    expect(() => checkCron(cron, "UTC")).toThrow();
  expect(() => checkCron("* * * * *", "Mars/Olympus")).toThrow();
});
