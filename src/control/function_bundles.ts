/** Bundles the functions of a configuration, by the sandboxed builder. */
import { basename, dirname, join } from "node:path";
import { IsopodError } from "../core/errors.ts";
import { languageOf, type ModuleLoader, type Program, type ProgramSource } from "../core/function.ts";
import { createFileModules } from "./file_modules.ts";

/** Joins a source with what the loader finds. */
export type Build = (source: ProgramSource, loader: ModuleLoader, signal: AbortSignal) => Promise<Program>;

/** The largest file that a function may begin with, in bytes. */
const ENTRY_BYTES_MAX = 10 * 1024 * 1024;

/**
 * Bundles the file at `path`; its export `exportName` becomes the default one.
 * @throws {IsopodError} `syntax_error`, `unresolved_import`, `code_too_large`
 */
export async function bundleFunction(build: Build, path: string, exportName: string, signal: AbortSignal): Promise<Program> {
  const file = Bun.file(path);
  if (file.size > ENTRY_BYTES_MAX) throw new IsopodError("code_too_large", { message: `${path} is larger than 10 MiB` });
  const name = basename(path);
  const language = languageOf(path);
  const own = { name, language, code: await file.text(), hash: "", url: path };
  const entry = exportName === "default" ? own : { ...own, code: reexport(exportName, name), url: join(dirname(path), "(entry).ts") };
  return build(entry, createFileModules(path), signal);
}

function reexport(exportName: string, file: string): string {
  return `export { ${exportName} as default } from ${JSON.stringify(`./${file}`)};\n`;
}
