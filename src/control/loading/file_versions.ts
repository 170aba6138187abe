/** Versions of functions that stand in the configuration. */
import { grantsOf } from "../../core/binding_kinds.ts";
import { type AnyProgram, DEFAULT_PROJECT, type FunctionVersion } from "../../core/function.ts";
import { completeLimits } from "../../core/limits.ts";
import type { WasmProgram } from "../../core/wasm_program.ts";
import { hashOf } from "../../stdx/hash.ts";
import type { FunctionConfig } from "../config/config.ts";
import { DiskAssets } from "./disk_assets.ts";
import { type LoadedHooks, middlewaresOf, withHooks } from "./hook_host.ts";

/** What belongs to a version beside its program. */
export interface MadeOf {
  readonly hooks: LoadedHooks | undefined;
  /** Names of the modules that are a part of the program. */
  readonly inline: readonly string[];
  /** Makes of a component what is run. */
  readonly prepare: (() => Promise<WasmProgram>) | undefined;
}

/** The version that a configuration makes of a program, named by all that changes what it does. */
export function makeVersion(
  config: FunctionConfig,
  own: AnyProgram,
  { hooks, inline, prepare }: MadeOf,
): FunctionVersion {
  const program = withHooks(own, hooks);
  const { name, engine, instancesMax, cache, secrets } = config;
  const values = secrets.map(({ binding, hosts, value, placeholder }) => [
    binding,
    hosts.length > 0 ? placeholder : value,
  ]);
  const injected = secrets.filter(({ hosts }) => hosts.length > 0);
  const egress = {
    allow: config.egress,
    secrets: injected.map(({ placeholder, value, hosts }) => ({ placeholder, value, hosts })),
  };
  const env = { ...config.env, ...Object.fromEntries(values) } as Record<string, string>;
  const limits = completeLimits(config.limits);
  const { assets, triggers } = config;
  const calls = triggers.schedules.length + triggers.consumers.length > 0 ? triggers : undefined;
  const declared = config.bindings.size === 0 ? undefined : [...config.bindings];
  // The export of a script is the default one of its bundle.
  const exportName = program.kind === "wasm" ? config.exportName : undefined;
  const settings = { engine, env, limits, egress, instancesMax, declared, assets, calls, exportName };
  const around = hooks && [hooks.tree.hash, hooks.settings];
  const version = hashOf(JSON.stringify([{ ...settings, ...(!cache && { cache }), around }, program.hash]));
  const contents = { program, exportName, env, egress, bindings: grantsOf(DEFAULT_PROJECT, config.bindings) };
  const made: FunctionVersion = {
    ...{ project: DEFAULT_PROJECT, name, version, key: `${DEFAULT_PROJECT}/${name}@${version}` },
    ...{ engine, limits, instancesMax, cache, triggers: calls },
    assets: assets && new DiskAssets(assets.folder, assets.fallback),
    contents: async () => (prepare === undefined ? contents : { ...contents, program: await prepare() }),
  };
  return hooks === undefined && inline.length === 0
    ? made
    : { ...made, middlewares: middlewaresOf(made, config.process?.settings.dialect, hooks, inline) };
}
