/** What KV is after its process was killed in the middle of writes: all that was acknowledged, and nothing half. */
import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../core/clock.ts";
import { answerText, bindingCall, fakeScope } from "../../testing/binding-suite.ts";
import { grown, type ToldPut } from "../../testing/kv_process.ts";
import { grantOf } from "../../testing/kv_rig.ts";
import { seededRandom } from "../../testing/seeded_random.ts";
import { StoreChild } from "../../testing/store_child.ts";
import { createKv } from "./binding.ts";

const KILLS = 100;
const LANES = 2;
const TOLD_MAX = 80;
const PROGRAM = join(import.meta.dir, "../../testing/kv_process.ts");

/** Starts a writer, kills it at some moment, and returns all that it has told. */
async function killedWriter(directory: string, seed: number): Promise<ToldPut[]> {
  await using child = new StoreChild("write", directory, seed, [], PROGRAM);
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

/** Compares what stands with what may stand, by key; it is known from then on. */
async function check(directory: string, possible: Map<string, Set<string | null>>): Promise<void> {
  const kv = createKv({ directory, clock: systemClock, quotas: { bytesMax: () => 1e9 }, report() {} });
  try {
    const grant = grantOf({ project: "p", resource: "r" });
    let files = 0;
    for (const [key, texts] of possible) {
      const answer = await kv.call(bindingCall(`/values/${key}`), grant, fakeScope());
      const value = answer.status === 404 ? null : await answerText(answer);
      const text = [...texts].find((each) => (each === null ? null : grown(each)) === value);
      if (text === undefined) throw new Error(`${key} is ${value?.slice(0, 30)}, and none of ${[...texts].join()}`);
      possible.set(key, new Set([text]));
      if (value !== null && value.length > 64 * 1024) files += 1;
    }
    const named = readdirSync(join(directory, "p")).includes("files") ? readdirSync(join(directory, "p", "files")) : [];
    expect(named).toHaveLength(files);
  } finally {
    await kv.close();
  }
}

async function killAgainAndAgain(lane: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), "isopod-kv-"));
  const possible = new Map<string, Set<string | null>>();
  let acknowledged = 0;
  try {
    for (let kill = 0; kill < KILLS / LANES; kill += 1) {
      for (const { type, key, text } of await killedWriter(directory, 1 + kill * LANES + lane)) {
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

test(`${KILLS} kills in the middle of writes lose nothing that was acknowledged, and leave nothing half`, async () => {
  const acknowledged = await Promise.all(Array.from({ length: LANES }, (_, lane) => killAgainAndAgain(lane)));
  expect(acknowledged.reduce((sum, count) => sum + count)).toBeGreaterThan(KILLS);
}, 120_000);
