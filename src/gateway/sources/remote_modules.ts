/** What programs from the network import: further files under the allowed sources, by relative or absolute address. */
import { IsopodError } from "../../core/errors.ts";
import { type LoadedModule, loadedModule, type ModuleLoader, moduleKindOf } from "../../core/function.ts";
import type { Sources } from "./sources.ts";

/** A loader over `sources`. */
export function createRemoteModules(sources: Sources): ModuleLoader {
  return {
    async load(specifier, importer, signal): Promise<LoadedModule> {
      const { url, bytes, language } = await sources.fetch(resolveImport(specifier, importer), { signal });
      const named = moduleKindOf(new URL(url).pathname);
      const kind = named === "text" ? (language === "javascript" ? "js" : "ts") : named;
      return loadedModule(url, kind, bytes);
    },
  };
}

/** @throws {IsopodError} `unresolved_import` */
function resolveImport(specifier: string, importer: string): string {
  const fail = (why: string): never => {
    throw new IsopodError("unresolved_import", {
      message: `Cannot resolve import "${specifier.slice(0, 200)}": ${why}`,
    });
  };
  if (/^https?:\/\//i.test(specifier)) return specifier;
  if (!/^\.{0,2}\//.test(specifier))
    fail("a program can import full addresses, and relative ones when it came from one");
  if (!/^https?:\/\//i.test(importer)) fail("the program was sent and has no address that this could be relative to");
  return new URL(specifier, importer).href;
}
