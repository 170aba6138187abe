/**
 * The composition root: builds a server from a configuration, and owns its start, its reload and its end.
 *
 * Everything that is joined is joined here; no other file knows two rooms.
 */
import { join } from "node:path";
import { type AdminParts, createAdmin } from "./control/admin.ts";
import { type Config, isLoopback } from "./control/config.ts";
import { largestLimit } from "./control/config_extremes.ts";
import { openDataDirectory, readOrCreateToken } from "./control/data_directory.ts";
import { FunctionLoader } from "./control/functions.ts";
import type { Binding } from "./core/binding.ts";
import { systemClock as clock } from "./core/clock.ts";
import type { Engine } from "./core/engine.ts";
import { type Admission, createAdmission } from "./gateway/admission.ts";
import { Codeless } from "./gateway/codeless.ts";
import { Gateway } from "./gateway/gateway.ts";
import { type Listener, openListener } from "./gateway/listener.ts";
import { openPins, type Pins } from "./gateway/pins.ts";
import { createProgramCache } from "./gateway/program_cache.ts";
import { createRemoteModules } from "./gateway/remote_modules.ts";
import { createSnapshot } from "./gateway/snapshot.ts";
import { createSources, type Sources } from "./gateway/sources.ts";
import { Builder } from "./pool/builder.ts";
import { Pool } from "./pool/pool.ts";
import { prepareGuest } from "./prepare_guest.ts";
import { examineMachine, requireSandbox } from "./sandbox/machine.ts";
import type { Server, ServerOptions } from "./server.ts";
import { BINDINGS, ENGINES } from "./standard.ts";
import { createTelemetry, gaugePool, type Telemetry } from "./telemetry/telemetry.ts";

/** What the machine offers, for `isopod doctor`. */
export const examine = examineMachine;

const MB = 1024 * 1024;
const CODE_BYTES_MAX = 10 * MB;
const BUILD_BYTES = 512 * MB;

/** What runs code. */
interface Plant {
  readonly engine: Engine;
  readonly bindings: ReadonlyMap<string, Binding>;
  readonly pool: Pool;
  readonly builder: Builder;
}

/** What stands between the network and the plant. */
interface Front {
  readonly admission: Admission;
  readonly sources: Sources;
  readonly pins: Pins;
  readonly codeless: Codeless;
}

/** Starts a server. @throws {Error} that names what is missing, wrong or taken */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { config, dataDirectory, logLevel } = options;
  if (config.sandbox !== "none") await requireSandbox();
  openDataDirectory(dataDirectory);
  const logs = { ...config.logs, directory: join(dataDirectory, "logs") };
  const telemetry = createTelemetry({ clock, logLevel, logs });
  if (config.sandbox === "none") telemetry.log.warn("There is no sandbox: every program can do what this user can");
  let plant: Plant | undefined;
  try {
    plant = await createPlant(config, dataDirectory, telemetry);
    return await openServer(options, telemetry, plant);
  } catch (error) {
    // What was prewarmed meanwhile must not outlive a start that failed.
    await plant?.pool.close(0);
    if (plant !== undefined) await closePlant(plant);
    await telemetry.close();
    throw error;
  }
}

async function openServer(options: ServerOptions, telemetry: Telemetry, plant: Plant): Promise<Server> {
  const { config, dataDirectory } = options;
  const { log, observer } = telemetry;
  const front = await createFront(config, dataDirectory, plant);
  const { pool } = plant;
  const loader = new FunctionLoader(plant.builder.build.bind(plant.builder));
  const ending = new AbortController();
  let present = config;

  const load = async ({ functions, plans, keys, codeless }: Config) => {
    const loaded = await loader.load(functions, ending.signal);
    const snapshot = createSnapshot({ functions: loaded, plans, keys, codelessPath: codeless.path });
    return { snapshot, versions: loaded.map(({ version }) => version) };
  };
  const warm = pool.warm();
  const { snapshot } = await load(config);
  const gateway = new Gateway({
    invoker: pool,
    ...front,
    observer,
    loopback: isLoopback(config.listen.host),
    snapshot,
  });
  const limits = { ...config.server, bodyBytesMax: largestLimit(config, "bodyBytesMax") + CODE_BYTES_MAX };
  const listener = openListener({ ...config.listen, limits, handle: gateway.handle });
  const status = () => ({
    listen: { host: listener.host, port: listener.port },
    codeless_path: present.codeless.path,
    ...{ pool: pool.stats(), admission: front.admission.figures() },
    ...{ layers: plant.engine.layers, pid: process.pid },
  });
  const mayPin = (hash: string) => present.keys.some((key) => key.mayPin && key.hash === hash);
  const admin = openAdmin(config, dataDirectory, telemetry, { pins: front.pins, status, mayPin });
  await warm;
  return {
    ...{ listener, admin, log, status },
    async reload(next) {
      const { snapshot, versions } = await load(next);
      front.sources.allow(next.codeless.sources);
      gateway.replace(snapshot);
      // Only now: until here requests were routed to the old versions.
      pool.keepOnly(versions);
      present = next;
      log.info("The configuration was reloaded", { functions: next.functions.length });
    },
    async close() {
      ending.abort();
      const drained = listener.drain();
      front.admission.close();
      await pool.close(present.pool.drainMs);
      await Promise.race([drained, listener.close()]);
      front.sources.close();
      await Promise.all([admin.close(), closePlant(plant), telemetry.close()]);
      log.info("The server has ended");
      log.flushSync();
    },
  };
}

async function createPlant(config: Config, dataDirectory: string, { metrics, report }: Telemetry): Promise<Plant> {
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

async function closePlant({ engine, bindings, builder }: Plant): Promise<void> {
  await Promise.all([builder.close(), ...[...bindings.values()].map((binding) => binding.close())]);
  await engine.close();
}

async function createFront(config: Config, dataDirectory: string, { pool, builder }: Plant): Promise<Front> {
  const directory = join(dataDirectory, "pins");
  const pins = await openPins({ directory, countMax: 100_000, bytesMax: 1024 * MB, codeBytesMax: CODE_BYTES_MAX });
  const { sources: rules } = config.codeless;
  const fetching = { cacheBytesMax: 64 * MB, fetchTimeoutMs: 10_000, codeBytesMax: CODE_BYTES_MAX };
  const sources = createSources({ rules, ...fetching });
  const programs = createProgramCache(builder.build.bind(builder), createRemoteModules(sources));
  const codeless = new Codeless({ invoker: pool, sources, pins, builder: programs, codeBytesMax: CODE_BYTES_MAX });
  const bounds = { admittedMax: 10_000, waitingMax: 1000, waitMsMax: 1000, idleCallersMax: 50_000 };
  return { admission: createAdmission({ clock, ...bounds }), sources, pins, codeless };
}

function openAdmin(
  config: Config,
  dataDirectory: string,
  telemetry: Telemetry,
  parts: Pick<AdminParts, "pins" | "status" | "mayPin">,
): Listener {
  const handle = createAdmin({
    token: readOrCreateToken(dataDirectory),
    loopback: isLoopback(config.admin.host),
    metrics: () => telemetry.metrics.expose(),
    invocation: (id) => telemetry.invocations.get(id),
    logs: { store: telemetry.logs, clock },
    ...parts,
  });
  return openListener({ ...config.admin, limits: { ...config.server, bodyBytesMax: 2 * CODE_BYTES_MAX }, handle });
}
