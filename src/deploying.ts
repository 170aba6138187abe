/** What is deployed, joined with what serves it: the configuration's functions, the apps, and the store. */
import { join } from "node:path";
import { checkEgressRule, parseEgressRule, parseHostPattern } from "./bindings/egress/rule.ts";
import { AppsFolder } from "./control/apps/apps_folder.ts";
import type { Config } from "./control/config/config.ts";
import { largestLimit } from "./control/config/extremes.ts";
import { type ControlPlane, openControlPlane } from "./control/control_plane.ts";
import { COLLECT_POLICY } from "./control/deploy/removals.ts";
import { FunctionLoader, type LoadedFunction } from "./control/loading/function_loader.ts";
import type { FileDeployment } from "./control/publish/published.ts";
import { readOrCreateSecretKeys, SecretBox } from "./control/tenancy/secret_box.ts";
import type { DataQuotas } from "./core/binding.ts";
import { systemClock as clock } from "./core/clock.ts";
import type { Deployment } from "./core/deployment.ts";
import { IsopodError } from "./core/errors.ts";
import type { FunctionVersion } from "./core/function.ts";
import type { Limits } from "./core/limits.ts";
import type { Store } from "./core/store.ts";
import { MIDDLEWARE_SOURCES } from "./engines/process/bundled_sources.ts";
import { BUILD_BYTES, type Plant, quotaOf, removeData } from "./plant.ts";
import { openSqliteStore } from "./store/sqlite/store.ts";
import type { Telemetry } from "./telemetry/telemetry.ts";
import { checkCron } from "./triggers/cron.ts";

/** The checks of the egress binding's language. */
const EGRESS_CHECKS = {
  validateEgress: checkEgressRule,
  validateHost: (host: string) => void parseHostPattern(host),
  validateCron: checkCron,
  reachesInside: (rule: string) => ["localhost", "network"].includes(parseEgressRule(rule).host.kind),
};

/** How often what nobody needs is collected, in milliseconds. */
const COLLECT_MS = 3600 * 1000;

/** What is deployed. */
export interface Deploying {
  readonly plane: ControlPlane;
  /** What is published now. */
  readonly deployment: Deployment;
  /** Sets who hears of each new deployment. */
  onPublish(listener: (deployment: Deployment) => void): void;
  /** Puts another configuration in the place of the present one. @throws {Error} when a function of it cannot be loaded */
  replace(config: Config): Promise<void>;
  close(): Promise<void>;
}

/** What deploying is made of. */
export interface DeployingOptions {
  readonly config: Config;
  readonly dataDirectory: string;
  readonly plant: Plant;
  readonly telemetry: Telemetry;
  /** Whether a replacement loads each function into an instance first. */
  readonly tryOut?: boolean | undefined;
  /** Hears of each project that is removed, with all that is kept of it. */
  removed?(project: string): void;
}

/** Loads and publishes what is deployed. @throws {Error} when the configuration's functions or the store cannot be read */
export async function openDeploying(options: DeployingOptions): Promise<Deploying> {
  const { config, dataDirectory, plant, tryOut = false } = options;
  const { pool, builder, components } = plant;
  const { log } = options.telemetry;
  const [build, ending] = [builder.build.bind(builder), new AbortController()];
  const loader = new FunctionLoader({ build, components, sources: MIDDLEWARE_SOURCES });
  const report = (message: string, fields: Readonly<Record<string, unknown>>) => log.error(message, { ...fields });
  let listener: (deployment: Deployment) => void = () => {};
  const publish = (deployment: Deployment) => {
    listener(deployment);
    // Only now: until here requests were routed to the old versions.
    pool.keepOnly((version) => isNeeded(deployment, plane, version));
  };
  const load = (next: Config) => loadFile(loader, next, ending.signal);
  const store = openStore(dataDirectory);
  const file = await load(config);
  await tryFunctions(plant, file.functions.filter(isModule), () => false);
  const plane = await openControlPlane({
    ...{ store, clock, build, components, file, publish, report },
    box: new SecretBox(config.secretKeys ?? readOrCreateSecretKeys(dataDirectory)),
    prepare: (version) => pool.prepare(version),
    runningKeys: () => pool.versionKeys(),
    removeData: (project) => Promise.all([options.removed?.(project), removeData(plant, project)]).then(() => {}),
    largest: largestLimits(config),
    ...EGRESS_CHECKS,
  });
  plant.quotas = quotasIn(plane);
  plant.databaseUrls = plane.databases;
  const openApps = async (folder: string | undefined): Promise<AppsFolder | undefined> => {
    if (folder === undefined) return undefined;
    const opened = new AppsFolder({ folder, build, clock, report, changed: (all) => plane.published.replaceApps(all) });
    await opened.open();
    return opened;
  };
  let apps = await openApps(config.apps);
  let folder = config.apps;
  const cancelCollect = clock.every(COLLECT_MS, () => {
    plane.removals
      .collect("policy", COLLECT_POLICY)
      .catch((error) => report("Nothing was collected", { cause: String(error) }));
  });
  return {
    plane,
    get deployment() {
      return plane.published.deployment;
    },
    onPublish(next) {
      listener = next;
    },
    async replace(next) {
      const loaded = await load(next);
      const tried = loaded.functions.filter((each) => tryOut || isModule(each));
      await tryFunctions(plant, tried, (version) => isNeeded(plane.published.deployment, plane, version));
      if (next.apps !== folder) {
        await apps?.close();
        plane.published.replaceApps([]);
        folder = next.apps;
        apps = await openApps(folder);
      }
      plane.published.replaceFile(loaded);
    },
    async close() {
      ending.abort();
      cancelCollect();
      await apps?.close();
      await plane.close();
      await store.close();
    },
  };
}

