/** The functions of a folder's isopod.toml, for the commands that deploy them or say something of them. */
import { existsSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { DeclaredFunction } from "../read_config.ts";
import { CommandFailure, EXIT, usageError } from "./exit_codes.ts";

export type { DeclaredFunction } from "../read_config.ts";

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
