/**
 * Modules that are middlewares, bundled: with the function that they are around, or as programs that serve them.
 *
 * A module imports what lies below its own project's folder and what is installed there, as functions do. What it is bundled
 * with is text of ours, under names that no file has.
 */
import { basename, dirname, posix } from "node:path";
import { IsopodError } from "../../core/errors.ts";
import { type LoadedModule, languageOf, type ModuleLoader, moduleKindOf } from "../../core/function.ts";
import type { MiddlewareConfig } from "../config/middleware_config.ts";
import type { Build } from "./build.ts";
import { createFileModules, type FoundModule, fingerprintOf } from "./file_modules.ts";

/** Texts that modules are bundled with, by the names that they import one another by. */
export type MiddlewareSources = Readonly<Record<string, string>>;

/** What stands before the names of our texts. */
export const SCHEME = "isopod:";

/** The text that wraps `own`, an expression in a module which has imported what it needs, in modules. */
export function wrapping(
  file: string,
  exportName: string,
  modules: readonly MiddlewareConfig[],
  order: string,
  prefix = SCHEME,
): string {
  const imports = modules.map(({ path }, at) => `import * as middleware${at} from ${JSON.stringify(path)};`);
  const named = modules.map(({ name }, at) => `[${JSON.stringify(name)}, middleware${at}]`);
  return [
    `import * as own from ${JSON.stringify(file)};`,
    ...imports,
    `import around from "${prefix}middlewares/module/around.ts";`,
    `export * from ${JSON.stringify(file)};`,
    `export default around(own[${JSON.stringify(exportName)}], [${named.join(", ")}], ${JSON.stringify(order)});\n`,
  ].join("\n");
}

/** The text of a program that serves a module. */
export function serving({ name, path }: MiddlewareConfig, prefix = SCHEME): string {
  return [
    `import * as middleware from ${JSON.stringify(path)};`,
    `import serve from "${prefix}middlewares/module/serve.ts";`,
    `await serve(${JSON.stringify(name)}, middleware);\n`,
  ].join("\n");
}

/** Finds our texts and the modules of `middlewares`; everything else by `inner`. */
export function withMiddlewares(
  sources: MiddlewareSources,
  middlewares: readonly MiddlewareConfig[],
  inner: ModuleLoader,
  denied: ReadonlySet<string>,
  found: (module: FoundModule) => void,
): ModuleLoader {
  /** Who finds what a module imports, by the module. */
  const loaders = new Map<string, ModuleLoader>();
  return {
    async load(specifier, importer, signal): Promise<LoadedModule> {
      const own = specifier.startsWith(SCHEME) ? specifier : undefined;
      if (own !== undefined || importer.startsWith(SCHEME)) return ownText(sources, own ?? joined(specifier, importer));
      const middleware = loaders.has(importer) ? undefined : middlewares.find(({ path }) => path === specifier);
      if (middleware !== undefined) {
        const { path } = middleware;
        loaders.set(path, createFileModules(path, denied, found));
        found({ specifier: path, folder: dirname(path), path, fingerprint: fingerprintOf(path) });
        return { id: path, kind: moduleKindOf(path), code: await Bun.file(path).text() };
      }
      const loader = loaders.get(importer);
      if (loader === undefined) return inner.load(specifier, importer, signal);
      const module = await loader.load(specifier, importer, signal);
      loaders.set(module.id, loader);
      return module;
    },
  };
}

/** A module as a program that serves it. @throws {IsopodError} `syntax_error`, `unresolved_import` */
export async function bundleServed(
  build: Build,
  sources: MiddlewareSources,
  middleware: MiddlewareConfig,
  denied: ReadonlySet<string>,
  signal: AbortSignal,
  found: (module: FoundModule) => void,
): Promise<string> {
  const { path } = middleware;
  const refuse: ModuleLoader = {
    load: (specifier) => {
      throw new IsopodError("unresolved_import", { message: `Cannot resolve import "${specifier}"` });
    },
  };
  const loader = withMiddlewares(sources, [middleware], refuse, denied, found);
  const name = basename(path);
  const source = { name, language: languageOf(path), code: serving(middleware), hash: "", url: `${path} (serve)` };
  return (await build(source, loader, signal, true)).code;
}

function joined(specifier: string, importer: string): string {
  return SCHEME + posix.join(posix.dirname(importer.slice(SCHEME.length)), specifier);
}

function ownText(sources: MiddlewareSources, id: string): LoadedModule {
  const code = sources[id.slice(SCHEME.length)];
  if (code === undefined) throw new IsopodError("unresolved_import", { message: `Cannot resolve import "${id}"` });
  return { id, kind: "ts", code };
}
