/** The section `memory`: what an instance costs that waits for a program. */
import type { Section } from "./hello.ts";
import { startIsopod } from "./isopod.ts";
import { until } from "./peer.ts";
import { leaves, type MemoryFigures, memoryOf } from "./proc.ts";
import { figure, table } from "./report.ts";

const PREWARMED = 4;
const WANTED_KB = 8 * 1024;

/** Measures the prewarmed instances of a server that has done nothing yet. */
export async function measureMemory(): Promise<Section> {
  const config = `[pool]\nprewarmed = ${PREWARMED}\n`;
  await using isopod = await startIsopod({ config, files: {} });
  await until("the stock of instances", async () => (await isopod.status()).pool.prewarmed === PREWARMED);
  const guests = leaves(isopod.pid).map(memoryOf);
  const middle = (name: keyof MemoryFigures) =>
    guests.map((guest) => guest[name]).sort((first, second) => first - second)[Math.floor(guests.length / 2)] ??
    Number.NaN;
  const median = {
    privateKb: middle("privateKb"),
    anonymousKb: middle("anonymousKb"),
    residentKb: middle("residentKb"),
  };
  const server = memoryOf(isopod.pid);
  const row = (name: string, memory: MemoryFigures) => [
    name,
    ...[memory.privateKb, memory.anonymousKb, memory.residentKb].map((kb) => figure(kb / 1024)),
  ];
  return {
    text: table([
      ["memory", "private MB", "anonymous MB", "resident MB"],
      row(`idle instance (median of ${guests.length})`, median),
      row("server", server),
    ]),
    goals: [
      {
        what: "private memory of an idle instance",
        wanted: "at most 8 MB",
        reached: `${figure(median.privateKb / 1024)} MB`,
        pass: median.privateKb <= WANTED_KB,
      },
    ],
    figures: { instance: median, server },
    failures: [],
  };
}
