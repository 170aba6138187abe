/**
 * Reads `isopod.toml` into a `Config`, or tells one mistake in it with its line.
 *
 * The text is parsed, its shape checked, and then what depends on several keys or on the machine. A reload is nothing
 * but reading again: nothing here remembers anything, and a `Config` holds everything that it needs.
 */
import { stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { KeyRecord, Plan } from "../../core/plan.ts";
import { readAddresses, type TypedAddresses } from "./addresses.ts";
import { readBlobs } from "./blobs.ts";
import type { ValueChecks } from "./checks.ts";
import { type Config, defaultConfig } from "./config.ts";
import { ConfigError } from "./error.ts";
import { readFunctions } from "./functions.ts";
import { readPlanMiddlewares, readPlans } from "./plans.ts";
import { ConfigReport } from "./report.ts";
import { CACHE_RULES, defaultsOf, LOGS_RULES, POOL_RULES, SERVER_RULES } from "./rules.ts";
import { configSchema, type RawConfig, settingsOf } from "./schema.ts";
import { readSecretKeys, type SecretReading } from "./secrets.ts";
import { readToml } from "./toml.ts";
import { readTriggers, triggersOf } from "./triggers.ts";

export { ConfigError } from "./error.ts";

/** The name of the file when nothing else is said. */
export const CONFIG_FILE_NAME = "isopod.toml";
const FILE_BYTES_MAX = 1024 * 1024;

/** What reading a configuration may need from outside. */
export interface ConfigOptions extends ValueChecks, TypedAddresses {
  /** The server's environment, for secrets; that of this process when left out. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Which secrets have values; `declared` when left out. */
  readonly secrets?: SecretReading | undefined;
}

/** How a text that is at hand is read. */
export interface ParseOptions extends ConfigOptions {
  /** The file that the text is from: stands in errors as given, and relative paths start from its folder. */
  readonly file?: string | undefined;
}

/**
 * Reads the file at `path`.
 * @throws {ConfigError}
 */
export async function loadConfig(path: string, options: ConfigOptions = {}): Promise<Config> {
  return parseConfig(await readText(path), { ...options, file: path });
}

async function readText(path: string): Promise<string> {
  const fail = (reason: string) => new ConfigError({ message: `Cannot read the configuration: ${reason}`, file: path });
  let bytes: Uint8Array;
  try {
    const stats = await stat(path);
    if (!stats.isFile()) throw fail("it is not a file");
    if (stats.size > FILE_BYTES_MAX) throw fail("it is larger than 1 MiB");
    bytes = await Bun.file(path).bytes();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    throw fail(code === "ENOENT" ? "there is no such file" : String(code ?? error));
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw fail("it is not UTF-8 text");
  }
}

/**
 * Reads a configuration from its text.
 * @throws {ConfigError} for the first mistake
 * @example parseConfig('listen_address = "127.0.0.1:9090"').listen.port // 9090
 */
export function parseConfig(text: string, options: ParseOptions = {}): Config {
  const file = options.file ?? CONFIG_FILE_NAME;
  const toml = readToml(text);
  if ("message" in toml) {
    throw new ConfigError({ message: `Cannot parse the file: ${toml.message}`, file, position: toml.position });
  }
  const report = new ConfigReport(file, toml);
  const schema = configSchema(options);
  const shape = schema.safeParse(toml.value);
  if (!shape.success) return report.failWith(shape.error.issues, schema);
  const raw = shape.data;
  const standard = defaultConfig();
  const { listen, admin } = readAddresses(raw, options, report);
  const codeless = { path: raw.codeless?.path ?? standard.codeless.path, sources: raw.codeless?.sources ?? [] };
  const rpcPath = raw.rpc?.path ?? standard.rpcPath;
  if (rpcPath === codeless.path) report.fail(["rpc", "path"], `codeless.path is "${rpcPath}" too`);
  if (rpcPath === "/") report.fail(["rpc", "path"], "every path is below it");
  const folder = dirname(resolve(file));
  const { env = process.env, secrets = "declared" } = options;
  const source = { report, folder, env, secrets };
  const plans = readPlans(raw, { listen, isTyped: options.listen !== undefined }, source);
  const declared = readFunctions(raw, {
    ...source,
    reservedPaths: { "codeless.path": codeless.path, "rpc.path": rpcPath },
  });
  const triggers = readTriggers(raw, declared, options, report);
  const functions = declared.map((each) => ({ ...each, triggers: triggersOf(triggers, each.name) }));
  return {
    file: options.file === undefined ? undefined : resolve(options.file),
    listen,
    admin,
    ...{ codeless, rpcPath, plans },
    planMiddlewares: readPlanMiddlewares(raw, report, folder),
    apps: raw.apps === undefined ? undefined : resolve(folder, raw.apps),
    blobs: readBlobs(raw.blobs, source),
    previewDomains: raw.preview_domains ?? [],
    secretKeys: secrets === "unread" ? undefined : readSecretKeys(raw.secrets_key_file, env, folder, report),
    keys: readKeys(raw, plans, report),
    functions,
    pool: readPool(raw, report),
    server: { ...defaultsOf(SERVER_RULES), ...settingsOf(SERVER_RULES, raw.server) },
    cache: { ...defaultsOf(CACHE_RULES), ...settingsOf(CACHE_RULES, raw.cache) },
    logs: { ...defaultsOf(LOGS_RULES), ...settingsOf(LOGS_RULES, raw.logs) },
    sandbox: raw.sandbox ?? standard.sandbox,
  };
}

function readKeys(raw: RawConfig, plans: ReadonlyMap<string, Plan>, report: ConfigReport): KeyRecord[] {
  const lines = new Map<string, number>();
  return (raw.keys ?? []).map(({ hash, plan, pin }, index) => {
    const path = ["keys", index];
    if (!plans.has(plan)) {
      const known = [...plans.keys()].slice(0, 20).join(", ");
      report.fail([...path, "plan"], `there is no plan "${plan}"; the plans are ${known}`);
    }
    const earlier = lines.get(hash);
    if (earlier !== undefined) report.fail([...path, "hash"], `the same key stands on line ${earlier}`);
    lines.set(hash, report.locate([...path, "hash"]).line);
    return { hash, plan, mayPin: pin ?? false };
  });
}

function readPool(raw: RawConfig, report: ConfigReport): Config["pool"] {
  const set = settingsOf(POOL_RULES, raw.pool);
  const pool = { ...defaultsOf(POOL_RULES), ...set };
  if (pool.prewarmed <= pool.instancesMax) return pool;
  if (set.prewarmed !== undefined) {
    report.fail(["pool", "prewarmed"], `expected at most the ${pool.instancesMax} instances that there may be`);
  }
  return { ...pool, prewarmed: pool.instancesMax };
}
