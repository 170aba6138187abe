/**
 * The section `components`: a component of WASI 0.2 that answers "hello world", with a fresh instance for each request,
 * against a script that answers the same; and what it takes until a component that nobody has seen before has answered.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Pace, type Section, wrongAnswers } from "./hello.ts";
import { startIsopod } from "./isopod.ts";
import { figure, table } from "./report.ts";
import { type Measurement, medianOf, runLoad } from "./run_load.ts";

const SECONDS = 2;
const RATIO_WANTED = 0.15;
const CONNECTIONS = [1, 32];
const COMPONENT = join(import.meta.dir, "..", "examples", "wasm", "components", "hello.wasm");
const SCRIPT = 'export default { fetch: () => new Response("hello world") };';

const CONFIG = `
[plans.anonymous]
run = "any"
concurrency = 10000
wall_ms = 60000
[[functions]]
name = "script"
path = "./hello.ts"
routes = ["GET /script"]
[[functions]]
name = "component"
path = "./hello.wasm"
routes = ["GET /component"]
`;

/** Measures both in turn, several times over. */
export async function measureComponents({ rounds, scale }: Pace): Promise<Section> {
  const component = readFileSync(COMPONENT);
  await using isopod = await startIsopod({ config: CONFIG, files: { "hello.ts": SCRIPT, "hello.wasm": component } });
  const found = new Map<string, Measurement[]>();
  for (let round = 0; round < rounds; round += 1) {
    for (const connections of CONNECTIONS) {
      for (const name of ["script", "component"]) {
        const load = { path: `/${name}`, expect: "hello world", connections, seconds: SECONDS * scale };
        const key = `${name}|${connections}`;
        found.set(key, [...(found.get(key) ?? []), await runLoad(isopod, load)]);
      }
    }
  }
  const medians = new Map([...found].map(([key, measured]) => [key, medianOf(measured)]));
  const rows = [...medians].map(([key, { perSecond, p50Ms, p99Ms, instanceUs }]) => {
    const [name = "", connections = ""] = key.split("|");
    const ratio = perSecond / (medians.get(`script|${connections}`)?.perSecond ?? Number.NaN);
    return [name, connections, ...[perSecond, p50Ms, p99Ms, instanceUs, ratio].map(figure)];
  });
  const rate = (name: string) => medians.get(`${name}|32`)?.perSecond ?? Number.NaN;
  const ratio = rate("component") / rate("script");
  const firstMs = await firstAnswerMs(isopod.port, component);
  rows.push(["component, never seen", "1", "", figure(firstMs), "", "", ""]);
  const head = ["hello", "connections", "req/s", "p50 ms", "p99 ms", "instance µs", "× script"];
  return {
    text: table([head, ...rows]),
    goals: [
      {
        what: "warm hello of a component at 32 connections against that of a script",
        wanted: `${RATIO_WANTED} times`,
        reached: `${figure(ratio)} times`,
        pass: ratio >= RATIO_WANTED,
      },
    ],
    figures: { ...Object.fromEntries(medians), firstMs },
    failures: wrongAnswers(medians),
  };
}

/** How long one takes that is sent and was never seen: a custom section at its end makes it another one. */
async function firstAnswerMs(port: number, component: Uint8Array): Promise<number> {
  const name = new TextEncoder().encode(crypto.randomUUID());
  const body = new Blob([
    component as Uint8Array<ArrayBuffer>,
    new Uint8Array([0, name.length + 1, name.length]),
    name,
  ]);
  const began = performance.now();
  const headers = { "content-type": "application/wasm" };
  const got = await fetch(`http://127.0.0.1:${port}/run`, { method: "POST", headers, body });
  if ((await got.text()) !== "hello world") throw new Error(`Cannot measure a new component: ${got.status}`);
  return performance.now() - began;
}
