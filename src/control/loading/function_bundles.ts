/** Bundles the functions of a configuration, by the sandboxed builder. */
import { basename, dirname, join } from "node:path";
import { IsopodError } from "../../core/errors.ts";
import { languageOf, type Program } from "../../core/function.ts";
import type { MiddlewareOrder } from "../../core/middleware.ts";
import type { MiddlewareConfig } from "../config/middleware_config.ts";
import type { Build } from "./build.ts";
import { createFileModules, type FoundModule, fingerprintOf, isUnchanged } from "./file_modules.ts";

import { type MiddlewareSources, withMiddlewares, wrapping } from "./middleware_modules.ts";

/** The largest file that a function may begin with, in bytes. */
const ENTRY_BYTES_MAX = 10 * 1024 * 1024;

/** Where a function's code lies. */
export interface FunctionSource {
  readonly path: string;
  readonly exportName: string;
  /** Files that no function is given, by their real paths. */
  readonly denied: ReadonlySet<string>;
  /** What the bundle is to run in; Bun when left out. */
  readonly target?: "browser" | undefined;
  /** Modules that become a part of it. */
  readonly around?: InlineMiddlewares | undefined;
}

/** Modules around a function, in its own program. */
export interface InlineMiddlewares {
  readonly modules: readonly MiddlewareConfig[];
  readonly order: MiddlewareOrder;
  readonly sources: MiddlewareSources;
}

/** A bundle, and what it was made of. */
export interface FunctionBundle {
  readonly program: Program;
  /** Whether making it again would give the same. */
  isUpToDate(source: FunctionSource): boolean;
}

/**
 * Bundles the file at `path`; its export `exportName` becomes the default one.
 * @throws {IsopodError} `syntax_error`, `unresolved_import`, `code_too_large`
 */
export async function bundleFunction(
  build: Build,
  source: FunctionSource,
  signal: AbortSignal,
): Promise<FunctionBundle> {
  const { path, exportName, denied, around, target } = source;
  const fingerprint = fingerprintOf(path);
  const modules: FoundModule[] = [];
  const file = Bun.file(path);
  if (file.size > ENTRY_BYTES_MAX)
    throw new IsopodError("code_too_large", { message: `${path} is larger than 10 MiB` });
  const name = basename(path);
  const language = languageOf(path);
  const own = { name, language, code: await file.text(), hash: "", url: path, target };
  const made = entryText(source, name);
  const entry = made === undefined ? own : { ...own, code: made, url: join(dirname(path), "(entry).ts") };
  const found = (module: FoundModule) => void modules.push(module);
  const files = createFileModules(path, denied, found, target);
  const loader = around === undefined ? files : withMiddlewares(around.sources, around.modules, files, denied, found);
  const program = await build(entry, loader, signal, true);
  return {
    program,
    isUpToDate: (now) =>
      now.path === path &&
      now.exportName === exportName &&
      isSame(now.around, around) &&
      fingerprintOf(path) === fingerprint &&
      modules.every((module) => !now.denied.has(module.path) && isUnchanged(module)),
  };
}

/** What is bundled in the place of the file itself, where that is not what the function is. */
function entryText({ exportName, around }: FunctionSource, file: string): string | undefined {
  if (around !== undefined) return wrapping(`./${file}`, exportName, around.modules, around.order);
  return exportName === "default" ? undefined : reexport(exportName, file);
}

function isSame(one: InlineMiddlewares | undefined, other: InlineMiddlewares | undefined): boolean {
  const told = (each: typeof one) => each && [each.order, each.modules.map(({ name, path }) => [name, path])];
  return JSON.stringify(told(one)) === JSON.stringify(told(other));
}

function reexport(exportName: string, file: string): string {
  return `export { ${exportName} as default } from ${JSON.stringify(`./${file}`)};\n`;
}
