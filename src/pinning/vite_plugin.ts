/**
 * The plug-in for Vite, and for Rollup and Rolldown, whose hooks it has: `plugins: [pinFunctions()]`.
 *
 * It works in builds only: under a development server functions are sent as they stand, and a change needs no pin.
 */
import { readFile } from "node:fs/promises";
import { PinBuild, type PinFunctionsOptions } from "./pin_source.ts";

interface Resolver {
  resolve(specifier: string, importer: string): Promise<{ readonly id: string; readonly external?: unknown } | null>;
}

/** The plug-in, as Vite takes it. */
export interface VitePlugin {
  readonly name: string;
  readonly enforce: "pre";
  readonly apply: "build";
  configResolved(config: { readonly root: string }): void;
  transform(this: Resolver, code: string, id: string): Promise<{ code: string; map: string } | undefined>;
  buildEnd(error?: Error): Promise<void>;
}

/**
 * Replaces the functions that sources send by hashes, and registers these on a server before anything is written.
 * @example export default defineConfig({ plugins: [pinFunctions()] });
 */
export function pinFunctions(options: PinFunctionsOptions = {}): VitePlugin {
  const pins = new PinBuild(options);
  let root = process.cwd();
  return {
    name: "isopod-pin-functions",
    // Before types are taken out: what is pinned is what stands in the file.
    enforce: "pre",
    apply: "build",
    configResolved(config) {
      root = config.root;
    },
    async transform(code, id) {
      const file = fileOf(id);
      if (!PinBuild.mayHold(file)) return undefined;
      const replaced = await pins.replace(code, file, root, async (specifier, importer) => {
        const found = await this.resolve(specifier, importer);
        if (!found || found.external || !PinBuild.mayHold(fileOf(found.id))) return undefined;
        return { file: fileOf(found.id), text: await readFile(fileOf(found.id), "utf8") };
      });
      return replaced && { code: replaced.code, map: replaced.map.toString() };
    },
    async buildEnd(error) {
      if (error === undefined) await pins.register();
    },
  };
}

/** The file of a module's id, which may carry a query. */
function fileOf(id: string): string {
  return id.replace(/[?#].*$/, "");
}
