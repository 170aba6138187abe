/**
 * From the functions of a configuration to versions: source read, bundled, hashed.
 *
 * A version is named by the hash of everything that changes its behaviour; a reload that changes nothing gives the very
 * objects of before, so that their instances go on.
 */
import { realpathSync } from "node:fs";
import { basename } from "node:path";
import { PRODUCTION, type RoutedFunction } from "../../core/deployment.ts";
import { type AnyProgram, DEFAULT_PROJECT, type FunctionVersion, type MiddlewareChain } from "../../core/function.ts";
import { completeLimits } from "../../core/limits.ts";
import type { Plan } from "../../core/plan.ts";
import type { ProcessProgram } from "../../core/process_program.ts";
import type { RoutePattern } from "../../core/route.ts";
import type { WasmPreparer } from "../../core/wasm_program.ts";
import { hashOf } from "../../stdx/hash.ts";
import type { FunctionConfig, ProcessConfig } from "../config/config.ts";
import type { MiddlewaresConfig } from "../config/middleware_config.ts";
import { FUNCTION_INSTANCES_RULE } from "../config/rules.ts";
import { findVersion } from "../deploy/version_names.ts";
import type { Build } from "./build.ts";
import { DiskTrees } from "./disk_trees.ts";
import { makeVersion } from "./file_versions.ts";
import { bundleFunction, type FunctionBundle } from "./function_bundles.ts";
import { chainOf, hookHost, type LoadedHooks, NO_RIGHTS } from "./hook_host.ts";
import { MiddlewareLoader, type PlacedMiddlewares, placeMiddlewares } from "./middleware_loader.ts";
import type { MiddlewareSources } from "./middleware_modules.ts";
import { pageProgram } from "./page_files.ts";
import { readWasmProgram } from "./wasm_programs.ts";

/** A function of the configuration, ready to be routed to. */
export interface LoadedFunction {
  readonly version: FunctionVersion;
  readonly routes: readonly RoutePattern[];
}

/** What loading takes. */
export interface LoaderParts {
  readonly build: Build;
  readonly components: WasmPreparer;
  /** What modules that are middlewares are bundled with. */
  readonly sources: MiddlewareSources;
}

/** Loads functions, and remembers the versions that it made. */
export class FunctionLoader {
  readonly #build: Build;
  readonly #components: WasmPreparer;
  #known = new Map<string, FunctionVersion>();
  readonly #trees = new DiskTrees();
  readonly #sources: MiddlewareSources;
  readonly #middlewares: MiddlewareLoader;
  #plans = new Map<string, MiddlewareChain>();
  /** By function; a build costs a process, and most reloads change one function of many. */
  #bundles = new Map<string, FunctionBundle>();

  constructor({ build, components, sources }: LoaderParts) {
    this.#build = build;
    this.#components = components;
    this.#sources = sources;
    this.#middlewares = new MiddlewareLoader(build, sources);
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
    const placed = config.middlewares && placeMiddlewares(config.middlewares, config.engine === "script");
    try {
      const hooks = await this.#hooks(config, placed, denied, signal);
      const program = await this.#programOf(config, placed, denied, signal);
      const prepare = program.kind === "wasm" ? () => this.#components.prepare(program) : undefined;
      const made = makeVersion(config, program, {
        hooks,
        inline: placed?.inline.map(({ name }) => name) ?? [],
        prepare,
      });
      // Made now, and not when the first request waits for it; what is wrong with it is told when it is tried.
      if (program.kind === "wasm") await this.#components.prepare(program, signal).catch(() => {});
      return { version: this.#known.get(made.key) ?? made, routes: config.routes };
    } catch (reason) {
      throw fail(reason);
    }
  }

  async #hooks(
    { middlewares, process }: FunctionConfig,
    placed: PlacedMiddlewares | undefined,
    denied: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<LoadedHooks | undefined> {
    if (middlewares === undefined || placed === undefined || placed.hosted.length === 0) return undefined;
    const { dialect, event } = process?.settings ?? { dialect: "http", event: "http" };
    return this.#middlewares.load(placed.hosted, middlewares, dialect === "http" ? "http" : event, denied, signal);
  }

  async #programOf(
    config: FunctionConfig,
    placed: PlacedMiddlewares | undefined,
    denied: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<AnyProgram> {
    const { name, path, engine, process, middlewares } = config;
    if (process !== undefined) return this.#program(config, process, denied);
    if (engine === "wasm") return readWasmProgram(config, this.#trees, denied);
    const modules = placed?.inline ?? [];
    const around =
      modules.length === 0 ? undefined : { modules, order: middlewares?.order ?? "reverse", sources: this.#sources };
    const isPage = engine === "browser";
    const source = { ...config, denied, around, target: isPage ? ("browser" as const) : undefined };
    const known = this.#bundles.get(name);
    const bundle = known?.isUpToDate(source) ? known : await bundleFunction(this.#build, source, signal);
    this.#bundles.set(name, bundle);
    if (isPage) return pageProgram(bundle.program, path, config.pageFolder, denied);
    return { ...bundle.program, name: basename(path), hash: hashOf(bundle.program.code) };
  }

  /** What a plan runs around programs. @throws {Error} naming the plan */
  async loadPlan(plan: Plan, config: MiddlewaresConfig, signal: AbortSignal): Promise<MiddlewareChain> {
    const { name, limits } = plan;
    const hooks = await this.#middlewares.load(config.list, config, "http", new Set(), signal).catch((reason) => {
      const message = reason instanceof Error ? reason.message : String(reason);
      throw new Error(`Cannot load the middlewares of plan "${name}": ${message}`, { cause: reason });
    });
    const version = hashOf(JSON.stringify([hooks.tree.hash, hooks.settings, limits]));
    const key = `plan:${name}@${version}`;
    const known = this.#plans.get(key);
    if (known !== undefined) return known;
    const owner = { project: DEFAULT_PROJECT, name: `run:${name}`, version, key, limits: completeLimits(limits) };
    const instancesMax = FUNCTION_INSTANCES_RULE.default;
    const chain = chainOf(hookHost({ ...owner, instancesMax, contents: async () => NO_RIGHTS }, hooks), hooks, []);
    for (const other of this.#plans.keys()) if (other.startsWith(`plan:${name}@`)) this.#plans.delete(other);
    this.#plans.set(key, chain);
    return chain;
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

/** A function of the configuration as the data plane sees it: one version, which `production` stands for. */
export function routedFileFunction({ version }: LoadedFunction): RoutedFunction {
  const { project, name } = version;
  const aliases = new Map([[PRODUCTION, { targets: [{ version, weight: 1 }], sticky: undefined }]]);
  const versions = new Map([[version.version, version]]);
  return { project, name, aliases, find: (text) => findVersion(text, { name, aliases, versions }) };
}
