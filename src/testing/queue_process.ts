/** A process that sends messages and takes them out again until it is killed, and tells of each step before and after it. */
import { writeSync } from "node:fs";
import type { Store } from "../core/store.ts";
import { openSqliteStore } from "../store/sqlite/store.ts";
import { Messages } from "../triggers/messages.ts";
import type { ToldPut } from "./kv_process.ts";
import { seededRandom } from "./seeded_random.ts";

/** Its path: tests start it as a process. */
export const QUEUE_WRITER = import.meta.path;

/** The store of a folder, as the writer uses it. */
export function openQueueStore(directory: string): Store {
  return openSqliteStore({ directory });
}

const LANES = 4;

const tell = (told: ToldPut) => writeSync(1, `${JSON.stringify(told)}\n`);

async function write(directory: string, seed: number): Promise<void> {
  const messages = new Messages(openQueueStore(directory), "queues");
  const lane = async (name: number) => {
    const random = seededRandom(seed * LANES + name);
    for (let count = 0; ; count += 1) {
      const key = `${seed}.${name}.${count}`;
      tell({ type: "asked", key, text: key });
      const id = await messages.add("p", "q", { type: "text", body: key, delayMs: 0 }, Date.now());
      tell({ type: "made", key, text: key });
      if (random.below(2) === 0) continue;
      const found = (await messages.list("p", "q", undefined, 1000)).find((message) => message.id === id);
      const claimed = found && (await messages.claim("p", "q", found, Date.now() + 60_000));
      if (claimed === undefined) continue;
      tell({ type: "asked", key, text: null });
      await messages.remove("p", "q", claimed);
      tell({ type: "made", key, text: null });
    }
  };
  await Promise.all(Array.from({ length: LANES }, (_, name) => lane(name)));
}

if (import.meta.main) {
  const [, , , directory = "", seed = "0"] = process.argv;
  await write(directory, Number(seed));
}
