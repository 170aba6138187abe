/** A process that puts and deletes blobs until it is killed, and tells of each change before and after it. */
import { writeSync } from "node:fs";
import { createBlobs } from "../bindings/blob/binding.ts";
import { createLocalBackend } from "../bindings/blob/local/backend.ts";
import { systemClock } from "../core/clock.ts";
import { bindingCall, fakeScope } from "./binding-suite.ts";
import { grown, KV_LANES, type ToldPut } from "./kv_process.ts";
import { seededRandom } from "./seeded_random.ts";

/** Its path: tests start it as a process. */
export const BLOB_WRITER = import.meta.path;

const KEYS = 3;

const tell = (told: ToldPut) => writeSync(1, `${JSON.stringify(told)}\n`);

async function write(directory: string, seed: number): Promise<void> {
  const quotas = { bytesMax: () => 1e9 };
  const blobs = createBlobs(
    createLocalBackend({ directory, clock: systemClock, quotas, report: () => process.exit(3) }),
  );
  const grant = { type: "blob", project: "p", resource: "r", mode: "read-write", options: {} } as const;
  const lane = async (name: number) => {
    const random = seededRandom(seed * KV_LANES + name);
    for (;;) {
      const key = `${name}.${random.below(KEYS)}`;
      // Now and then what another lane has put as well, so that the same file is wanted and not wanted at once.
      const text = random.below(5) === 0 ? null : `${seed}.${random.below(3)} ${50 + random.below(4) * 90_000}`;
      const body = text === null ? null : new Blob([grown(text)]).stream();
      tell({ type: "asked", key, text });
      const method = text === null ? "DELETE" : "PUT";
      await blobs.call(bindingCall(`/objects/${key}`, { method, body }), grant, fakeScope());
      tell({ type: "made", key, text });
    }
  };
  await Promise.all(Array.from({ length: KV_LANES }, (_, name) => lane(name)));
}

if (import.meta.main) {
  const [, , , directory = "", seed = "0"] = process.argv;
  await write(directory, Number(seed));
}
