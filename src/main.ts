/**
 * The composition root: builds a server from a configuration, and owns its start, its reload and its end.
 *
 * Everything that is joined is joined here; no other file knows two rooms.
 */
import { join } from "node:path";
import { createAdmin } from "./control/admin.ts";
import { type Config, isLoopback } from "./control/config.ts";
import { openDataDirectory, readOrCreateToken } from "./control/data_directory.ts";
import { FunctionLoader } from "./control/functions.ts";
import { systemClock } from "./core/clock.ts";
import { LIMIT_RULES } from "./core/limits.ts";
import { createAdmission } from "./gateway/admission.ts";
import { Codeless } from "./gateway/codeless.ts";
import { Gateway } from "./gateway/gateway.ts";
import { type Listener, openListener } from "./gateway/listener.ts";
import { openPins } from "./gateway/pins.ts";
import { createProgramCache } from "./gateway/program_cache.ts";
import { createRemoteModules } from "./gateway/remote_modules.ts";
import { createSnapshot } from "./gateway/snapshot.ts";
import { createSources } from "./gateway/sources.ts";
import { GUEST_CODE } from "./guest_code.ts";
import { Builder } from "./pool/builder.ts";
import { Pool } from "./pool/pool.ts";
import { examineMachine, requireSandbox } from "./sandbox/machine.ts";
import { BINDINGS, ENGINES } from "./standard.ts";
import { createAccessLog } from "./telemetry/access_log.ts";
import { createInvocations } from "./telemetry/invocations.ts";
import { createLog, createStderrSink, type Log, parseLogLevel } from "./telemetry/log.ts";
import { createMetrics } from "./telemetry/metrics.ts";
import { createObserver } from "./telemetry/observer.ts";

/** What the machine offers, for `isopod doctor`. */
export const examine = examineMachine;

/** How a server is started. */
export interface ServerOptions {
  readonly config: Config;
  readonly dataDirectory: string;
  /** `ISOPOD_LOG`, or what stands for it. */
  readonly logLevel?: string | undefined;
}

/** A running server. */
export interface Server {
  readonly listener: Listener;
  readonly admin: Listener;
  readonly log: Log;
  /** The state of the server, as `/status` gives it. */
  status(): object;
  /** Puts `config` in the place of the present one; requests under way go on. Addresses cannot change. */
  reload(config: Config): Promise<void>;
  /** Takes no more, waits for what runs as long as the configuration says, and ends everything. */
  close(): Promise<void>;
}

const MB = 1024 * 1024;
const CODE_BYTES_MAX = 10 * MB;

