/**
 * The composition root: builds a server from a configuration, and owns its start, its reload and its end.
 *
 * Everything that is joined is joined here, and in the files beside it that each join one part; no other file knows two
 * rooms.
 */
import { join } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { createAdmin } from "./control/api/admin.ts";
import { type Config, isLoopback } from "./control/config/config.ts";
import { largestLimit } from "./control/config/extremes.ts";
import { openDataDirectory, readOrCreateToken } from "./control/data_directory.ts";
import type { CallerAdmission } from "./core/caller_admission.ts";
import { systemClock as clock } from "./core/clock.ts";
import type { Deployment } from "./core/deployment.ts";
import { type Deploying, openDeploying } from "./deploying.ts";
import { HANDLER_SOURCES } from "./engines/process/bundled_sources.ts";
import { CODE_BYTES_MAX, createFront, type Front } from "./front.ts";
import { newRequestId } from "./gateway/exchange_record.ts";
import { Gateway } from "./gateway/gateway.ts";
import { createFunctionCaller } from "./gateway/internal_calls.ts";
import { createKeyAdmission } from "./gateway/key_admission.ts";
import { type Listener, openListener } from "./gateway/listener.ts";
import { MiddlewareInvoker } from "./gateway/middlewares/invoker.ts";
import { ReservedConcurrency } from "./gateway/reserved_concurrency.ts";
import { createSnapshot } from "./gateway/snapshot.ts";
import { closePlant, createPlant, type Plant } from "./plant.ts";
import { examineMachine, requireSandbox } from "./sandbox/machine.ts";
import type { Server, ServerOptions } from "./server.ts";
import { createTelemetry, gaugeCache, type Telemetry } from "./telemetry/telemetry.ts";

/** What the machine offers, for `isopod doctor`. */
export const examine = examineMachine;

/** Starts a server. @throws {Error} that names what is missing, wrong or taken */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { config, dataDirectory, logLevel, requestLog, unrouted, tryOut } = options;
  if (config.sandbox !== "none") await requireSandbox();
  openDataDirectory(dataDirectory);
  const logs = { ...config.logs, directory: join(dataDirectory, "logs") };
  const telemetry = createTelemetry({ clock, logLevel, requestLog, unrouted, logs });
  if (config.sandbox === "none") telemetry.log.warn("There is no sandbox: every program can do what this user can");
  let plant: Plant | undefined;
  let deploying: Deploying | undefined;
  try {
    plant = await createPlant(config, dataDirectory, telemetry);
    const front = await createFront(config, dataDirectory, plant);
    gaugeCache(telemetry.metrics, () => front.cache?.bytes ?? 0);
    const warm = plant.pool.warm();
    const removed = (project: string) => void front.cache?.purge({ project });
    deploying = await openDeploying({ config, dataDirectory, plant, telemetry, tryOut, removed });
    const server = openServer(options, telemetry, { plant, front, deploying });
    await warm;
    return server;
  } catch (error) {
    // What was prewarmed meanwhile must not outlive a start that failed.
    await plant?.pool.close(0);
    await plant?.triggers.close(0);
    await deploying?.close();
    if (plant !== undefined) await closePlant(plant);
    await telemetry.close();
    throw error;
  }
}

interface Parts {
  readonly plant: Plant;
  readonly front: Front;
  readonly deploying: Deploying;
}

