import { expect, test } from "bun:test";
import { systemClock } from "../core/clock.ts";
import { IsopodError } from "../core/errors.ts";
import { type AccessEntry, type AccessLogOptions, createAccessLog } from "./access_log.ts";

const entry: AccessEntry = {
  requestId: "r1",
  method: "GET",
  host: "localhost",
  path: "/hello",
  status: 200,
  durationMs: 1.23456,
  responseBytes: 5,
  remoteAddress: "127.0.0.1",
  target: "hello",
  error: undefined,
};

function setUp(over: Partial<AccessLogOptions> = {}) {
  const lines: string[] = [];
  const sink = { write: (line: string) => lines.push(line), flushSync: () => {} };
  let now = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
  const clock = { ...systemClock, wallNow: () => now };
  const turn = (ms: number): void => {
    now += ms;
  };
  return { lines, turn, log: createAccessLog({ sink, clock, sample: 1, ...over }) };
}

test("a request is one line of JSON", () => {
  const { lines, turn, log } = setUp();
  log.write(entry);
  turn(995);
  log.write({ ...entry, error: new IsopodError("wall_limit") });
  expect(JSON.parse(lines[0] ?? "")).toEqual({
    level: "info",
    time: "2026-01-02T03:04:05.006Z",
    access: true,
    request_id: "r1",
    method: "GET",
    host: "localhost",
    path: "/hello",
    status: 200,
    ms: 1.235,
    bytes: 5,
    remote: "127.0.0.1",
    target: "hello",
  });
  expect(JSON.parse(lines[1] ?? "")).toMatchObject({ time: "2026-01-02T03:04:06.001Z", error: "wall_limit" });
});

test("what callers wrote stays within its line, and is bounded", () => {
  const { lines, log } = setUp();
  log.write({ ...entry, path: '/a"\n{"level":"error"}', host: "x".repeat(100_000) });
  expect(lines[0]).not.toContain("\n");
  expect(JSON.parse(lines[0] ?? "").path).toBe('/a"\n{"level":"error"}');
  expect(lines[0]?.length).toBeLessThan(1500);
});

test("a share is logged, failures of the server always, nothing when it is off", () => {
  let turn = 0;
  const share = setUp({ sample: 0.25, random: () => (turn++ % 4) / 4 });
  for (let index = 0; index < 100; index++) share.log.write(entry);
  expect(share.lines.length).toBe(25);
  share.log.write({ ...entry, status: 503 });
  expect(share.lines.length).toBe(26);
  const off = setUp({ sample: 0 });
  off.log.write({ ...entry, status: 500 });
  expect(off.lines).toEqual([]);
});