/** Starts a server. @throws {Error} that names what is missing, wrong or taken */
export async function startServer({ config, dataDirectory, logLevel }: ServerOptions): Promise<Server> {
  if (config.sandbox !== "none") await requireSandbox();
  openDataDirectory(dataDirectory);
  const clock = systemClock;
  const sink = createStderrSink(clock);
  const log = createLog({ clock, level: parseLogLevel(logLevel), sink });
  const metrics = createMetrics();
  if (config.sandbox === "none") log.warn("There is no sandbox: every program can do what this user can");
  const invocations = createInvocations();
  const access = createAccessLog({ sink, clock, sample: logLevel === "silent" ? 0 : 1 });
  const observer = createObserver({ log, access, metrics, invocations });
  const report = (line: { level: "debug" | "info" | "warn" | "error"; text: string }, fields: object) =>
    log[line.level](line.text, { ...fields });
  const engineOptions = {
    bun: process.execPath,
    guestCode: GUEST_CODE,
    directory: join(dataDirectory, "sandbox"),
    isolation: config.sandbox,
    memoryBytesMax: largestMemory(config),
  };
  const [engine] = ENGINES.map((create) => create(engineOptions));
  if (engine === undefined) throw new Error("Cannot start: there is no engine");
  const bindings = new Map(BINDINGS.map((create) => create()).map((binding) => [binding.name, binding]));
  const lives = {
    started: (seconds: number) => metrics.instanceStarted(engine.name, seconds),
    ended: (reason: string) => metrics.instanceEnded(engine.name, reason),
  };
  const pool = new Pool({ engine, clock, bindings, sizes: config.pool, lives, report });
  metrics.gauge({
    name: "isopod_instances",
    help: "Instances now: all of them, and those that are prewarmed.",
    labels: ["state"],
    read: () => [
      { labels: { state: "all" }, value: pool.stats().instances },
      { labels: { state: "prewarmed" }, value: pool.stats().prewarmed },
    ],
  });
  metrics.gauge({
    name: "isopod_invocations",
    help: "Invocations that run now.",
    labels: [],
    read: () => [{ labels: {}, value: pool.stats().invocations }],
  });
  const builder = new Builder({ engine, clock, report });
  const pins = await openPins({
    directory: join(dataDirectory, "pins"),
    countMax: 100_000,
    bytesMax: 1024 * MB,
    codeBytesMax: CODE_BYTES_MAX,
  });
  const sources = createSources({
    rules: config.codeless.sources,
    cacheBytesMax: 64 * MB,
    fetchTimeoutMs: 10_000,
    codeBytesMax: CODE_BYTES_MAX,
  });
  const build = builder.build.bind(builder);
  const programs = createProgramCache(build, createRemoteModules(sources));
  const loader = new FunctionLoader(build);
  const ending = new AbortController();
  let codelessPath = config.codeless.path;

  const load = async (next: Config) => {
    const functions = await loader.load(next.functions, ending.signal);
    const snapshot = createSnapshot({
      functions,
      plans: next.plans,
      keys: next.keys,
      codelessPath: next.codeless.path,
    });
    return { snapshot, versions: functions.map(({ version }) => version) };
  };
  const admission = createAdmission({
    clock,
    admittedMax: 10_000,
    waitingMax: 1000,
    waitMsMax: 1000,
    idleCallersMax: 50_000,
  });
  const warm = pool.warm();
  const gateway = new Gateway({
    invoker: pool,
    admission,
    codeless: new Codeless({ invoker: pool, sources, pins, builder: programs, codeBytesMax: CODE_BYTES_MAX }),
    observer,
    loopback: isLoopback(config.listen.host),
    snapshot: (await load(config)).snapshot,
  });
  const status = () => ({
    listen: { host: listener.host, port: listener.port },
    codeless_path: codelessPath,
    pool: pool.stats(),
    admission: admission.figures(),
    layers: engine.layers,
    pid: process.pid,
  });
  const listener = openListener({ ...config.listen, limits: listenerLimits(config), handle: gateway.handle });
  const admin = openListener({
    ...config.admin,
    limits: { ...listenerLimits(config), bodyBytesMax: 16 * MB },
    handle: createAdmin({
      token: readOrCreateToken(dataDirectory),
      loopback: isLoopback(config.admin.host),
      metrics: () => metrics.expose(),
      invocation: (id) => invocations.get(id),
      status,
      pins,
    }),
  });
  await warm;
  return {
    listener,
    admin,
    log,
    status,
    async reload(next) {
      const { snapshot, versions } = await load(next);
      gateway.replace(snapshot);
      // Only now: until here requests were routed to the old versions.
      pool.keepOnly(versions);
      codelessPath = next.codeless.path;
      log.info("The configuration was reloaded", { functions: next.functions.length });
    },
    async close() {
      ending.abort();
      const drained = listener.drain();
      admission.close();
      await pool.close(config.pool.drainMs);
      await Promise.race([drained, listener.close()]);
      await Promise.all([admin.close(), builder.close(), ...[...bindings.values()].map((binding) => binding.close())]);
      sources.close();
      await engine.close();
      log.info("The server has ended");
      log.flushSync();
    },
  };
}

/** The most memory that any plan or function gives, in bytes. */
function largestMemory(config: Config): number {
  const limits = [
    ...[...config.plans.values()].map((plan) => plan.limits),
    ...config.functions.map((each) => each.limits),
  ];
  return Math.max(...limits.map(({ memoryBytes }) => memoryBytes ?? 0), LIMIT_RULES.memoryBytes.default, 512 * MB);
}

function listenerLimits(config: Config) {
  const bodies = [...config.plans.values(), ...config.functions].map(
    ({ limits }) => limits.bodyBytesMax ?? LIMIT_RULES.bodyBytesMax.default,
  );
  return { ...config.server, bodyBytesMax: Math.max(...bodies) + CODE_BYTES_MAX };
}