function openServer(options: ServerOptions, telemetry: Telemetry, parts: Parts): Server {
  const { config } = options;
  const { log, observer } = telemetry;
  const { plant, front, deploying } = parts;
  const { pool } = plant;
  let present = config;
  let snapshot = createSnapshot(deploying.deployment);
  const loopback = isLoopback(config.listen.host);
  const functions = new ReservedConcurrency(pool, () => snapshot.source.reserved);
  const invoker = new MiddlewareInvoker({ functions, hooks: pool });
  const gateway = new Gateway({ invoker, ...front, observer, loopback, snapshot });
  plant.functions = createFunctionCaller({ invoker, observer, snapshot: () => snapshot });
  const admission = createKeyAdmission(front.admission, () => snapshot);
  const follow = (deployment: Deployment) => {
    plant.triggers
      .deployed(deployment)
      .catch((cause) => log.error("The triggers do not follow", { cause: String(cause) }));
  };
  deploying.onPublish((deployment) => {
    snapshot = createSnapshot(deployment, snapshot);
    gateway.replace(snapshot);
    front.cache?.retain((project, name) => snapshot.functionOf(project, name) !== undefined);
    follow(deployment);
  });
  follow(deploying.deployment);
  const limits = { ...config.server, bodyBytesMax: largestLimit(config, "bodyBytesMax") + CODE_BYTES_MAX };
  const listener = openListener({ ...config.listen, limits, handle: gateway.handle });
  const status = () => ({
    listen: { host: listener.host, port: listener.port },
    codeless_path: present.codeless.path,
    ...{ pool: pool.stats(), admission: front.admission.figures(), deployed: deployedFigures(deploying) },
    ...{ layers: plant.engine.layers, pid: process.pid },
  });
  const admin = openAdmin(options, telemetry, parts, { status, listener, admission, present: () => present });
  return {
    ...{ listener, admin, log, status },
    async reload(next) {
      await deploying.replace(next);
      front.sources.allow(next.codeless.sources);
      present = next;
      log.info("The configuration was reloaded", { functions: next.functions.length });
    },
    async close() {
      const drained = listener.drain();
      front.admission.close();
      front.cache?.close();
      await Promise.all([plant.triggers.close(present.pool.drainMs), pool.close(present.pool.drainMs)]);
      await Promise.race([drained, listener.close()]);
      front.sources.close();
      await admin.close();
      await Promise.all([deploying.close(), closePlant(plant), telemetry.close()]);
      log.info("The server has ended");
      log.flushSync();
    },
  };
}

function deployedFigures({ plane: { replica } }: Deploying) {
  const count = (kind: Parameters<typeof replica.all>[0]) => replica.all(kind).length;
  return {
    projects: count("projects"),
    functions: count("functions"),
    versions: count("versions"),
    keys: count("keys"),
  };
}

/** What the admin listener tells of the server as a whole. */
interface Told {
  readonly listener: Listener;
  readonly admission: CallerAdmission;
  status(): object;
  present(): Config;
}

function openAdmin(options: ServerOptions, telemetry: Telemetry, parts: Parts, told: Told): Listener {
  const { config, dataDirectory } = options;
  const { host, port } = told.listener;
  const handle = createAdmin({
    token: readOrCreateToken(dataDirectory),
    fileKeys: () => told.present().keys,
    loopback: isLoopback(config.admin.host),
    metrics: () => telemetry.metrics.expose(),
    invocation: (id) => telemetry.invocations.get(id),
    logs: { store: telemetry.logs, clock },
    report: (message, fields) => telemetry.log.error(message, { ...fields }),
    plane: parts.deploying.plane,
    status: told.status,
    pins: parts.front.pins,
    program: parts.front.program,
    databases: parts.plant.bindings.databases,
    triggers: parts.plant.triggers,
    lambda: {
      functions: { call: (call) => parts.plant.functions.call(call) },
      invocations: parts.plant.triggers.invocations,
      handlerSources: HANDLER_SOURCES,
      ...{ admission: told.admission, newRequestId, wallNow: () => clock.wallNow() },
    },
    cache: { purge: (purge) => parts.front.cache?.purge(purge) ?? 0 },
    baseUrl: () => `http://${host.includes(":") ? `[${host}]` : host}:${port}`,
    version: packageJson.version,
  });
  return openListener({ ...config.admin, limits: { ...config.server, bodyBytesMax: 2 * CODE_BYTES_MAX }, handle });
}
