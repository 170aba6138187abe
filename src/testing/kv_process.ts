/**
 * A process that writes to a KV binding until it is killed, and tells what it asks for and what was acknowledged, a line
 * of JSON each. A value says in its first line which write it is of, and is as long as that says.
 */
import { writeSync } from "node:fs";
import { createKv } from "../bindings/kv/binding.ts";
import { systemClock } from "../core/clock.ts";
import { bindingCall, fakeScope } from "./binding-suite.ts";
import { seededRandom } from "./seeded_random.ts";

/** What is told of a write: its key, and what stands there after it; null for a deletion. */
export interface ToldPut {
  readonly type: "asked" | "made";
  readonly key: string;
  readonly text: string | null;
}

/** The lanes that write at once, and the keys of each. */
export const KV_LANES = 4;
const KEYS = 3;

/** A value by its first line, `NAME LENGTH`. */
export function grown(text: string): string {
  return text.padEnd(Number(text.split(" ")[1]), ".");
}

const tell = (told: ToldPut) => writeSync(1, `${JSON.stringify(told)}\n`);

async function write(directory: string, seed: number): Promise<void> {
  const quotas = { bytesMax: () => 1e9 };
  const kv = createKv({ directory, clock: systemClock, quotas, report: () => process.exit(3) });
  const grant = { type: "kv", project: "p", resource: "r", mode: "read-write", options: {} } as const;
  const lane = async (name: number) => {
    const random = seededRandom(seed * KV_LANES + name);
    for (let count = 0; ; count += 1) {
      const key = `${name}.${random.below(KEYS)}`;
      const length = random.below(4) === 0 ? 65_000 + random.below(200_000) : 50 + random.below(2000);
      const text = random.below(6) === 0 ? null : `${seed}.${name}.${count} ${length}`;
      const body = text === null ? null : new Blob([grown(text)]).stream();
      tell({ type: "asked", key, text });
      await kv.call(
        bindingCall(`/values/${key}`, { method: text === null ? "DELETE" : "PUT", body }),
        grant,
        fakeScope(),
      );
      tell({ type: "made", key, text });
    }
  };
  await Promise.all(Array.from({ length: KV_LANES }, (_, name) => lane(name)));
}

if (import.meta.main) {
  const [, , , directory = "", seed = "0"] = process.argv;
  await write(directory, Number(seed));
}
