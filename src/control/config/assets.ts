/** Reads where a function's static files lie, and refuses a folder whose files are not for everybody. */
import { realpathSync, statSync } from "node:fs";
import { basename, resolve, sep } from "node:path";
import type { FunctionConfig } from "./config.ts";
import type { ConfigReport } from "./report.ts";
import type { KeyPath } from "./scan.ts";
import type { RawFunction } from "./schema.ts";

/** What reading them needs. */
export interface AssetsSource {
  readonly report: ConfigReport;
  /** Folder that relative paths start from: the configuration's. */
  readonly folder: string;
  /** Absolute path of the function's file. */
  readonly entry: string;
  readonly secrets: FunctionConfig["secrets"];
}

/** The static files of a function. @throws {ConfigError} for the first mistake */
export function readAssets(raw: RawFunction, path: KeyPath, source: AssetsSource): FunctionConfig["assets"] {
  const { report } = source;
  if (raw.assets === undefined) {
    if (raw.not_found === undefined) return undefined;
    return report.fail(
      [...path, "not_found"],
      "the key says what answers beside static files, and there are no `assets`",
    );
  }
  const at = [...path, "assets"];
  const folder = resolve(source.folder, raw.assets);
  if (!isFolder(folder)) report.fail(at, `no folder is at "${raw.assets}" (${folder})`);
  const within = realpathSync(folder) + sep;
  const notForAll = [
    ["the configuration", `${realpathSync(source.folder)}${sep}isopod.toml`],
    ["the function's code", source.entry],
    ...source.secrets.flatMap(({ file }) => (file === undefined ? [] : [["the file of a secret", file]])),
  ] as const;
  for (const [what, file] of notForAll) {
    if (!realOf(file).startsWith(within)) continue;
    report.fail(at, `the folder holds ${what} (${basename(file)}), and everything in it is served; use another folder`);
  }
  return { folder, fallback: raw.not_found ?? "function" };
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
