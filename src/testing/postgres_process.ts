/**
 * A process that writes batches to a database of PostgreSQL until it is killed, and tells what it asks for and what was
 * acknowledged, a line of JSON each: three rows a batch, one of them by a statement that takes a moment.
 */
import { writeSync } from "node:fs";
import { PostgresRig } from "./postgres_rig.ts";

/** The file to run; its arguments are a word, the url, and a number that no other has. */
export const POSTGRES_PROCESS = import.meta.path;

/** What is told of a batch. */
export interface ToldBatch {
  readonly type: "asked" | "made";
  readonly batch: number;
}

const LANES = 4;
const BATCHES_A_LANE = 10_000;
const tell = (told: ToldBatch) => writeSync(1, `${JSON.stringify(told)}\n`);

async function write(url: string, seed: number): Promise<void> {
  const rig = new PostgresRig(() => url);
  const lane = async (name: number) => {
    for (let count = 0; ; count += 1) {
      const batch = (seed * LANES + name) * BATCHES_A_LANE + count;
      const statements = [
        ["INSERT INTO t VALUES (?, 1)", batch],
        ["INSERT INTO t SELECT ?, 2 FROM pg_sleep(0.001)", batch],
        ["INSERT INTO t VALUES (?, 3)", batch],
      ];
      tell({ type: "asked", batch });
      await rig.ask({ o: "batch", s: statements });
      tell({ type: "made", batch });
    }
  };
  await Promise.all(Array.from({ length: LANES }, (_, name) => lane(name)));
}

if (import.meta.main) await write(process.argv[3] ?? "", Number(process.argv[4]));
