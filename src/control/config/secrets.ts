/**
 * Reads the secrets that `[functions.bindings]` names: their values come from the server's environment or from files.
 *
 * A value never stands in an error.
 */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { parseSecretKeys } from "../tenancy/secret_box.ts";
import type { RawBinding, RawPlanBinding } from "./binding_schema.ts";
import type { SecretConfig } from "./config.ts";
import type { ConfigReport } from "./report.ts";
import type { KeyPath } from "./scan.ts";

const SECRET_KEYS: readonly string[] = ["type", "name", "hosts", "value_env", "value_file"];
const SECRET_BYTES_MAX = 65_536;

/**
 * Which secrets have values: those that say from where; all of them, in the environment by their names, as where
 * functions are developed; or none, as where they are deployed, since the server has them.
 */
export type SecretReading = "declared" | "by_name" | "unread";

/** Where secrets come from. */
export interface SecretSource {
  readonly report: ConfigReport;
  readonly folder: string;
  /** The server's environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly secrets: SecretReading;
}

/** The secret that a function has under the name `binding`. @throws {ConfigError} for the first mistake */
export function readSecret(
  functionName: string,
  binding: string,
  item: RawBinding,
  at: KeyPath,
  source: SecretSource,
): SecretConfig {
  if (item.mode !== undefined) source.report.fail([...at, "mode"], "a secret has no mode");
  const other = Object.keys(item).find((key) => !SECRET_KEYS.includes(key));
  if (other !== undefined) source.report.fail([...at, other], "a secret has no such key");
  if (item.hosts?.includes("*")) {
    source.report.fail([...at, "hosts"], "expected the hosts that the secret belongs to; every host would learn it");
  }
  return {
    binding,
    name: item.name ?? binding,
    value: readValue(item, at, source),
    hosts: item.hosts ?? [],
    placeholder: placeholderOf(functionName, binding),
    file: item.value_file === undefined ? undefined : resolve(source.folder, item.value_file),
  };
}

/** The keys of the store's secrets: of the file that is named, else of the server's environment. @throws {ConfigError} */
export function readSecretKeys(
  file: string | undefined,
  env: SecretSource["env"],
  folder: string,
  report: ConfigReport,
): Uint8Array[] | undefined {
  const text = file === undefined ? env["ISOPOD_SECRETS_KEY"] : (readSecretFile(resolve(folder, file)) ?? "");
  if (text === undefined) return undefined;
  try {
    return parseSecretKeys(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (file !== undefined) return report.fail(["secrets_key_file"], reason);
    throw new Error(`Cannot read ISOPOD_SECRETS_KEY: ${reason}`);
  }
}

/** The value that an item names by `value_env` or `value_file`. @throws {ConfigError} */
export function readValue(item: RawPlanBinding, at: KeyPath, source: SecretSource): string {
  const { report, env, folder, secrets } = source;
  if (secrets === "unread") return "";
  const { value_file: file } = item;
  const named = secrets === "by_name" && file === undefined ? nameOf(item, at) : undefined;
  const variable = item.value_env ?? named;
  if (variable !== undefined && file !== undefined) {
    report.fail([...at, "value_file"], "expected either value_env or value_file; both are there");
  }
  if (variable !== undefined) {
    const value = Object.hasOwn(env, variable) ? env[variable] : undefined;
    return value || report.fail([...at, "value_env"], `the server's environment has no "${variable}", or it is empty`);
  }
  if (file === undefined) {
    const reason =
      "functions of the file have no secrets of the store; say value_env or value_file, or deploy the function";
    return report.fail(at, reason);
  }
  const value = readSecretFile(resolve(folder, file));
  return value || report.fail([...at, "value_file"], `no text of up to 64 KiB can be read from "${file}"`);
}

/** What the secret of an item is called. */
function nameOf(item: RawPlanBinding, at: KeyPath): string {
  const { secret } = item as { readonly secret?: unknown };
  return typeof secret === "string" ? secret : (item.name ?? String(at.at(-1)));
}

/** The file's text without the line end at its end; undefined when it cannot be read. */
export function readSecretFile(file: string): string | undefined {
  try {
    const stats = statSync(file);
    if (!stats.isFile() || stats.size > SECRET_BYTES_MAX) return undefined;
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file)).replace(/\r?\n$/, "");
  } catch {
    return undefined;
  }
}

/** Names the secret without telling anything about it, and stays the same so that the function's version does. */
function placeholderOf(functionName: string, binding: string): string {
  const digest = createHash("sha256").update(`${functionName}/${binding}`).digest("hex");
  return `isopod-secret-${digest.slice(0, 32)}`;
}