/** Loads each version that is new into an instance, which stays when it is published. @throws {Error} naming one that cannot be */
async function tryFunctions(
  { pool }: Plant,
  functions: FileDeployment["functions"],
  isUsed: (version: FunctionVersion) => boolean,
): Promise<void> {
  try {
    for (const { version } of functions.filter((each) => !isUsed(each.version))) {
      await pool.prepare(version).catch((cause: Error) => {
        // What is short here is no mistake in the function.
        if (cause instanceof IsopodError && cause.kind === "system") return;
        throw new Error(`Cannot load function "${version.name}": ${cause.message}`, { cause });
      });
    }
  } catch (error) {
    // Instances of what is not published would stay for nothing.
    pool.keepOnly(isUsed);
    throw error;
  }
}

/** Nobody outside a sandbox looks into a module: what is wrong with one is known when it is loaded, and not before. */
function isModule({ version }: { readonly version: FunctionVersion }): boolean {
  return version.engine === "wasm";
}

/** Whether instances of a version are for use, be it for the middlewares of another one or of a plan. */
function isNeeded({ plans }: Deployment, { published, maker }: ControlPlane, version: FunctionVersion): boolean {
  const { ownerKey = version.key } = version;
  const owner = { ...version, key: ownerKey };
  if (published.isCurrent(owner) || maker.isHeld(ownerKey)) return true;
  return [...plans.values()].some(({ middlewares }) => middlewares?.host === version);
}

function quotasIn({ replica }: ControlPlane): DataQuotas {
  return { bytesMax: (type, project) => quotaOf(type, replica.get("projects", project)?.value.quotas ?? {}) };
}

/** A server that answers "not found" for what is deployed would be worse than one that does not start. */
function openStore(dataDirectory: string): Store {
  const directory = join(dataDirectory, "store");
  try {
    return openSqliteStore({ directory });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot open the store: ${reason} (${directory})`, { cause });
  }
}

/** What a configuration says, its functions and the middlewares of its plans loaded. @throws {Error} */
async function loadFile(loader: FunctionLoader, config: Config, signal: AbortSignal): Promise<FileDeployment> {
  const functions: readonly LoadedFunction[] = await loader.load(config.functions, signal);
  const plans = new Map(config.plans);
  for (const [name, middlewares] of config.planMiddlewares) {
    const plan = plans.get(name);
    if (plan !== undefined) plans.set(name, { ...plan, middlewares: await loader.loadPlan(plan, middlewares, signal) });
  }
  const { keys, codeless, rpcPath, previewDomains } = config;
  return { functions, plans, keys, codelessPath: codeless.path, rpcPath, previewDomains };
}

/** Set when the server starts: what its sandboxes and its listener allow at the most. */
function largestLimits(config: Config): Partial<Limits> {
  return {
    memoryBytes: Math.max(largestLimit(config, "memoryBytes"), BUILD_BYTES),
    bodyBytesMax: largestLimit(config, "bodyBytesMax"),
  };
}
