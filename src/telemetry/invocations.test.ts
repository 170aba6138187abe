import { expect, test } from "bun:test";
import type { FinishedRequest } from "../core/observer.ts";
import { createInvocations, type InvocationRecord, type Invocations } from "./invocations.ts";

function record(requestId: string): FinishedRequest {
  return {
    ...remembered(requestId),
    host: "localhost",
    durationMs: 1,
    responseBytes: 0,
    remoteAddress: "",
    target: "hello",
    error: undefined,
  };
}

function remembered(requestId: string): InvocationRecord {
  return {
    requestId,
    functionName: "hello",
    programHash: undefined,
    method: "GET",
    path: "/hello",
    status: 200,
    startedAt: 1,
    error: undefined,
    figures: undefined,
  };
}

function logged(invocations: Invocations, requestId: string, ...texts: string[]): void {
  const tail = invocations.tail();
  for (const text of texts) tail.add({ level: "info", text });
  invocations.record(record(requestId), tail);
}

test("a record is found by its request id, with what was logged", () => {
  const invocations = createInvocations();
  logged(invocations, "a", "one", "two");
  invocations.record(record("b"));
  expect(invocations.get("a")).toEqual({
    ...remembered("a"),
    logs: [
      { level: "info", text: "one" },
      { level: "info", text: "two" },
    ],
    logsCut: false,
    logsMissing: 0,
  });
  expect(invocations.get("b")?.logs).toEqual([]);
  expect(invocations.get("__proto__")).toBeUndefined();
});

test("the oldest leave when there are too many; a second record replaces the first", () => {
  const invocations = createInvocations({ countMax: 3 });
  invocations.record({ ...record("a"), status: 200 });
  invocations.record({ ...record("a"), status: 500 });
  invocations.record(record("b"));
  expect(invocations.get("a")?.status).toBe(500);
  invocations.record(record("c"));
  expect(invocations.get("a")?.status).toBe(500);
  invocations.record(record("d"));
  expect(invocations.get("a")).toBeUndefined();
  expect(invocations.get("b")).toBeDefined();
});

test("the last lines of a log stay, within its bound", () => {
  const invocations = createInvocations({ logLengthMaxEach: 1000 });
  logged(invocations, "a", ...Array.from({ length: 5000 }, (_, index) => `line ${index}`));
  const found = invocations.get("a");
  expect(found?.logsCut).toBeTrue();
  expect(found?.logs.at(-1)?.text).toBe("line 4999");
  expect(found?.logs.length).toBe(13);
  expect(found?.logsMissing).toBe(4987);
  logged(invocations, "b", "x".repeat(100_000));
  expect(invocations.get("b")?.logs[0]?.text.length).toBe(936);
  logged(invocations, "c", ...Array.from({ length: 1000 }, () => ""));
  expect(invocations.get("c")?.logs.length).toBe(15);
});

test("all logs together are bounded: the oldest records lose theirs", () => {
  const invocations = createInvocations({ countMax: 10, logLengthMaxEach: 1000, logLengthMaxAll: 2000 });
  for (let index = 0; index < 30; index++) {
    const tail = invocations.tail();
    tail.add({ level: "info", text: "x".repeat(536) });
    invocations.record(record(`r${index}`), tail);
    // Whoever still writes into a tail does not spoil the sum.
    tail.add({ level: "info", text: "late" });
    const kept = Array.from({ length: index + 1 }, (_, id) => invocations.get(`r${id}`)).filter(
      (each) => each?.logs.length,
    );
    expect(kept.length).toBe(Math.min(3, index + 1));
  }
  expect(invocations.get("r21")).toMatchObject({ logs: [], logsCut: true, logsMissing: 2 });
});
