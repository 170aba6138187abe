/**
 * From the middlewares of a configuration to what runs them: the files that an instance is given, and the modules that become
 * a part of a function's own program.
 *
 * A module is a part of a script's program where that keeps the order: those that stand last, and where the hooks after
 * keep the order of those before, all or none.
 */

import type { EventForm } from "../../core/event_form.ts";
import type { HookSettings } from "../../core/middleware.ts";
import type { FileTree, TreeEntry } from "../../core/process_program.ts";
import { hashOf } from "../../stdx/hash.ts";
import type { MiddlewareConfig, MiddlewaresConfig } from "../config/middleware_config.ts";
import type { Build } from "./build.ts";
import { type FoundModule, isUnchanged } from "./file_modules.ts";
import type { LoadedHooks } from "./hook_host.ts";
import { bundleServed, type MiddlewareSources } from "./middleware_modules.ts";

/** Middlewares by where they run. */
export interface PlacedMiddlewares {
  /** In instances, around what follows. */
  readonly hosted: readonly MiddlewareConfig[];
  /** In the function's own program. */
  readonly inline: readonly MiddlewareConfig[];
}

/** Says where each runs. */
export function placeMiddlewares({ list, order }: MiddlewaresConfig, isScript: boolean): PlacedMiddlewares {
  const last = list.findLastIndex(({ kind }) => kind !== "module") + 1;
  const first = !isScript || (order === "same" && last > 0) ? list.length : last;
  return { hosted: list.slice(0, first), inline: list.slice(first) };
}

/** A file in memory, or on the disk. */
interface Content {
  readonly entry: TreeEntry;
  read(): Promise<Uint8Array>;
}

/** Loads middlewares that instances run; what has not changed is not bundled again. */
export class MiddlewareLoader {
  readonly #build: Build;
  readonly #sources: MiddlewareSources;
  /** By path. */
  readonly #served = new Map<string, { readonly code: string; readonly modules: readonly FoundModule[] }>();

  constructor(build: Build, sources: MiddlewareSources) {
    this.#build = build;
    this.#sources = sources;
  }

  /** The files of `hosted`, and what the guest is told. @throws {IsopodError} when a module cannot be bundled */
  async load(
    hosted: readonly MiddlewareConfig[],
    { order, timeoutMs }: MiddlewaresConfig,
    event: EventForm,
    denied: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<LoadedHooks> {
    const contents = await Promise.all(hosted.map((each) => this.#content(each, denied, signal)));
    const list: HookSettings["list"] = hosted.map(({ name, kind, hooks }, at) => ({
      ...{ name, hooks, mode: kind === "plain" ? "plain" : "persistent" },
      ...{ file: contents[at]?.entry.path ?? name, ...(kind === "module" && { isModule: true }) },
    }));
    return { tree: treeOf(contents), settings: { list, order, timeoutMs, event } };
  }

  async #content(middleware: MiddlewareConfig, denied: ReadonlySet<string>, signal: AbortSignal): Promise<Content> {
    const { name, kind, path } = middleware;
    if (kind !== "module") {
      const file = Bun.file(path);
      const hash = hashOf(await file.bytes());
      return { entry: { path: name, hash, isExecutable: true }, read: () => file.bytes() };
    }
    const bytes = new TextEncoder().encode(await this.#bundled(middleware, denied, signal));
    const entry = { path: `${name}.serve.js`, hash: hashOf(bytes), isExecutable: false };
    return { entry, read: async () => bytes };
  }

  async #bundled(middleware: MiddlewareConfig, denied: ReadonlySet<string>, signal: AbortSignal): Promise<string> {
    const { path } = middleware;
    const known = this.#served.get(path);
    if (known?.modules.every((each) => !denied.has(each.path) && isUnchanged(each))) return known.code;
    const modules: FoundModule[] = [];
    const found = (module: FoundModule) => void modules.push(module);
    const code = await bundleServed(this.#build, this.#sources, middleware, denied, signal, found);
    this.#served.set(path, { code, modules });
    return code;
  }
}

function treeOf(contents: readonly Content[]): FileTree {
  const entries = contents.map(({ entry }) => entry);
  return {
    hash: hashOf(JSON.stringify(entries)),
    entries,
    async read(entry) {
      const content = contents.find((each) => each.entry === entry);
      return content === undefined ? new Uint8Array(0) : content.read();
    },
  };
}
