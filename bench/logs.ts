/**
 * The log store by itself: what a record costs its request, how many are written a second, how long questions take.
 *
 * Run by `node scripts/bun.mjs bench/logs.ts [RECORDS]`; a temporary folder holds the records and goes afterwards.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../src/core/clock.ts";
import type { LogQuery } from "../src/core/log_store.ts";
import type { FinishedRequest } from "../src/core/observer.ts";
import { openLogStore, type WritableLogStore } from "../src/telemetry/log_store.ts";
import { table } from "./report.ts";

const RECORDS = Number(process.argv[2] ?? 1_000_000);
const BURST = 2000;
const FUNCTIONS = 50;
const MB = 1024 * 1024;

function request(index: number): FinishedRequest {
  return {
    requestId: `5f0c6a1e9b7d4832${index.toString(16).padStart(10, "0")}`,
    ...{ method: "GET", host: "localhost:8080", path: `/hello/${index % 100}`, status: index % 1000 === 0 ? 500 : 200 },
    ...{ startedAt: Date.now(), durationMs: 1.25, responseBytes: 11, remoteAddress: "127.0.0.1", target: "hello" },
    functionName: `function-${index % FUNCTIONS}`,
    programHash: undefined,
    version: "sha256-4bc453b53cb3d914b45f4b250294236adba2c0e09ff6f03793949e7e39fd4cc1",
    error: undefined,
    figures: {
      ...{ wallMs: 1.2, cpuMs: 0.8, memoryBytes: 31_457_280, responseBytes: 11, logBytes: 0, subrequests: 0 },
      cold: false,
    },
  };
}

/** Takes all records in bursts, as a server does between its turns; gives what taking cost and what writing cost. */
async function fill(store: WritableLogStore): Promise<{ takeMs: number; wholeMs: number; cpuMs: number }> {
  let [takeMs, wholeMs] = [0, 0];
  const cpu = process.cpuUsage();
  let outside = 0;
  for (let done = 0; done < RECORDS; done += BURST) {
    const making = process.cpuUsage();
    const burst = Array.from({ length: BURST }, (_, index) => request(done + index));
    const made = process.cpuUsage(making);
    outside += made.user + made.system;
    const begun = performance.now();
    for (const each of burst) store.finished(each);
    takeMs += performance.now() - begun;
    await store.query({ order: "newest", limit: 1 });
    wholeMs += performance.now() - begun;
  }
  const used = process.cpuUsage(cpu);
  return { takeMs, wholeMs, cpuMs: (used.user + used.system - outside) / 1000 };
}

async function ask(store: WritableLogStore, query: Partial<LogQuery>): Promise<[count: number, ms: number]> {
  const times: number[] = [];
  let count = 0;
  for (let round = 0; round < 5; round++) {
    const begun = performance.now();
    count = (await store.query({ order: "newest", limit: 100, ...query })).items.length;
    times.push(performance.now() - begun);
  }
  return [count, times.sort((a, b) => a - b)[2] ?? Number.NaN];
}

const directory = mkdtempSync(join(tmpdir(), "isopod-bench-logs-"));
const store = openLogStore({
  ...{ directory, clock: systemClock, bytesMax: 8192 * MB, ageMs: 86_400_000 },
  report: (line, fields) => console.error(line.text, fields),
});
try {
  const { takeMs, wholeMs, cpuMs } = await fill(store);
  const each = (ms: number) => ((ms * 1000) / RECORDS).toFixed(3);
  console.log(
    `${RECORDS} records: ${each(takeMs)} µs each on the request's way, ${each(cpuMs)} µs of processor time in`,
  );
  console.log(`all, ${Math.round((RECORDS * 1000) / wholeMs)} records a second written and flushed every ${BURST}`);
  const middle = request(Math.floor(RECORDS / 2)).requestId;
  const questions: [string, Partial<LogQuery>][] = [
    ["the newest 100", {}],
    ["the oldest 100 of one function in 50", { order: "oldest", function: "function-7" }],
    ["1000 from the middle on", { order: "oldest", cursor: Math.floor(RECORDS / 2), limit: 1000 }],
    ["a request in the middle", { requestId: middle }],
    ["a request that never was", { requestId: "ffffffffffffffffffffffffff" }],
    ["a text that never was", { text: "out of cheese" }],
    ["all errors, 1 in 1000, up to 1000", { level: "error", limit: 1000 }],
    ["errors of a function that has none", { level: "error", function: "function-7" }],
  ];
  const rows: string[][] = [];
  for (const [name, query] of questions) {
    const [count, ms] = await ask(store, query);
    rows.push([name, String(count), ms.toFixed(1)]);
  }
  console.log(table([["question", "found", "ms"], ...rows]));
} finally {
  await store.close();
  rmSync(directory, { recursive: true, force: true });
}
