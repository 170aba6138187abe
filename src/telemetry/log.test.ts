import { expect, test } from "bun:test";
import { systemClock } from "../core/clock.ts";
import { createLog, type LogOptions, parseLogLevel } from "./log.ts";

function setUp(over: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const sink = { write: (line: string) => lines.push(line), flushSync: () => {} };
  const clock = { ...systemClock, wallNow: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6) };
  return { lines, log: createLog({ clock, sink, ...over }) };
}

test("a line is JSON with its level, time, message and fields", () => {
  const { lines, log } = setUp();
  log.child({ room: "pool" }).warn("Cannot %s start", { instance: 7 });
  expect(JSON.parse(lines[0] ?? "")).toEqual({
    level: "warn",
    time: "2026-01-02T03:04:05.006Z",
    room: "pool",
    instance: 7,
    msg: "Cannot %s start",
  });
  expect(lines[0]).not.toContain("\n");
});

test("an error is written with its stack and its causes", () => {
  const { lines, log } = setUp();
  log.error("failed", { error: new Error("outer", { cause: new TypeError("inner") }) });
  const { error } = JSON.parse(lines[0] ?? "");
  expect([error.message, error.cause.name, error.cause.message]).toEqual(["outer", "TypeError", "inner"]);
  expect(error.stack).toContain("log.test.ts");
  const circle = new Error("circle");
  circle.cause = circle;
  log.error("failed", { error: circle });
  log.error("failed", { error: "text" });
  expect(lines.length).toBe(3);
});

test("levels below the one that is set are not written", () => {
  const { lines, log } = setUp({ level: "warn" });
  log.debug("no");
  log.info("no");
  log.error("yes");
  expect(lines.length).toBe(1);
  expect(parseLogLevel(undefined)).toBe("info");
  expect(parseLogLevel("DEBUG")).toBe("debug");
  expect(() => parseLogLevel("loud")).toThrow('Cannot read ISOPOD_LOG "loud": expected one of trace, debug');
});

test("lines for people are short, and what callers wrote moves no cursor", () => {
  const { lines, log } = setUp({ pretty: true });
  log.info("hello \u001b[2J", { path: "/x", text: "a\nb\u009b" });
  log.error("failed", { error: new Error("why\u001b[1A") });
  const plain = lines.map((line) => line.replace(/\u001b\[\d+m/g, ""));
  expect(plain[0]).toBe('03:04:05.006 info  hello \\x1b[2J path=/x text="a\\nb\\x9b"');
  expect(plain[1]).toContain("\n  Error: why\\x1b[1A");
  expect(plain.join("")).not.toContain("\u001b");
});
