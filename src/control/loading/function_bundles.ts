/** Bundles the functions of a configuration, by the sandboxed builder. */
import { basename, dirname, join } from "node:path";
import { IsopodError } from "../../core/errors.ts";
import { languageOf, type ModuleLoader, type Program, type ProgramSource } from "../../core/function.ts";
import { createFileModules, type FoundModule, fingerprintOf, isUnchanged } from "./file_modules.ts";

/** Joins a source with what the loader finds; `always` also when there seems to be nothing to find. */
export type Build = (
  source: ProgramSource,
  loader: ModuleLoader,
  signal: AbortSignal,
  always: boolean,
) => Promise<Program>;

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
  const { path, exportName, denied, target } = source;
  const fingerprint = fingerprintOf(path);
  const modules: FoundModule[] = [];
  const file = Bun.file(path);
  if (file.size > ENTRY_BYTES_MAX)
    throw new IsopodError("code_too_large", { message: `${path} is larger than 10 MiB` });
  const name = basename(path);
  const language = languageOf(path);
  const own = { name, language, code: await file.text(), hash: "", url: path, target };
  const entry =
    exportName === "default"
      ? own
      : { ...own, code: reexport(exportName, name), url: join(dirname(path), "(entry).ts") };
  const loader = createFileModules(path, denied, (module) => modules.push(module), target);
  const program = await build(entry, loader, signal, true);
  return {
    program,
    isUpToDate: (now) =>
      now.path === path &&
      now.exportName === exportName &&
      fingerprintOf(path) === fingerprint &&
      modules.every((module) => !now.denied.has(module.path) && isUnchanged(module)),
  };
}

function reexport(exportName: string, file: string): string {
  return `export { ${exportName} as default } from ${JSON.stringify(`./${file}`)};\n`;
}
