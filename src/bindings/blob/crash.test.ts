/** What blobs are after their process was killed in the middle of writes: all that was acknowledged, and nothing half. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../core/clock.ts";
import { answerText, bindingCall, fakeScope } from "../../testing/binding-suite.ts";
import { BLOB_WRITER } from "../../testing/blob_process.ts";
import { bucketGrant } from "../../testing/blob_rig.ts";
import { killWriters } from "../../testing/killed_writers.ts";
import { grown } from "../../testing/kv_process.ts";
import { createBlobs } from "./binding.ts";
import { createLocalBackend } from "./local/backend.ts";

const KILLS = 100;

async function check(directory: string, possible: Map<string, Set<string | null>>): Promise<void> {
  const quotas = { bytesMax: () => 1e9 };
  const blobs = createBlobs(createLocalBackend({ directory, clock: systemClock, quotas, report() {} }));
  const kept = new Set<string>();
  try {
    const grant = bucketGrant({ project: "p", resource: "r" });
    for (const [key, texts] of possible) {
      const answer = await blobs.call(bindingCall(`/objects/${key}`), grant, fakeScope());
      const value = answer.status === 404 ? null : await answerText(answer);
      const text = [...texts].find((each) => (each === null ? null : grown(each)) === value);
      if (text === undefined) throw new Error(`${key} is ${value?.slice(0, 30)}, and none of ${[...texts].join()}`);
      possible.set(key, new Set([text]));
      if (value !== null) kept.add(value);
    }
  } finally {
    // What a crash has left is removed when the project is opened, and closing waits for that.
    await blobs.close();
  }
  const folder = join(directory, "p");
  const files = readdirSync(join(folder, "content")).flatMap((name) => readdirSync(join(folder, "content", name)));
  expect(files).toHaveLength(kept.size);
  expect(readdirSync(join(folder, "drafts"))).toEqual([]);
}

test(`${KILLS} kills in the middle of writes lose nothing that was acknowledged, and leave nothing half`, async () => {
  expect(await killWriters({ kills: KILLS, lanes: 2, program: BLOB_WRITER, check })).toBeGreaterThan(KILLS);
}, 120_000);
