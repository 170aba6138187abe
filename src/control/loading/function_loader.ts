/**
 * From the functions of a configuration to versions: source read, bundled, hashed.
 *
 * A version is named by the hash of everything that changes its behaviour; a reload that changes nothing gives the very
 * objects of before, so that their instances go on.
 */
import { realpathSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { grantsOf } from "../../core/binding_kinds.ts";
import { PRODUCTION, type RoutedFunction } from "../../core/deployment.ts";
import { type AnyProgram, DEFAULT_PROJECT, type FunctionVersion } from "../../core/function.ts";
import { completeLimits } from "../../core/limits.ts";
import type { ProcessProgram } from "../../core/process_program.ts";
import type { RoutePattern } from "../../core/route.ts";
import type { WasmPreparer, WasmProgram } from "../../core/wasm_program.ts";
import { hashOf } from "../../stdx/hash.ts";
import type { FunctionConfig, ProcessConfig } from "../config/config.ts";
import { findVersion } from "../deploy/version_names.ts";
import { DiskAssets } from "./disk_assets.ts";
import { DiskTrees } from "./disk_trees.ts";
import { type Build, bundleFunction, type FunctionBundle } from "./function_bundles.ts";
import { pageProgram } from "./page_files.ts";

/** A function of the configuration, ready to be routed to. */
export interface LoadedFunction {
  readonly version: FunctionVersion;
  readonly routes: readonly RoutePattern[];
}

/** Loads functions, and remembers the versions that it made. */
export class FunctionLoader {
  readonly #build: Build;
  readonly #components: WasmPreparer;
  #known = new Map<string, FunctionVersion>();
  readonly #trees = new DiskTrees();
  /** By function; a build costs a process, and most reloads change one function of many. */
  #bundles = new Map<string, FunctionBundle>();

  constructor(build: Build, components: WasmPreparer) {
    this.#build = build;
    this.#components = components;
  }

  /** Loads all of `functions`. @throws {Error} naming the function and its file */
  async load(functions: readonly FunctionConfig[], signal: AbortSignal): Promise<LoadedFunction[]> {
    const files = functions.flatMap(({ secrets }) => secrets.flatMap(({ file }) => file ?? []));
    const denied = new Set(files.map((file) => realpathSync(file)));
    const loaded = await Promise.all(functions.map((config) => this.#load(config, denied, signal)));
    this.#known = new Map(loaded.map(({ version }) => [version.key, version]));
    for (const name of this.#bundles.keys()) {
      if (!functions.some((config) => config.name === name)) this.#bundles.delete(name);
    }
    return loaded;
  }

  async #load(config: FunctionConfig, denied: ReadonlySet<string>, signal: AbortSignal): Promise<LoadedFunction> {
    const fail = (reason: unknown) => {
      const message = reason instanceof Error ? reason.message : String(reason);
      return new Error(`Cannot load function "${config.name}": ${message} (${config.path})`, { cause: reason });
    };
    if (config.process !== undefined) {
      const program = await this.#program(config, config.process, denied).catch((reason) => {
        throw fail(reason);
      });
      const made = makeVersion(config, program);
      return { version: this.#known.get(made.key) ?? made, routes: config.routes };
    }
    if (config.engine === "wasm") {
      const bytes = await readFile(config.path).catch((reason) => {
        throw fail(reason);
      });
      const program = { kind: "wasm", name: basename(config.path), bytes, hash: hashOf(bytes) } as const;
      const made = makeVersion(config, program, () => this.#components.prepare(program));
      // Made now, and not when the first request waits for it; what is wrong with it is told to each request.
      await this.#components.prepare(program, signal).catch(() => {});
      return { version: this.#known.get(made.key) ?? made, routes: config.routes };
    }
    const isPage = config.engine === "browser";
    const source = { ...config, denied, target: isPage ? ("browser" as const) : undefined };
    const known = this.#bundles.get(config.name);
    const bundle = known?.isUpToDate(source)
      ? known
      : await bundleFunction(this.#build, source, signal).catch((reason) => {
          throw fail(reason);
        });
    this.#bundles.set(config.name, bundle);
    const { program: bundled } = bundle;
    if (isPage) {
      const program = await pageProgram(bundled, config.path, config.pageFolder, denied).catch((reason) => {
        throw fail(reason);
      });
      const made = makeVersion(config, program);
      return { version: this.#known.get(made.key) ?? made, routes: config.routes };
    }
    const made = makeVersion(config, { ...bundled, name: basename(config.path), hash: hashOf(bundled.code) });
    return { version: this.#known.get(made.key) ?? made, routes: config.routes };
  }

  /** A program of the `process` engine, named by all of its files and by how it is started. */
  async #program(
    config: FunctionConfig,
    { settings, root, layers: paths }: ProcessConfig,
    denied: ReadonlySet<string>,
  ): Promise<ProcessProgram> {
    const code = await this.#trees.read(config.path, denied);
    const layers = await Promise.all(paths.map((path) => this.#trees.readLayer(path, denied)));
    const hash = hashOf(JSON.stringify([code.hash, layers.map((layer) => layer.hash), root, settings]));
    return { kind: "process", name: basename(config.path), hash, code, layers, root, settings };
  }
}

function makeVersion(
  config: FunctionConfig,
  program: AnyProgram,
  prepare?: () => Promise<WasmProgram>,
): FunctionVersion {
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
  const version = hashOf(JSON.stringify([{ ...settings, ...(!cache && { cache }) }, program.hash]));
  const contents = { program, exportName, env, egress, bindings: grantsOf(DEFAULT_PROJECT, config.bindings) };
  return {
    ...{ project: DEFAULT_PROJECT, name, version, key: `${DEFAULT_PROJECT}/${name}@${version}` },
    ...{ engine, limits, instancesMax, cache, triggers: calls },
    assets: assets && new DiskAssets(assets.folder, assets.fallback),
    contents: async () => (prepare === undefined ? contents : { ...contents, program: await prepare() }),
  };
}

/** A function of the configuration as the data plane sees it: one version, which `production` stands for. */
export function routedFileFunction({ version }: LoadedFunction): RoutedFunction {
  const { project, name } = version;
  const aliases = new Map([[PRODUCTION, { targets: [{ version, weight: 1 }], sticky: undefined }]]);
  const versions = new Map([[version.version, version]]);
  return { project, name, aliases, find: (text) => findVersion(text, { name, aliases, versions }) };
}
