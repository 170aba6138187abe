import { expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "../core/clock.ts";
import { createLineSink, type LineSinkOptions } from "./line_sink.ts";

/** A clock whose timers are fired by hand. */
function handClock(): { clock: Clock; fire(): void; pending(): number } {
  const timers = new Set<() => void>();
  const after = (_: number, callback: () => void): (() => void) => {
    timers.add(callback);
    return () => timers.delete(callback);
  };
  const fire = (): void => {
    for (const timer of [...timers]) {
      timers.delete(timer);
      timer();
    }
  };
  return { clock: { ...systemClock, after }, fire, pending: () => timers.size };
}

function withFile(act: (fd: number, text: () => string) => Promise<void> | void): Promise<void> {
  const path = join(tmpdir(), `isopod-sink-${crypto.randomUUID()}`);
  const fd = openSync(path, "w");
  return Promise.resolve(act(fd, () => readFileSync(path, "utf8"))).finally(() => {
    closeSync(fd);
    rmSync(path);
  });
}

const settings = { delayMs: 10, droppedLine: (count: number) => `dropped ${count}` } satisfies Partial<LineSinkOptions>;

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise<void>((resolve) => setImmediate(resolve));
}

test("lines leave together, in their order", () =>
  withFile(async (fd, text) => {
    const { clock, fire, pending } = handClock();
    const sink = createLineSink({ ...settings, fd, clock });
    sink.write("one");
    sink.write("zwei ü");
    expect([pending(), text()]).toEqual([1, ""]);
    fire();
    sink.write("three");
    await until(() => text().endsWith("three\n"));
    expect(text()).toBe("one\nzwei ü\nthree\n");
    expect(pending()).toBe(0);
  }));

test("a large batch leaves without waiting, and the last lines leave at once", () =>
  withFile(async (fd, text) => {
    const { clock } = handClock();
    const sink = createLineSink({ ...settings, fd, clock });
    const line = "x".repeat(1000);
    for (let index = 0; index < 100; index++) sink.write(line);
    await until(() => text().length === 100_100);
    sink.write("last");
    sink.flushSync();
    expect(text().endsWith("x\nlast\n")).toBeTrue();
  }));

test("beyond the bound lines are dropped, and it is said how many", () =>
  withFile((fd, text) => {
    const sink = createLineSink({ ...settings, fd, clock: handClock().clock, pendingMax: 100 });
    for (let index = 0; index < 50; index++) sink.write("0123456789");
    sink.flushSync();
    expect(text()).toBe(`${"0123456789\n".repeat(9)}dropped 41\n`);
  }));

test("a descriptor that takes nothing neither throws nor grows", async () => {
  const { clock, fire, pending } = handClock();
  const sink = createLineSink({ ...settings, fd: 999_999, clock, pendingMax: 1000 });
  for (let round = 0; round < 20; round++) {
    for (let index = 0; index < 20; index++) sink.write("0123456789");
    fire();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  sink.flushSync();
  expect(pending()).toBeLessThanOrEqual(1);
});
