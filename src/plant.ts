/** What runs code: engine, bindings, pool and builder, joined. */
import { join } from "node:path";
import type { Config } from "./control/config/config.ts";
import { largestLimit } from "./control/config/extremes.ts";
import { DATA_QUOTAS, DEFAULT_QUOTAS, type Quotas } from "./control/tenancy/quotas.ts";
import type { DataQuotas } from "./core/binding.ts";
import { systemClock as clock } from "./core/clock.ts";
import type { DatabaseUrls } from "./core/database_urls.ts";
import type { Engine } from "./core/engine.ts";
import { IsopodError } from "./core/errors.ts";
import type { EngineName } from "./core/function.ts";
import type { FunctionCaller } from "./core/function_caller.ts";
import { newRequestId } from "./gateway/exchange_record.ts";
import { componentCode, transpilerCode } from "./guest_code.ts";
import { Builder } from "./pool/builder.ts";
import { Components } from "./pool/components.ts";
import { Pool } from "./pool/pool.ts";
import { prepareBrowserGuest, prepareGuest, prepareProcessGuest } from "./prepare_guest.ts";
import { createBindings, ENGINES, type EngineParts, type StandardBindings } from "./standard.ts";
import { openSqliteStore } from "./store/sqlite/store.ts";
import { gaugeInvocations, gaugePool, gaugeQueues, type Telemetry } from "./telemetry/telemetry.ts";
import { FunctionTriggers } from "./triggers/triggers.ts";

/** Memory of a build. */
export const BUILD_BYTES = 512 * 1024 * 1024;

/** What runs code. */
export interface Plant {
  readonly engine: Engine;
  /** Engines whose instances begin with their program. */
  readonly launching: readonly Engine[];
  readonly bindings: StandardBindings;
  readonly triggers: FunctionTriggers;
  /** How much projects may keep; what the store says takes its place once that is open. */
  quotas: DataQuotas;
  /** Where the databases of PostgreSQL are that projects name, once the store is open. */
  databaseUrls: DatabaseUrls;
  /** Calls what is deployed, once there is a gateway that knows it. */
  functions: FunctionCaller;
  readonly pool: Pool;
  readonly builder: Builder;
  /** Makes components of WebAssembly ready to run. */
  readonly components: Components;
}

/** Makes what runs code; nothing is started yet. @throws {Error} */
export async function createPlant(config: Config, dataDirectory: string, telemetry: Telemetry): Promise<Plant> {
  const { metrics, report } = telemetry;
  const parts = await engineParts(config, dataDirectory, report);
  const engine = ENGINES.waiting(parts);
  const launching = new Map(ENGINES.launching.map((create) => create(parts)).map((each) => [each.name, each]));
  const quotas: DataQuotas = { bytesMax: (type) => quotaOf(type, {}) };
  const caller: FunctionCaller = { call: (call) => plant.functions.call(call) };
  const triggers = new FunctionTriggers({
    store: openSqliteStore({ directory: join(dataDirectory, "triggers"), clock }),
    ...{ clock, caller, newRequestId, observer: metrics.triggers },
    quotas: { bytesMax: (type, project) => plant.quotas.bytesMax(type, project) },
    report: (text, fields) => report({ level: "warn", text }, fields),
  });
  const bindings = await createBindings({
    ...{ dataDirectory, clock, blobStore: config.blobs },
    quotas: { bytesMax: (type, project) => plant.quotas.bytesMax(type, project) },
    databaseUrls: {
      ofSecret: (project, secret) => plant.databaseUrls.ofSecret(project, secret),
      named: (project) => plant.databaseUrls.named(project),
    },
    functions: caller,
    queues: triggers,
    report: (text, fields) => report({ level: "error", text }, fields),
  });
  const lives = {
    started: (seconds: number, name: EngineName) => metrics.instanceStarted(name, seconds),
    ended: (reason: string, name: EngineName) => metrics.instanceEnded(name, reason),
  };
  const pool = new Pool({ engine, launching, clock, bindings, sizes: config.pool, lives, report });
  gaugePool(metrics, () => pool.stats());
  gaugeQueues(metrics, () => triggers.depths());
  gaugeInvocations(metrics, () => ({ ...triggers.invocations.figures }));
  const functions: FunctionCaller = { call: () => Promise.reject(new IsopodError("overloaded")) };
  const databaseUrls: DatabaseUrls = {
    ofSecret: () => {
      throw new IsopodError("overloaded");
    },
    named: () => Promise.resolve([]),
  };
  const plant: Plant = {
    ...{ engine, launching: [...launching.values()] },
    bindings,
    triggers,
    ...{ quotas, databaseUrls },
    functions,
    pool,
    builder: new Builder({ engine, clock, report }),
    components: new Components({
      ...{
        invoker: pool,
        directory: join(dataDirectory, "components"),
        transpiler: transpilerCode,
        runtime: componentCode,
      },
    }),
  };
  return plant;
}

async function engineParts(config: Config, dataDirectory: string, report: Telemetry["report"]): Promise<EngineParts> {
  const guest = await prepareGuest(dataDirectory, report);
  const processGuest = once(() => prepareProcessGuest(dataDirectory, report));
  const browserGuest = once(() => prepareBrowserGuest(dataDirectory, report));
  // Now, and not when the first request waits for it.
  const isNeeded = config.functions.some((each) => each.engine === "process" || each.middlewares !== undefined);
  if (isNeeded || config.planMiddlewares.size > 0) await processGuest();
  if (config.functions.some((each) => each.engine === "browser")) await browserGuest();
  return {
    ...{ ...guest, processGuest, browserGuest },
    chromium: process.env["ISOPOD_CHROMIUM"] || undefined,
    directory: join(dataDirectory, "sandbox"),
    isolation: config.sandbox,
    memoryBytesMax: Math.max(largestLimit(config, "memoryBytes"), BUILD_BYTES),
  };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** What a project may keep in bindings of a type, with `quotas` of its own. */
export function quotaOf(type: string, quotas: Partial<Quotas>): number {
  const name = DATA_QUOTAS[type];
  return name === undefined ? 0 : (quotas[name] ?? DEFAULT_QUOTAS[name]);
}

/** Removes what bindings keep for a project. */
export async function removeData({ bindings, triggers }: Plant, project: string): Promise<void> {
  const all = [bindings.cache, ...bindings.byType.values()];
  await Promise.all([triggers.removeProject(project), ...all.map((binding) => binding?.removeProject?.(project))]);
}

/** Ends it; the pool is closed before. */
export async function closePlant({ engine, launching, bindings, builder, components }: Plant): Promise<void> {
  const { egress, cache, byType } = bindings;
  await Promise.all([
    builder.close(),
    components.close(),
    egress?.close(),
    cache?.close(),
    ...[...byType.values()].map((binding) => binding.close()),
  ]);
  await Promise.all([engine, ...launching].map((each) => each.close()));
}
