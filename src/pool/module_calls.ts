/** The `module` binding of one build: what the bundler in the sandbox asks for, a loader of the host finds. */
import { isBuiltin } from "node:module";
import type { Binding } from "../core/binding.ts";
import { IsopodError } from "../core/errors.ts";
import type { ModuleLoader } from "../core/function.ts";

/** Modules that one program may consist of, and their size together, in bytes. */
const MODULES_MAX = 2000;
/** Imports of them: many may import the same one. */
const IMPORTS_MAX = 20_000;
const MODULE_BYTES_MAX = 32 * 1024 * 1024;
/** Of modules of WebAssembly, which stand in the bundle in base64: with them, it must fit into a frame. */
const WASM_BYTES_MAX = 10 * 1024 * 1024;

/** Packages of npm that Bun has built in, and calls builtin. */
const BUILT_IN_PACKAGES = new Set(["ws", "undici"]);

/** The binding over `loader`. `failed` hears the first failure, which the bundler would put in words of its own. */
export function createModuleBinding(loader: ModuleLoader, failed: (error: unknown) => void): Binding {
  let imports = 0;
  let bytes = 0;
  const known = new Set<string>();
  let wasmBytes = 0;
  const load = async (specifier: string, importer: string, signal: AbortSignal) => {
    imports += 1;
    if (imports > IMPORTS_MAX || known.size >= MODULES_MAX)
      throw new IsopodError("code_too_large", { message: `The program has more than ${MODULES_MAX} modules` });
    const module = await loader.load(specifier, importer, signal).catch((error: unknown) => {
      const isAbsent = error instanceof IsopodError && error.code === "unresolved_import";
      throw isAbsent && isOfPlatform(specifier) ? notInPage(specifier, importer, error) : error;
    });
    if (!known.has(module.id)) bytes += module.code.length;
    known.add(module.id);
    if (bytes > MODULE_BYTES_MAX)
      throw new IsopodError("code_too_large", { message: "The program's modules are larger than 32 MiB" });
    if (module.kind === "wasm") wasmBytes += (module.code.length / 4) * 3;
    if (wasmBytes > WASM_BYTES_MAX)
      throw new IsopodError("code_too_large", {
        message: "The modules of WebAssembly that the program imports are larger than 10 MiB",
      });
    return module;
  };
  return {
    type: "module",
    async call({ url, headers }, _grant, scope) {
      const importer = decodeURIComponent(headers.find(([name]) => name === "importer")?.[1] ?? "");
      try {
        const { id, kind, code } = await load(url, importer, scope.signal);
        return {
          status: 200,
          headers: [["kind", kind]],
          body: new TextEncoder().encode(code),
          url: id,
          redirected: false,
        };
      } catch (error) {
        failed(error);
        throw error;
      }
    },
    async close() {},
  };
}

function isOfPlatform(specifier: string): boolean {
  return isBuiltin(specifier) && !BUILT_IN_PACKAGES.has(specifier);
}

/** Elsewhere these are there, and nobody looks for them. */
function notInPage(specifier: string, importer: string, cause: unknown): IsopodError {
  const why = "modules of Node and of Bun are not there in a page, which has the Web's APIs";
  return new IsopodError("unresolved_import", {
    message: `Cannot resolve import "${specifier}" of ${importer}: ${why}`,
    cause,
  });
}
