/** What KV is after its process was killed in the middle of writes: all that was acknowledged, and nothing half. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../core/clock.ts";
import { answerText, bindingCall, fakeScope } from "../../testing/binding-suite.ts";
import { killWriters } from "../../testing/killed_writers.ts";
import { grown } from "../../testing/kv_process.ts";
import { grantOf } from "../../testing/kv_rig.ts";
import { createKv } from "./binding.ts";

const KILLS = 100;
const PROGRAM = join(import.meta.dir, "../../testing/kv_process.ts");

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

test(`${KILLS} kills in the middle of writes lose nothing that was acknowledged, and leave nothing half`, async () => {
  expect(await killWriters({ kills: KILLS, lanes: 2, program: PROGRAM, check })).toBeGreaterThan(KILLS);
}, 120_000);
