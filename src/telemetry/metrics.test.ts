import { expect, test } from "bun:test";
import { createMetrics } from "./metrics.ts";

async function lines(metrics: ReturnType<typeof createMetrics>, pattern: RegExp): Promise<string[]> {
  const { text } = await metrics.expose();
  return text.split("\n").filter((line) => pattern.test(line));
}

test("counts requests by target and class of status, cumulatively by time", async () => {
  const metrics = createMetrics();
  metrics.request("hello", 200, 0.0007);
  metrics.request("hello", 204, 0.003);
  metrics.request("hello", 503, 5000);
  const found = await lines(metrics, /^isopod_request_duration_seconds/);
  const prefix = "isopod_request_duration_seconds";
  expect(found).toContain(`${prefix}_bucket{le="0.0005",target="hello",status="2xx"} 0`);
  expect(found).toContain(`${prefix}_bucket{le="0.001",target="hello",status="2xx"} 1`);
  expect(found).toContain(`${prefix}_bucket{le="0.005",target="hello",status="2xx"} 2`);
  expect(found).toContain(`${prefix}_bucket{le="+Inf",target="hello",status="2xx"} 2`);
  expect(found).toContain(`${prefix}_count{target="hello",status="5xx"} 1`);
  expect(found).toContain(`${prefix}_bucket{le="900",target="hello",status="5xx"} 0`);
});

test("labels are bounded, whatever the names", async () => {
  const metrics = createMetrics();
  for (let index = 0; index < 1500; index++) {
    metrics.request(`f${index}`, 200, 0.1);
    metrics.limitStruck(`l${index}`);
    metrics.instanceEnded("script", `r${index}`);
  }
  metrics.request("f0", 9999, 0.1);
  metrics.request('evil"\n} 1', 200, 0.1);
  const counts = await lines(metrics, /^isopod_request_duration_seconds_count/);
  expect(counts.length).toBeLessThanOrEqual(1002);
  expect(counts).toContain('isopod_request_duration_seconds_count{target="other",status="2xx"} 501');
  expect((await lines(metrics, /^isopod_limits_struck_total/)).length).toBe(65);
  expect((await lines(metrics, /^isopod_instances_ended_total/)).length).toBe(65);
});

test("label values are escaped", async () => {
  const metrics = createMetrics();
  metrics.request('a"b\\c\nd', 200, 0.1);
  expect(await lines(metrics, /_count\{/)).toContain(
    'isopod_request_duration_seconds_count{target="a\\"b\\\\c\\nd",status="2xx"} 1',
  );
});

test("gauges are read when they are asked for, and forget what is gone", async () => {
  const metrics = createMetrics();
  let values = [{ labels: { engine: "script", state: "idle" }, value: 3 }];
  metrics.gauge({ name: "isopod_instances", help: "Instances.", labels: ["engine", "state"], read: () => values });
  expect(await lines(metrics, /^isopod_instances\{/)).toEqual(['isopod_instances{engine="script",state="idle"} 3']);
  values = [{ labels: { engine: "script", state: "busy" }, value: 1 }];
  expect(await lines(metrics, /^isopod_instances\{/)).toEqual(['isopod_instances{engine="script",state="busy"} 1']);
  expect(() => metrics.gauge({ name: "isopod_instances", help: "x", labels: [], read: () => [] })).toThrow();
  metrics.error("wall_limit");
  metrics.instanceStarted("script", 0.004);
  expect(await lines(metrics, /^isopod_errors_total/)).toEqual(['isopod_errors_total{code="wall_limit"} 1']);
  expect(await lines(metrics, /^isopod_instance_start_seconds_count/)).toEqual([
    'isopod_instance_start_seconds_count{engine="script"} 1',
  ]);
  expect((await lines(metrics, /^isopod_(resident_memory_bytes|cpu_seconds) \d/)).length).toBe(2);
});
