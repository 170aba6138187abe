/** What runs code: engine, bindings, pool and builder, joined. */
import { join } from "node:path";
import type { Config } from "./control/config.ts";
import { largestLimit } from "./control/config_extremes.ts";
import type { Binding } from "./core/binding.ts";
import { systemClock as clock } from "./core/clock.ts";
import type { Engine } from "./core/engine.ts";
import { Builder } from "./pool/builder.ts";
import { Pool } from "./pool/pool.ts";
import { prepareGuest } from "./prepare_guest.ts";
import { BINDINGS, ENGINES } from "./standard.ts";
import { gaugePool, type Telemetry } from "./telemetry/telemetry.ts";

/** Memory of a build. */
export const BUILD_BYTES = 512 * 1024 * 1024;

/** What runs code. */
export interface Plant {
  readonly engine: Engine;
  readonly bindings: ReadonlyMap<string, Binding>;
  readonly pool: Pool;
  readonly builder: Builder;
}

/** Makes what runs code; nothing is started yet. @throws {Error} */
export async function createPlant(config: Config, dataDirectory: string, telemetry: Telemetry): Promise<Plant> {
  const { metrics, report } = telemetry;
  const guest = await prepareGuest(dataDirectory, report);
  const [engine] = ENGINES.map((create) =>
    create({
      ...guest,
      directory: join(dataDirectory, "sandbox"),
      isolation: config.sandbox,
      memoryBytesMax: Math.max(largestLimit(config, "memoryBytes"), BUILD_BYTES),
    }),
  );
  if (engine === undefined) throw new Error("Cannot start: there is no engine");
  const bindings = new Map(BINDINGS.map((create) => create()).map((binding) => [binding.name, binding]));
  const lives = {
    started: (seconds: number) => metrics.instanceStarted(engine.name, seconds),
    ended: (reason: string) => metrics.instanceEnded(engine.name, reason),
  };
  const pool = new Pool({ engine, clock, bindings, sizes: config.pool, lives, report });
  gaugePool(metrics, () => pool.stats());
  return { engine, bindings, pool, builder: new Builder({ engine, clock, report }) };
}

/** Ends it; the pool is closed before. */
export async function closePlant({ engine, bindings, builder }: Plant): Promise<void> {
  await Promise.all([builder.close(), ...[...bindings.values()].map((binding) => binding.close())]);
  await engine.close();
}
