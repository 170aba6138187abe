/**
 * The middlewares of a version of the store: those that its settings name, or the variable of its environment, among its
 * files below `middlewares/`.
 */
import { posix } from "node:path";
import { HOOKS, type HookSettings, MIDDLEWARES_FOLDER, MIDDLEWARES_VARIABLE } from "../../core/middleware.ts";
import type { BlobStore } from "../../core/store.ts";
import { MIDDLEWARE_MS_RULE } from "../config/middleware_rules.ts";
import type { LoadedHooks } from "../loading/hook_host.ts";
import type { Manifest, VersionSettings } from "./records.ts";
import { treeOf } from "./stored_program.ts";

/** What decides which middlewares a version has. */
export type HookedVersion = Pick<Manifest, "engine" | "settings"> & {
  readonly files: readonly { readonly path: string; readonly layer?: number | undefined }[];
};

/** What is said of those that instances run; undefined where there are none. */
export function hookSettingsOf({ settings, files }: HookedVersion): HookSettings | undefined {
  const said = settings.middlewares ?? namedByVariable(settings, files);
  if (said === undefined || said.list.length === 0) return undefined;
  const list = said.list.map(({ file, ...each }) => ({ ...each, file: file ?? each.name }));
  const { dialect, event } = settings.process ?? { dialect: "http", event: "http" };
  return { list, order: said.order, timeoutMs: said.timeoutMs, event: dialect === "http" ? "http" : event };
}

/** The files of a version that are those of its middlewares, by their paths. */
export function hookPaths(version: HookedVersion): ReadonlySet<string> {
  const list = hookSettingsOf(version)?.list ?? [];
  return new Set(list.map(({ file }) => posix.join(MIDDLEWARES_FOLDER, file)));
}

/** The middlewares that instances run, with their files. */
export function storedHooks(blobs: BlobStore, manifest: Manifest): LoadedHooks | undefined {
  const settings = hookSettingsOf(manifest);
  if (settings === undefined) return undefined;
  const paths = hookPaths(manifest);
  const own = manifest.files.filter(({ path, layer }) => layer === undefined && paths.has(path));
  const files = own.map((file) => ({ ...file, path: posix.relative(MIDDLEWARES_FOLDER, file.path), executable: true }));
  return { tree: treeOf(blobs, files), settings };
}

/** Those of the variable: persistent where a manifest lies beside them. */
function namedByVariable({ env }: VersionSettings, files: HookedVersion["files"]): VersionSettings["middlewares"] {
  const names = (env[MIDDLEWARES_VARIABLE] ?? "").split(",").map((name) => name.trim());
  const paths = new Set(files.map(({ path }) => path));
  const list = names
    .filter((name) => name !== "")
    .map((name) => {
      const isPersistent = paths.has(`${MIDDLEWARES_FOLDER}/${name}.json`);
      return { name, mode: isPersistent ? ("persistent" as const) : ("plain" as const), hooks: [...HOOKS] };
    });
  return { list, inline: [], order: "reverse", timeoutMs: MIDDLEWARE_MS_RULE.default };
}
