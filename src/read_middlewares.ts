/**
 * What the middlewares of a function are for whoever deploys it: what its bundle begins with, what else is bundled, and the
 * files that go along. The same as a server makes of the folder on its own disk.
 */
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { MiddlewaresConfig } from "./control/config/middleware_config.ts";
import { placeMiddlewares } from "./control/loading/middleware_loader.ts";
import { serving, wrapping } from "./control/loading/middleware_modules.ts";
import { MIDDLEWARES_FOLDER } from "./core/middleware.ts";
import { MIDDLEWARE_SOURCES } from "./engines/process/bundled_sources.ts";

/** What a function says of its middlewares. */
export interface DeclaredMiddlewares {
  readonly config: MiddlewaresConfig;
  readonly isScript: boolean;
}

/** A bundle that begins with a text which lies nowhere. */
export interface VirtualEntry {
  /** Absolute path that the text would have. */
  readonly entry: string;
  /** All such texts, by their absolute paths. */
  readonly files: Readonly<Record<string, string>>;
}

/** A module that is to be bundled into a file of the version. */
export interface ServedModule extends VirtualEntry {
  /** Of the module itself. */
  readonly path: string;
  /** In the version. */
  readonly file: string;
}

/** What goes along with a function. */
export interface MiddlewareFiles {
  /** What its bundle begins with, where modules are a part of it. */
  readonly wrapper: VirtualEntry | undefined;
  readonly served: readonly ServedModule[];
  readonly files: readonly { readonly path: string; readonly content: Uint8Array<ArrayBuffer> }[];
}

/** What its version's settings say of them. */
export function middlewareSettings({ config, isScript }: DeclaredMiddlewares) {
  const { hosted, inline } = placeMiddlewares(config, isScript);
  const list = hosted.map(({ name, kind, hooks }) => ({
    ...{ name, hooks: [...hooks], mode: kind === "plain" ? "plain" : "persistent" },
    ...(kind === "module" && { isModule: true, file: `${name}.serve.js` }),
  }));
  return { list, inline: inline.map(({ name }) => name), order: config.order, timeoutMs: config.timeoutMs };
}

/**
 * What goes along with a function.
 * @param path of the file that it begins with
 * @param folder of the project, in which the texts stand that lie nowhere: bundles name paths from there on
 */
export function middlewareFiles(
  { config, isScript }: DeclaredMiddlewares,
  path: string,
  exportName: string,
  folder: string,
): MiddlewareFiles {
  const { hosted, inline } = placeMiddlewares(config, isScript);
  const own = join(folder, ".isopod-middlewares");
  const texts = Object.entries(MIDDLEWARE_SOURCES).map(([name, text]) => [join(own, name), text]);
  const prefix = `${own}/`;
  const entryOf = (entry: string, text: string): VirtualEntry => {
    return { entry, files: { ...Object.fromEntries(texts), [entry]: text } };
  };
  const wrapped = wrapping(`./${basename(path)}`, exportName, inline, config.order, prefix);
  return {
    wrapper: inline.length === 0 ? undefined : entryOf(join(dirname(path), "(entry).ts"), wrapped),
    served: hosted
      .filter(({ kind }) => kind === "module")
      .map((module) => ({
        ...entryOf(join(own, `(${module.name}).ts`), serving(module, prefix)),
        ...{ path: module.path, file: `${MIDDLEWARES_FOLDER}/${module.name}.serve.js` },
      })),
    files: hosted
      .filter(({ kind }) => kind !== "module")
      .map((each) => ({
        path: `${MIDDLEWARES_FOLDER}/${each.name}`,
        content: new Uint8Array(readFileSync(each.path)),
      })),
  };
}
