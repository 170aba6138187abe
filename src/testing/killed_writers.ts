/** Kills processes that write, again and again, and has what stands afterwards compared with what may stand. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ToldPut } from "./kv_process.ts";
import { seededRandom } from "./seeded_random.ts";
import { StoreChild } from "./store_child.ts";

const TOLD_MAX = 80;

/** What is killed, how often, and how it is looked at. */
export interface KilledWriters {
  readonly kills: number;
  /** Folders that are written at the same time. */
  readonly lanes: number;
  /** Tells of each change before and after it, and never ends. */
  readonly program: string;
  /** Compares what stands with what may stand, by key, and narrows it to what does. @throws {Error} what must not be */
  check(directory: string, possible: Map<string, Set<string | null>>): Promise<void>;
}

/** Does it; the number of changes that were acknowledged. */
export async function killWriters(options: KilledWriters): Promise<number> {
  const counts = await Promise.all(Array.from({ length: options.lanes }, (_, lane) => killInLane(options, lane)));
  return counts.reduce((sum, count) => sum + count);
}

async function killInLane({ kills, lanes, program, check }: KilledWriters, lane: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), "isopod-killed-"));
  const possible = new Map<string, Set<string | null>>();
  let acknowledged = 0;
  try {
    for (let kill = 0; kill < kills / lanes; kill += 1) {
      for (const { type, key, text } of await killedWriter(directory, 1 + kill * lanes + lane, program)) {
        if (type === "made") acknowledged += 1;
        possible.set(key, new Set(type === "made" ? [text] : [...(possible.get(key) ?? [null]), text]));
      }
      await check(directory, possible);
    }
    return acknowledged;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Starts a writer, kills it at some moment, and returns all that it has told. */
async function killedWriter(directory: string, seed: number, program: string): Promise<ToldPut[]> {
  await using child = new StoreChild("write", directory, seed, [], program);
  const told: ToldPut[] = [];
  const enough = 1 + seededRandom(seed).below(TOLD_MAX);
  while (told.length < enough) {
    const line = await child.line();
    if (line === undefined) throw new Error("The writer has ended by itself");
    told.push(line as ToldPut);
  }
  await child.kill();
  return [...told, ...((await child.rest()) as ToldPut[])];
}
