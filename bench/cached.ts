/** The section `cached`: an answer that the gateway keeps, against the same function without, and bare `node:http`. */
import { join } from "node:path";
import type { Pace, Section } from "./hello.ts";
import { startIsopod } from "./isopod.ts";
import { type Peer, startPeer } from "./peer.ts";
import { figure, table } from "./report.ts";
import { type Measurement, medianOf, runLoad } from "./run_load.ts";
import type { Tools } from "./tools.ts";

const CONNECTIONS = 32;
const SECONDS = 2.5;
const WARM_UP_SECONDS = 2;
const WANTED = 0.8;
const TEXT = "hello world";

const CONFIG = `
[plans.anonymous]
run = "any"
concurrency = 10000
[[functions]]
name = "hello"
path = "./hello.ts"
routes = ["GET /hello", "GET /kept"]
`;
const CODE = `
const kept = { headers: { "cache-control": "max-age=3600" } };
export default { fetch: (request) => new Response("${TEXT}", request.url.endsWith("/kept") ? kept : undefined) };
`;

interface Row {
  readonly name: string;
  readonly peer: Peer;
  readonly path: string;
}

/** Measures each in turn, several times over. */
export async function measureCached(tools: Tools, { rounds, scale }: Pace): Promise<Section> {
  await using stack = new AsyncDisposableStack();
  const at = (name: string) => join(import.meta.dir, "peers", name);
  const node = stack.use(await startPeer("bare node:http", [tools.node, at("node_http.mjs")]));
  const bun = stack.use(await startPeer("bare Bun.serve", [process.execPath, at("bun_serve.ts")]));
  const isopod = stack.use(await startIsopod({ config: CONFIG, files: { "hello.ts": CODE } }));
  const rows: Row[] = [
    { name: node.name, peer: node, path: "/hello" },
    { name: bun.name, peer: bun, path: "/hello" },
    { name: "Isopod, not kept", peer: isopod, path: "/hello" },
    { name: "Isopod, kept", peer: isopod, path: "/kept" },
  ];
  const measure = ({ peer, path }: Row, seconds: number) =>
    runLoad(peer, { path, expect: TEXT, connections: CONNECTIONS, seconds });
  for (const row of rows) await measure(row, WARM_UP_SECONDS * scale);
  const all = new Map<string, Measurement[]>(rows.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const row of rows) all.get(row.name)?.push(await measure(row, SECONDS * scale));
  }
  return report([...all].map(([name, measured]) => [name, medianOf(measured)]));
}

function report(found: readonly (readonly [name: string, measured: Measurement])[]): Section {
  const rate = (name: string) => found.find(([each]) => each === name)?.[1].perSecond ?? Number.NaN;
  const lines = found.map(([name, { perSecond, p50Ms, p99Ms, serverUs, instanceUs }]) => {
    const ratios = [perSecond / rate("bare node:http"), perSecond / rate("Isopod, not kept")];
    return [name, ...[perSecond, p50Ms, p99Ms, serverUs, instanceUs, ...ratios].map((each) => figure(each))];
  });
  const head = ["cached answer", "req/s", "p50 ms", "p99 ms", "server µs", "instance µs", "× node:http", "× not kept"];
  const reached = rate("Isopod, kept") / rate("bare node:http");
  return {
    text: table([head, ...lines]),
    goals: [
      {
        what: `kept answer at ${CONNECTIONS} connections against bare node:http`,
        wanted: `${WANTED} times`,
        reached: `${figure(reached)} times`,
        pass: reached >= WANTED,
      },
    ],
    figures: Object.fromEntries(found),
    failures: found.flatMap(([name, { firstFailure }]) =>
      firstFailure === undefined ? [] : [`${name}: ${firstFailure}`],
    ),
  };
}
