/**
 * The plug-in for esbuild: `plugins: [pinFunctions()]`.
 *
 * esbuild's types are spelled here as far as they are used, so that nobody needs esbuild to use the others.
 */
import { readFile } from "node:fs/promises";
import { dirname, extname } from "node:path";
import type { FindModule } from "./clients.ts";
import { PinBuild, type PinFunctionsOptions } from "./pin_source.ts";

interface Message {
  readonly text: string;
}

interface Build {
  readonly initialOptions: { readonly absWorkingDir?: string };
  resolve(
    path: string,
    options: { readonly kind: "import-statement"; readonly importer: string; readonly resolveDir: string },
  ): Promise<{ readonly path: string; readonly errors: readonly unknown[]; readonly external: boolean }>;
  onLoad(
    options: { readonly filter: RegExp; readonly namespace: string },
    load: (args: {
      readonly path: string;
    }) => Promise<{ contents?: string; loader?: Loader; errors?: Message[] } | undefined>,
  ): void;
  onEnd(end: (result: { readonly errors: readonly unknown[] }) => Promise<{ errors?: Message[] }>): void;
}

type Loader = "js" | "jsx" | "ts" | "tsx";

/** The plug-in, as esbuild takes it. */
export interface EsbuildPlugin {
  readonly name: string;
  setup(build: Build): void;
}

/**
 * Replaces the functions that sources send by hashes, and registers these on a server when the build has no errors.
 * @example await esbuild.build({ entryPoints: ["src/app.ts"], bundle: true, plugins: [pinFunctions()] });
 */
export function pinFunctions(options: PinFunctionsOptions = {}): EsbuildPlugin {
  return {
    name: "isopod-pin-functions",
    setup(build) {
      const pins = new PinBuild(options);
      const root = build.initialOptions.absWorkingDir ?? process.cwd();
      const find = finder(build);
      build.onLoad({ filter: /\.[mc]?[jt]sx?$/, namespace: "file" }, async ({ path }) => {
        if (!PinBuild.mayHold(path)) return undefined;
        try {
          const replaced = await pins.replace(await readFile(path, "utf8"), path, root, find);
          if (replaced === undefined) return undefined;
          return { contents: `${replaced.code}\n//# sourceMappingURL=${replaced.map.toUrl()}`, loader: loaderOf(path) };
        } catch (error) {
          return { errors: [messageOf(error)] };
        }
      });
      build.onEnd(async ({ errors }) => {
        if (errors.length > 0) return {};
        return pins.register().then(
          () => ({}),
          (error: unknown) => ({ errors: [messageOf(error)] }),
        );
      });
    },
  };
}

function finder(build: Build): FindModule {
  return async (specifier, importer) => {
    const options = { kind: "import-statement", importer, resolveDir: dirname(importer) } as const;
    const { path, errors, external } = await build.resolve(specifier, options);
    if (errors.length > 0 || external || !PinBuild.mayHold(path)) return undefined;
    return { file: path, text: await readFile(path, "utf8") };
  };
}

function loaderOf(path: string): Loader {
  const extension = extname(path)
    .replace(/^\.[mc]/, ".")
    .slice(1);
  // As esbuild itself has it: JSX in a .js file is a mistake there.
  return extension as Loader;
}

function messageOf(error: unknown): Message {
  return { text: error instanceof Error ? error.message : String(error) };
}
