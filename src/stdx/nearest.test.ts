import { expect, test } from "bun:test";
import { nearest } from "./nearest.ts";

const keys = ["wall_ms", "cpu_ms", "memory_mb", "listen_address", "egress", "env", "routes"];

test("finds the key that was meant", () => {
  expect(nearest("wal_ms", keys)).toBe("wall_ms");
  expect(nearest("lisen_adress", keys)).toBe("listen_address");
  expect(nearest("listenAddress", keys)).toBe("listen_address");
  expect(nearest("memroy_mb", keys)).toBe("memory_mb");
  expect(nearest("route", keys)).toBe("routes");
  expect(nearest("evn", keys)).toBe("env");
});

test("takes the nearer of two, and the first of two that are as near", () => {
  expect(nearest("cpu_m", ["cpu_mbs", "cpu_ms"])).toBe("cpu_ms");
  expect(nearest("ab1", ["ab2", "ab3"])).toBe("ab2");
});

test("stays silent when nothing is near", () => {
  expect(nearest("timeout", keys)).toBeUndefined();
  expect(nearest("", keys)).toBeUndefined();
  expect(nearest("x", ["y"])).toBeUndefined();
  expect(nearest("anything", [])).toBeUndefined();
});

test("does no work for words of absurd length", () => {
  expect(nearest("a".repeat(1_000_000), keys)).toBeUndefined();
  expect(nearest("routes", ["r".repeat(1_000_000), "routes"])).toBe("routes");
});
