/**
 * What a version is: the hash of its files, its engine and the settings that change what it does. Not its name, not when
 * or by whom, so that deploying the same again is the same version.
 *
 * A single program with nothing set is its own hash: so a program that was sent to `/run` keeps its hash when it becomes
 * a function.
 */
import { hashOf } from "../../stdx/hash.ts";
import type { Manifest, VersionSettings } from "./records.ts";

/** What counts. */
export type VersionIdentity = Pick<Manifest, "engine" | "entry" | "exportName" | "settings"> & {
  readonly files: readonly Omit<Manifest["files"][number], "bytes">[];
  readonly assets?: VersionIdentity["files"] | undefined;
};

/** The names of a program that came without one. */
export const PROGRAM_NAMES = { typescript: "program.ts", javascript: "program.js" } as const;

/** `sha256-<hex>` of everything that makes the version what it is. */
export function versionId({ engine, files, assets, entry, exportName, settings }: VersionIdentity): string {
  const [only, ...others] = [...files, ...(assets ?? [])];
  const isProgram = only?.path === PROGRAM_NAMES.typescript || only?.path === PROGRAM_NAMES.javascript;
  if (isProgram && others.length === 0 && engine === "script" && exportName === "default" && isDefault(settings)) {
    return only.hash;
  }
  const served = assets && named(assets);
  return hashOf(canonicalJson({ engine, files: named(files), assets: served, entry, exportName, settings }));
}

function named(files: VersionIdentity["files"]) {
  return files
    .map(({ path, hash, executable, layer }) => ({ path, hash, executable, layer }))
    .sort((a, b) => (a.layer ?? 0) - (b.layer ?? 0) || (a.path < b.path ? -1 : 1));
}

function isDefault({ env, limits, egress, secrets, bindings = {}, instancesMax, ...more }: VersionSettings): boolean {
  const set = [env, limits, egress, secrets, bindings, more.schedules ?? [], more.consumers ?? []].flatMap((each) =>
    Object.keys(each),
  );
  return (
    set.length === 0 &&
    instancesMax === 16 &&
    more.cache === undefined &&
    more.process === undefined &&
    more.middlewares === undefined
  );
}

/** JSON with the keys of each object in order, and without those that are undefined. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(",")}}`;
}
