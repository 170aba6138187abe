/** Runs the load generator against a peer, and reads what its processes used meanwhile. */
import { join } from "node:path";
import type { Peer } from "./peer.ts";
import { cpuMs, descendants } from "./proc.ts";

/** What the load generator is asked to do. */
export interface LoadOptions {
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  readonly seconds: number;
  /** A program to POST, different each time: `{n}` becomes a number that no other request has. GET without one. */
  readonly body?: string;
  readonly contentType?: string;
  /** The body that every answer must have; `{n}` as above, white space at its end does not count. */
  readonly expect: string;
  /** Send this often, in milliseconds, when the answer before has arrived; without it, one right after another. */
  readonly intervalMs?: number;
}

/** What it has seen. */
export interface LoadFigures {
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers that were wrong or did not come. */
  readonly failures: number;
  readonly firstFailure?: string | undefined;
}

/** One measurement: latencies, and processor time a request of the peer's process and of those below it. */
export interface Measurement extends LoadFigures {
  readonly serverUs: number;
  readonly instanceUs: number;
}

/** Runs one load against `peer`. @throws {Error} when the generator fails, or no answer was right */
export async function runLoad(peer: Peer, options: Omit<LoadOptions, "port">): Promise<Measurement> {
  const before = cpuOf(peer.pid);
  const command = [process.execPath, join(import.meta.dir, "load.ts"), JSON.stringify({ ...options, port: peer.port })];
  const generator = Bun.spawn(command, { stdout: "pipe", stderr: "inherit" });
  const [text, code] = await Promise.all([generator.stdout.text(), generator.exited]);
  if (code !== 0) throw new Error(`Cannot measure ${peer.name}: the load generator ended with ${code}`);
  const after = cpuOf(peer.pid);
  const figures = JSON.parse(text) as LoadFigures;
  const { requests, firstFailure } = figures;
  if (requests === 0)
    throw new Error(`Cannot measure ${peer.name}: no answer to ${options.path}; ${firstFailure ?? ""}`);
  return {
    ...figures,
    serverUs: ((after.own - before.own) * 1000) / requests,
    instanceUs: ((after.others - before.others) * 1000) / requests,
  };
}

/** Processor time of a peer's process, and of its children: the living ones and those it has collected. */
function cpuOf(pid: number): { own: number; others: number } {
  const { own, collected } = cpuMs(pid);
  let others = collected;
  for (const child of descendants(pid)) {
    const used = cpuMs(child);
    others += used.own + used.collected;
  }
  return { own, others };
}

/** The median of each figure over several rounds. */
export function medianOf(rounds: readonly Measurement[]): Measurement {
  const median = (name: Exclude<keyof Measurement, "firstFailure">) => {
    const sorted = rounds.map((round) => round[name]).sort((first, second) => first - second);
    return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  };
  return {
    requests: median("requests"),
    perSecond: median("perSecond"),
    p50Ms: median("p50Ms"),
    p99Ms: median("p99Ms"),
    serverUs: median("serverUs"),
    instanceUs: median("instanceUs"),
    failures: rounds.reduce((sum, round) => sum + round.failures, 0),
    firstFailure: rounds.find((round) => round.firstFailure !== undefined)?.firstFailure,
  };
}
