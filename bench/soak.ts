/**
 * `npm run soak`: half an hour of steady load on a real server, with functions that crash, break limits, stream and
 * are deployed anew each minute; then the verdict whether the server's memory, file descriptors, processes, files and
 * cgroup slots stayed flat. bench/README.md says more.
 *
 * `-- --minutes N` for another time, `--json FILE` for the samples. Ends with 1 when something grew or an answer was wrong.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { feetOf, slopeOf } from "./fit.ts";
import { type Isopod, startIsopod } from "./isopod.ts";
import { until } from "./peer.ts";
import { descendants, descriptorsOf, residentOf } from "./proc.ts";
import { figure, type Goal, goalTable, table } from "./report.ts";
import { runTraffic, SOAK_FILES, soakConfig, type Tally } from "./soak_traffic.ts";

/** What is read from the server at one time. */
interface Sample {
  readonly minutes: number;
  readonly residentKb: number;
  readonly anonymousKb: number;
  readonly descriptors: number;
  readonly processes: number;
  readonly files: number;
  readonly slots: number;
}

const SAMPLE_MS = 10_000;
const RELOAD_MS = 60_000;
/** Longer than a connection that is kept alive may idle. */
const REST_MS = 25_000;
/** Growth that counts as flat: 6 MB an hour, less than the noise of a collected heap over half an hour. */
const SLOPE_KB_MAX = 100;

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "30" }, json: { type: "string" } },
});
const minutes = Number(values.minutes);
if (!(minutes >= 1)) {
  console.error(`Cannot soak for "${values.minutes}" minutes: expected a number from 1`);
  process.exit(2);
}
/** The beginning does not count: caches fill and the heap finds its size. */
const warmUpMinutes = Math.min(5, minutes / 3);

await using isopod = await startIsopod({ config: soakConfig(0), files: SOAK_FILES, logFile: "server.log" });
const startedAt = performance.now();
await runTraffic(isopod, AbortSignal.timeout(10_000));
const before = await sampleAtRest();
const ending = AbortSignal.timeout(minutes * 60_000);
const samples: Sample[] = [];
const sampling = setInterval(() => samples.push(takeSample(isopod)), SAMPLE_MS);
let version = 0;
const reloading = setInterval(() => {
  version += 1;
  isopod.configure(soakConfig(version));
  report(samples.at(-1));
}, RELOAD_MS);
const tallies = await runTraffic(isopod, ending);
clearInterval(sampling);
clearInterval(reloading);
const after = await sampleAtRest();
const goals = judge();
console.log(`\n${tallyTable(tallies)}\n\n${goalTable(goals)}`);
if (values.json !== undefined) {
  const kept = { minutes, warmUpMinutes, goals, before, after, tallies: Object.fromEntries(tallies), samples };
  writeFileSync(values.json, `${JSON.stringify(kept, undefined, 2)}\n`);
}
process.exitCode = goals.every(({ pass }) => pass) ? 0 : 1;

function takeSample({ pid, directory }: Isopod): Sample {
  return {
    minutes: (performance.now() - startedAt) / 60_000,
    ...residentOf(pid),
    descriptors: descriptorsOf(pid),
    processes: descendants(pid).length,
    files: filesIn(directory),
    slots: countSlots(pid),
  };
}

/** Files and folders of a server, but for the log store's, which grow to the bound that `[logs]` sets. */
function filesIn(directory: string): number {
  const names = readdirSync(directory, { recursive: true }) as string[];
  return names.filter((name) => !name.startsWith(join("data", "logs"))).length;
}

/** Waits until nothing has run, and nothing has changed, for a while; and looks then. */
async function sampleAtRest(): Promise<Sample> {
  let last = { since: 0, what: "" };
  await until(
    "the server to come to rest",
    async () => {
      const { pool } = await isopod.status();
      const { descriptors, processes } = takeSample(isopod);
      const isAtRest = pool.functions === 0 && pool.invocations === 0 && pool.instances === pool.prewarmed;
      const what = `${isAtRest} ${descriptors} ${processes}`;
      if (what !== last.what) last = { since: performance.now(), what };
      return isAtRest && performance.now() - last.since > REST_MS;
    },
    5 * REST_MS,
  );
  return takeSample(isopod);
}

/** Directories of the server's cgroup in which a sandbox is or was. */
function countSlots(pid: number): number {
  const names = readFileSync(`/proc/${pid}/cgroup`, "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split(":"));
  const memory = names.find(([, controllers]) => controllers?.split(",").includes("memory"));
  const [, , own = ""] = memory ?? names.find(([id]) => id === "0") ?? [];
  const parent = memory
    ? join("/sys/fs/cgroup/memory", own)
    : join("/sys/fs/cgroup", own.replace(/\/isopod-server$/, ""));
  try {
    return readdirSync(join(parent, `isopod-${pid}`)).filter((name) => name.startsWith("slot-")).length;
  } catch {
    return 0;
  }
}

function report(sample: Sample | undefined): void {
  if (sample === undefined) return;
  const { residentKb, descriptors, processes, files, slots } = sample;
  const at = `${sample.minutes.toFixed(1)} min`;
  console.log(
    `${at}: ${figure(residentKb / 1024)} MB resident, ${descriptors} descriptors, ${processes} processes, ${files} files, ${slots} slots`,
  );
}

function judge(): Goal[] {
  const measured = samples.filter((sample) => sample.minutes >= warmUpMinutes);
  const flat = (what: string, name: "residentKb" | "anonymousKb"): Goal => {
    const feet = feetOf(measured.map((sample) => ({ minutes: sample.minutes, value: sample[name] })));
    const { slope, error } = slopeOf(feet);
    return {
      what,
      wanted: `at most ${SLOPE_KB_MAX} KB a minute, or no more than chance`,
      reached: `${Math.round(slope)} ± ${Math.round(error)} KB a minute`,
      pass: slope <= Math.max(SLOPE_KB_MAX, 2 * error),
    };
  };
  const same = (what: string, name: "descriptors" | "processes" | "files"): Goal => ({
    what: `${what} at rest`,
    wanted: `at most ${before[name]}, as before`,
    reached: String(after[name]),
    pass: after[name] <= before[name],
  });
  const middle = measured[Math.floor(measured.length / 2)]?.slots ?? 0;
  const wrong = [...tallies.values()].reduce((sum, tally) => sum + tally.wrong, 0);
  return [
    flat("resident memory", "residentKb"),
    flat("anonymous memory", "anonymousKb"),
    same("file descriptors", "descriptors"),
    same("processes", "processes"),
    same("files", "files"),
    {
      what: "cgroup slots in the second half",
      wanted: `at most 8 more than ${middle}`,
      reached: String(after.slots),
      pass: after.slots <= middle + 8,
    },
    { what: "wrong answers", wanted: "0", reached: String(wrong), pass: wrong === 0 },
  ];
}

function tallyTable(found: ReadonlyMap<string, Tally>): string {
  const rows = [...found].map(([name, { sent, wrong, firstWrong }]) => [
    name,
    String(sent),
    String(wrong),
    (firstWrong ?? "").slice(0, 100),
  ]);
  return table([["request", "sent", "wrong", "the first"], ...rows]);
}
