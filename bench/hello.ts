/** The section `hello`: a warm function that answers "hello world", through Isopod and through its peers. */
import { join } from "node:path";
import { startIsopod } from "./isopod.ts";
import { type Peer, startPeer } from "./peer.ts";
import { figure, type Goal, table } from "./report.ts";
import { type Measurement, medianOf, runLoad } from "./run_load.ts";
import type { Tools } from "./tools.ts";

/** How long and how often is measured. */
export interface Pace {
  readonly rounds: number;
  /** 1 for figures to keep, less for a quick look. */
  readonly scale: number;
}

/** What a section has found. */
export interface Section {
  readonly text: string;
  readonly goals: readonly Goal[];
  readonly figures: unknown;
  readonly failures: readonly string[];
}

const SECONDS: Readonly<Record<number, number>> = { 1: 1.5, 32: 2.5, 128: 1.5 };
const WARM_UP_SECONDS = 2;
const LOAD = { path: "/hello", expect: "hello world" } as const;

const CONFIG = `
[plans.anonymous]
run = "any"
concurrency = 10000
[[functions]]
name = "hello"
path = "./hello.ts"
routes = ["GET /hello"]
`;

/** Measures all peers in turn, several times over. */
export async function measureHello(tools: Tools, { rounds, scale }: Pace): Promise<Section> {
  await using stack = new AsyncDisposableStack();
  const at = (name: string) => join(import.meta.dir, "peers", name);
  const workerd = (socket: string) =>
    startPeer(
      socket === "static" ? "workerd, static" : "workerd, worker loader",
      [tools.workerd, "serve", at("workerd.capnp"), "--experimental", "--control-fd=1"],
      new RegExp(`"${socket}","port":(\\d+)`),
    );
  const peers: Peer[] = [];
  const starts = [
    () => startPeer("bare node:http", [tools.node, at("node_http.mjs")]),
    () => startPeer("bare Bun.serve", [process.execPath, at("bun_serve.ts")]),
    () => workerd("static"),
    () => workerd("loader"),
    () =>
      startIsopod({
        config: CONFIG,
        files: { "hello.ts": 'export default { fetch: () => new Response("hello world") };' },
      }),
  ];
  for (const start of starts) peers.push(stack.use(await start()));
  for (const peer of peers) await runLoad(peer, { ...LOAD, connections: 32, seconds: WARM_UP_SECONDS * scale });
  const found = new Map<string, Measurement[]>();
  for (let round = 0; round < rounds; round++) {
    for (const connections of Object.keys(SECONDS).map(Number)) {
      for (const peer of peers) {
        const seconds = (SECONDS[connections] ?? 1) * scale;
        const key = `${peer.name}|${connections}`;
        found.set(key, [...(found.get(key) ?? []), await runLoad(peer, { ...LOAD, connections, seconds })]);
      }
    }
  }
  return report(new Map([...found].map(([key, measured]) => [key, medianOf(measured)])));
}

function report(medians: ReadonlyMap<string, Measurement>): Section {
  const rate = (name: string, connections: number) => medians.get(`${name}|${connections}`)?.perSecond ?? Number.NaN;
  const rows = [...medians].map(([key, measured]) => {
    const [name = "", connections = ""] = key.split("|");
    const { perSecond, p50Ms, p99Ms, serverUs, instanceUs } = measured;
    const ratio = (peer: string) => figure(perSecond / rate(peer, Number(connections)));
    const instance = name.startsWith("Isopod") ? figure(instanceUs) : "–";
    return [
      name,
      connections,
      figure(perSecond),
      figure(p50Ms),
      figure(p99Ms),
      figure(serverUs),
      instance,
      ratio("bare node:http"),
      ratio("workerd, worker loader"),
    ];
  });
  const head = [
    "warm hello",
    "connections",
    "req/s",
    "p50 ms",
    "p99 ms",
    "server µs",
    "instance µs",
    "× node:http",
    "× loader",
  ];
  const [toNode, toLoader] = ["bare node:http", "workerd, worker loader"].map(
    (name) => rate("Isopod", 32) / rate(name, 32),
  );
  return {
    text: table([head, ...rows]),
    goals: [
      goal("warm hello at 32 connections against bare node:http", toNode ?? 0, 0.6),
      goal("warm hello at 32 connections against workerd's loader", toLoader ?? 0, 5),
    ],
    figures: Object.fromEntries(medians),
    failures: wrongAnswers(medians),
  };
}

/** A goal that is a ratio. */
export function goal(what: string, ratio: number, wanted: number): Goal {
  return { what, wanted: `${wanted} times`, reached: `${figure(ratio)} times`, pass: ratio >= wanted };
}

/** What went wrong, one line for each measurement with wrong answers. */
export function wrongAnswers(medians: ReadonlyMap<string, Measurement>): string[] {
  return [...medians].flatMap(([name, { failures, firstFailure }]) =>
    failures === 0 ? [] : [`${name}: ${failures} wrong answers, the first: ${JSON.stringify(firstFailure)}`],
  );
}
