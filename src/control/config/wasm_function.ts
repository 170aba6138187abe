/** Reads what only functions of the `wasm` engine have: how a module is spoken to, what a command is given. */
import { statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { BindingDeclaration } from "../../core/binding_kinds.ts";
import { directoryMistake } from "../../core/wasm_program.ts";
import type { ConfigReport } from "./report.ts";
import type { KeyPath } from "./scan.ts";
import type { RawFunction } from "./schema.ts";
import type { WasmConfig } from "./wasm_config.ts";
import { COMMAND_KEYS } from "./wasm_rules.ts";

/**
 * What `raw` says of the module at `entry`.
 * @param bindings those of the function
 * @throws {ConfigError} for the first mistake
 */
export function readWasm(
  raw: RawFunction,
  path: KeyPath,
  entry: string,
  bindings: ReadonlyMap<string, BindingDeclaration>,
  { report, folder }: { readonly report: ConfigReport; readonly folder: string },
): WasmConfig {
  for (const key of COMMAND_KEYS) {
    if ((raw.abi ?? "wasi") === "wasi" || raw[key] === undefined) continue;
    report.fail([...path, key], `only commands of WASI have it, and the abi is "${raw.abi}"`);
  }
  const { abi, args, directories, tmp_mb: tmpBytes } = raw;
  const mistake = directoryMistake(directories, bindings);
  if (mistake !== undefined) report.fail([...path, "directories"], mistake);
  const settings = {
    ...(abi !== undefined && { abi }),
    ...(args !== undefined && { args }),
    ...(tmpBytes !== undefined && { tmpBytes }),
    ...(directories !== undefined && { directories }),
  };
  const named = raw.files === undefined ? undefined : resolve(folder, raw.files);
  if (named !== undefined && statSync(named, { throwIfNoEntry: false })?.isDirectory() !== true)
    report.fail([...path, "files"], `no folder is at "${raw.files}" (${named})`);
  const isOfFolder = resolve(folder, raw.path) !== entry;
  if (named !== undefined && isOfFolder)
    report.fail([...path, "files"], "the files are those of the folder that `path` names");
  return { settings, files: named ?? (isOfFolder && (abi ?? "wasi") === "wasi" ? dirname(entry) : undefined) };
}
