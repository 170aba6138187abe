/** The functions of a folder's isopod.toml, for the commands that deploy them or say something of them. */
import { existsSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { DeclaredFunction } from "../read_config.ts";
import type { MiddlewareFiles } from "../read_middlewares.ts";
import type { ModuleFiles, ProgramFile } from "../read_program.ts";
import { CommandFailure, EXIT, usageError } from "./exit_codes.ts";

export type { DeclaredFunction } from "../read_config.ts";
export type { MiddlewareFiles } from "../read_middlewares.ts";
export type { ProgramFile } from "../read_program.ts";

/** A folder with functions. */
export interface Project {
  /** Absolute. */
  readonly folder: string;
  /** Absolute path of its isopod.toml. */
  readonly file: string;
  readonly functions: readonly DeclaredFunction[];
}

/** Reads a project by its folder, or by the file itself. @throws {CommandFailure} that says what is missing or wrong */
export async function readProject(path: string, only: readonly string[] = []): Promise<Project> {
  const absolute = resolve(path);
  const isFile = statSync(absolute, { throwIfNoEntry: false })?.isFile() === true;
  const file = isFile ? absolute : join(absolute, "isopod.toml");
  if (!existsSync(file)) {
    throw usageError(`Cannot find ${file}: there is no such file`, `isopod init ${path} writes one`);
  }
  const { readDeclaredFunctions } = await import("../read_config.ts");
  let functions: DeclaredFunction[];
  try {
    functions = await readDeclaredFunctions(file);
  } catch (cause) {
    throw new CommandFailure(cause instanceof Error ? cause.message : String(cause), { exitCode: EXIT.usage, cause });
  }
  const names = functions.map(({ name }) => name);
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw usageError(`Cannot find the function "${unknown}" in ${file}: there are ${names.join(", ") || "none"}`);
  }
  const chosen = only.length === 0 ? functions : functions.filter(({ name }) => only.includes(name));
  return { folder: dirname(file), file, functions: chosen };
}

/** What goes along with a function that has middlewares; undefined for one that has none. */
export async function readMiddlewares(
  { path, exportName, middlewares }: DeclaredFunction,
  folder: string,
): Promise<MiddlewareFiles | undefined> {
  if (middlewares === undefined) return undefined;
  const { middlewareFiles } = await import("../read_middlewares.ts");
  return middlewareFiles(middlewares, path, exportName, folder);
}

/** The files of a program of the `process` engine, with those of its layers. @throws {CommandFailure} that says what cannot be sent */
export async function readProgram({ name, path, program }: DeclaredFunction): Promise<ProgramFile[]> {
  if (program === undefined) return [];
  const { readProgramFiles } = await import("../read_program.ts");
  return readProgramFiles(path, program).catch((cause) => failRead(name, cause));
}

/** A module of the `wasm` engine with its files. @throws {CommandFailure} that says what cannot be sent */
export async function readModule({ name, path, module }: DeclaredFunction): Promise<ModuleFiles> {
  const { readModuleFiles } = await import("../read_program.ts");
  return readModuleFiles(path, module ?? { files: undefined, denied: [] }).catch((cause) => failRead(name, cause));
}

function failRead(name: string, cause: unknown): never {
  const why = cause instanceof Error ? cause.message : String(cause);
  throw new CommandFailure(`Cannot deploy "${name}": ${why}`, { exitCode: EXIT.usage, cause });
}
