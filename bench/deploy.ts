/**
 * The section `deploy`: from a deploy to its first answer, the cold start of a version that is deployed, and what a
 * thousand deployed functions cost: memory, a further deploy, finding a route, a request.
 */
import { parseRoute } from "../src/core/route.ts";
import { createRouter } from "../src/gateway/router.ts";
import type { Pace, Section } from "./hello.ts";
import { type Isopod, startIsopod } from "./isopod.ts";
import { until } from "./peer.ts";
import { memoryOf } from "./proc.ts";
import { figure, table } from "./report.ts";

const DEPLOYS = 100;
const COLD_STARTS = 60;
const FUNCTIONS = 1000;
const REQUESTS = 500;
const DEPLOYS_AT_A_TIME = 2;
const PREWARMED = 4;
const WANTED = { deployMs: 50, coldMs: 15 };

/** Measures deploys through the admin API of a server that its users would have. */
export async function measureDeploys({ scale }: Pace): Promise<Section> {
  // Instances that a deploy has left go soon, so that memory is that of functions that nobody calls.
  const config = `[pool]\nprewarmed = ${PREWARMED}\nidle_ms = 3000\n[plans.anonymous]\nrun = "any"\nconcurrency = 10000\n`;
  await using isopod = await startIsopod({ config, files: {} });
  const failures: string[] = [];
  const deploys: number[] = [];
  const versions: string[] = [];
  await deploy(isopod, "first", "warm-up");
  for (let at = 0; at < Math.ceil(DEPLOYS * scale); at += 1) {
    await rested(isopod);
    const startedAt = performance.now();
    const version = await deploy(isopod, "first", String(at));
    const text = await get(isopod, "/first");
    deploys.push(performance.now() - startedAt);
    versions.push(version);
    if (text !== `says ${at}`) failures.push(`deploy ${at} was answered with "${text}"`);
  }
  // The last two have instances: one answers, one is what a rollback would go back to.
  const cold: number[] = [];
  for (const version of versions.slice(0, -2).slice(0, Math.ceil(COLD_STARTS * scale))) {
    await rested(isopod);
    const startedAt = performance.now();
    await get(isopod, "/first", { "isopod-version": version });
    cold.push(performance.now() - startedAt);
  }
  const many = await measureMany(isopod, Math.ceil(FUNCTIONS * scale));
  const rows = [
    ["deploy", "p50", "p99"],
    ["deploy to first answer", `${figure(at(deploys, 0.5))} ms`, `${figure(at(deploys, 0.99))} ms`],
    ["cold start of a deployed version", `${figure(at(cold, 0.5))} ms`, `${figure(at(cold, 0.99))} ms`],
    [
      `deploy among ${many.functions} functions`,
      `${figure(at(many.deploys, 0.5))} ms`,
      `${figure(at(many.deploys, 0.99))} ms`,
    ],
    ["request with one function", `${figure(at(many.alone, 0.5))} ms`, `${figure(at(many.alone, 0.99))} ms`],
    [
      `request with ${many.functions} functions`,
      `${figure(at(many.among, 0.5))} ms`,
      `${figure(at(many.among, 0.99))} ms`,
    ],
    [`find a route among ${many.functions}`, `${figure(many.matchNs)} ns`, ""],
    [`server's memory for each of ${many.functions}`, `${figure(many.kbEach)} KB`, ""],
  ];
  const [deployP50, coldP50] = [at(deploys, 0.5), at(cold, 0.5)];
  return {
    text: table(rows),
    goals: [
      goal("deploy to first answer, p50", WANTED.deployMs, deployP50),
      goal("cold start of a deployed version, p50", WANTED.coldMs, coldP50),
    ],
    figures: { deploys, cold, many },
    failures,
  };
}

function goal(what: string, wantedMs: number, ms: number) {
  return { what, wanted: `under ${wantedMs} ms`, reached: `${figure(ms)} ms`, pass: ms < wantedMs };
}

async function measureMany(isopod: Isopod, functions: number) {
  const request = async () => {
    const times: number[] = [];
    for (let count = 0; count < REQUESTS; count += 1) {
      const startedAt = performance.now();
      await get(isopod, "/first");
      times.push(performance.now() - startedAt);
    }
    return times;
  };
  await request();
  const alone = await request();
  const before = memoryOf(isopod.pid).anonymousKb;
  const deploys: number[] = [];
  let next = 0;
  const work = async () => {
    for (let index = next++; index < functions; index = next++) {
      const startedAt = performance.now();
      await deploy(isopod, `many-${index}`, String(index));
      if (index >= functions * 0.9) deploys.push(performance.now() - startedAt);
    }
  };
  await Promise.all(Array.from({ length: DEPLOYS_AT_A_TIME }, work));
  await until(
    "the instances of the deploys to end",
    async () => (await isopod.status()).pool.instances <= PREWARMED + 1,
  );
  const kbEach = (memoryOf(isopod.pid).anonymousKb - before) / functions;
  await get(isopod, "/first");
  const among = await request();
  return { functions, alone, among, deploys, kbEach, matchNs: matchTime(functions) };
}

function matchTime(count: number): number {
  const routes = Array.from({ length: count }, (_, index) => ({
    pattern: parseRoute(`GET /many-${index}/:id`),
    target: {},
  }));
  const router = createRouter(routes);
  const rounds = 200_000;
  const find = () => {
    for (let round = 0; round < rounds; round += 1) router.match("GET", "localhost", `/many-${round % count}/7`);
  };
  find();
  const startedAt = performance.now();
  find();
  return ((performance.now() - startedAt) / rounds) * 1e6;
}

/** Waits until the stock of prewarmed instances is full, so that each measurement finds what a quiet server has. */
function rested(isopod: Isopod): Promise<void> {
  return until("the stock of instances", async () => (await isopod.status()).pool.prewarmed === PREWARMED);
}

async function deploy(isopod: Isopod, name: string, text: string): Promise<string> {
  const content = `export default () => new Response("says ${text}");`;
  const body = JSON.stringify({ files: [{ path: "main.ts", content }], routes: [`GET /${name}`] });
  const answer = await isopod.admin(`/v1/projects/default/functions/${name}/deploy`, { method: "POST", body });
  if (!answer.ok) throw new Error(`Cannot deploy ${name}: ${answer.status} ${await answer.text()}`);
  return ((await answer.json()) as { version: string }).version;
}

async function get(isopod: Isopod, path: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  return (await fetch(`http://127.0.0.1:${isopod.port}${path}`, { headers })).text();
}

function at(values: readonly number[], share: number): number {
  const sorted = [...values].sort((first, second) => first - second);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
