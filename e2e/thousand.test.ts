/** A thousand deployed functions: what they cost the server, and that a request to any of them costs what it does with one. */
import { expect, test } from "bun:test";
import { residentOf } from "../bench/proc.ts";
import { parseRoute } from "../src/core/route.ts";
import { createRouter } from "../src/gateway/router.ts";
import { deploy, saying } from "../src/testing/control_client.ts";
import { ServeProcess } from "../src/testing/serve_process.ts";

const FUNCTIONS = 1000;
const AT_A_TIME = 4;
const REQUESTS = 300;
/** What a request may cost with all of them, against with one: medians of a machine that does other things too. */
const RATIO_MAX = 2;

const CONFIG = `listen_address = "127.0.0.1:0"
admin_address = "127.0.0.1:0"
[pool]
prewarmed = 2
idle_ms = 2000
[plans.anonymous]
run = "none"
concurrency = 100
`;

function median(values: readonly number[]): number {
  return values.toSorted((first, second) => first - second)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Milliseconds of a request that finds an instance running. */
async function requestMs(url: string, expected: string): Promise<number> {
  const times: number[] = [];
  for (let count = 0; count < REQUESTS; count += 1) {
    const startedAt = performance.now();
    const text = await (await fetch(url)).text();
    times.push(performance.now() - startedAt);
    if (text !== expected) throw new Error(`${url} answered ${text}`);
  }
  return median(times.slice(REQUESTS / 3));
}

test("a thousand functions are served as one is", async () => {
  await using server = await ServeProcess.start({ "isopod.toml": CONFIG });
  expect((await deploy(server, "one", saying("one"), { routes: ["GET /one"] })).status).toBe(200);
  const alone = await requestMs(`${server.url}/one`, "one");
  const { pid } = (await (await server.admin("/v1/status")).json()) as { pid: number };
  const before = residentOf(pid).anonymousKb;

  const deploys: number[] = [];
  let next = 0;
  const work = async () => {
    for (let index = next++; index < FUNCTIONS; index = next++) {
      const startedAt = performance.now();
      const { status } = await deploy(server, `f-${index}`, saying(String(index)), { routes: [`GET /f-${index}/:id`] });
      deploys.push(performance.now() - startedAt);
      expect(status).toBe(200);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  const kbEach = (residentOf(pid).anonymousKb - before) / FUNCTIONS;

  for (const index of [0, 1, 499, 998, 999]) {
    expect(await (await fetch(`${server.url}/f-${index}/7`)).text()).toBe(String(index));
  }
  const among = await requestMs(`${server.url}/f-${FUNCTIONS / 2}/7`, String(FUNCTIONS / 2));
  const figures = [
    `${kbEach.toFixed(0)} KB each`,
    `deploy p50 ${median(deploys).toFixed(1)} ms, ${AT_A_TIME} at a time`,
  ];
  console.log(
    `${FUNCTIONS} functions: ${figures.join(", ")}, a route in ${matchNs().toFixed(0)} ns, request ${among.toFixed(2)} ms (${alone.toFixed(2)} with one)`,
  );
  expect(among / alone).toBeLessThan(RATIO_MAX);
  expect(kbEach).toBeLessThan(200);
}, 120_000);

function matchNs(): number {
  const routes = Array.from({ length: FUNCTIONS }, (_, index) => ({
    pattern: parseRoute(`GET /f-${index}/:id`),
    target: {},
  }));
  const router = createRouter(routes);
  const rounds = 100_000;
  const startedAt = performance.now();
  for (let round = 0; round < rounds; round += 1) router.match("GET", "localhost", `/f-${round % FUNCTIONS}/7`);
  return ((performance.now() - startedAt) / rounds) * 1e6;
}
