/** The section `fresh`: programs that nobody has seen before, each run once, in a sandbox, process or isolate of its own. */
import { join } from "node:path";
import { type Pace, type Section, wrongAnswers } from "./hello.ts";
import { startIsopod } from "./isopod.ts";
import { type Peer, startPeer } from "./peer.ts";
import { figure, table } from "./report.ts";
import { type LoadOptions, type Measurement, medianOf, runLoad } from "./run_load.ts";
import type { Tools } from "./tools.ts";

type Load = Omit<LoadOptions, "port">;

/** Long enough between two programs that nothing of the one before is left to do. */
const SPACED_MS = 50;
const SECONDS = 3;
const EXPECT = "hello {n}";

const CONFIG = `
[plans.anonymous]
run = "any"
concurrency = 1000
rate = "100000/s"
`;

/** Measures all peers in turn, several times over. */
export async function measureFresh(tools: Tools, { rounds, scale }: Pace): Promise<Section> {
  await using stack = new AsyncDisposableStack();
  const at = (name: string) => join(import.meta.dir, "peers", name);
  const javascript = "text/javascript";
  const isopod = stack.use(await startIsopod({ config: CONFIG, files: {} }));
  const denoRun = stack.use(await startPeer("deno run", [process.execPath, at("deno_run.ts"), tools.deno]));
  const loader = stack.use(
    await startPeer(
      "workerd, worker loader",
      [tools.workerd, "serve", at("workerd.capnp"), "--experimental", "--control-fd=1"],
      /"loader","port":(\d+)/,
    ),
  );
  const loads: [Peer, Pick<Load, "path" | "body" | "contentType">][] = [
    [denoRun, { path: "/", body: 'console.log("hello {n}");', contentType: javascript }],
    [
      loader,
      { path: "/", body: 'export default { fetch: () => new Response("hello {n}") };', contentType: javascript },
    ],
    [isopod, { path: "/run", body: 'export default () => new Response("hello {n}");', contentType: "text/typescript" }],
  ];
  for (const [peer, load] of loads)
    await runLoad(peer, { ...load, expect: EXPECT, connections: 1, seconds: 2 * scale });
  const found = new Map<string, Measurement[]>();
  for (let round = 0; round < rounds; round++) {
    for (const way of ["spaced", "4 at a time"] as const) {
      for (const [peer, load] of loads) {
        const pace = way === "spaced" ? { connections: 1, intervalMs: SPACED_MS } : { connections: 4 };
        const key = `${peer.name}|${way}`;
        const measured = await runLoad(peer, { ...load, ...pace, expect: EXPECT, seconds: SECONDS * scale });
        found.set(key, [...(found.get(key) ?? []), measured]);
      }
    }
  }
  return report(new Map([...found].map(([key, measured]) => [key, medianOf(measured)])));
}

function report(medians: ReadonlyMap<string, Measurement>): Section {
  const rate = (name: string) => medians.get(`${name}|4 at a time`)?.perSecond ?? Number.NaN;
  const rows = [...medians].map(([key, { perSecond, p50Ms, p99Ms, serverUs, instanceUs }]) => {
    const [name = "", way = ""] = key.split("|");
    const spaced = way === "spaced";
    return [
      name,
      spaced ? `one every ${SPACED_MS} ms` : way,
      spaced ? "–" : figure(perSecond),
      figure(p50Ms),
      figure(p99Ms),
      figure(serverUs / 1000),
      figure(instanceUs / 1000),
      spaced ? "–" : figure(perSecond / rate("deno run")),
    ];
  });
  const head = [
    "fresh program",
    "how",
    "a second",
    "p50 ms",
    "p99 ms",
    "server CPU ms",
    "below it CPU ms",
    "× deno run",
  ];
  const p50Ms = medians.get("Isopod|spaced")?.p50Ms ?? Number.NaN;
  const toDeno = rate("Isopod") / rate("deno run");
  return {
    text: table([head, ...rows]),
    goals: [
      { what: "fresh program, spaced, p50", wanted: "under 4 ms", reached: `${figure(p50Ms)} ms`, pass: p50Ms < 4 },
      {
        what: "fresh programs a second, 4 at a time, against deno run",
        wanted: "2 times",
        reached: `${figure(toDeno)} times`,
        pass: toDeno >= 2,
      },
    ],
    figures: Object.fromEntries(medians),
    failures: wrongAnswers(medians),
  };
}
