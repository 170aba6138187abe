/**
 * What `isopod dev` serves: a folder with an isopod.toml, one file, a folder that holds one function or a program's
 * `bootstrap`, or a folder of apps. The last three get the configuration that says so; nothing is written.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { usageError } from "../exit_codes.ts";

/** What is served. */
export interface DevSource {
  /** Absolute; what is watched, and holds `.isopod`. */
  readonly folder: string;
  /** Absolute path of the configuration, or of where it would be. */
  readonly file: string;
  /** The configuration where there is no file; undefined where it stands in one. */
  readonly text: string | undefined;
}

const EXECUTABLE = 0o111;
const SCRIPT = /\.([mc]?[jt]s|[jt]sx)$/i;
const ENTRY = ["index", "main"].flatMap((name) =>
  ["ts", "tsx", "mts", "js", "jsx", "mjs"].map((end) => `${name}.${end}`),
);

/** Finds what `path` stands for. @throws {CommandFailure} when that is nothing that can be served */
export function findDevSource(path: string): DevSource {
  const absolute = resolve(path);
  const stats = statSync(absolute, { throwIfNoEntry: false });
  if (stats === undefined)
    throw usageError(`Cannot serve ${path}: there is no such file or folder`, `isopod init ${path}`);
  if (stats.isFile()) {
    const folder = dirname(absolute);
    const name = basename(absolute);
    if (name.endsWith(".toml")) return { folder, file: absolute, text: undefined };
    const isProgram = (stats.mode & EXECUTABLE) !== 0;
    if (!SCRIPT.test(name) && !isProgram)
      throw usageError(
        `Cannot serve ${path}: expected TypeScript, JavaScript or an isopod.toml, or a program that can be executed`,
      );
    const engine = SCRIPT.test(name) ? undefined : "process";
    return { folder, file: join(folder, "isopod.toml"), text: oneFunction(name, name, engine) };
  }
  const file = join(absolute, "isopod.toml");
  const source = { folder: absolute, file };
  if (existsSync(file)) return { ...source, text: undefined };
  if ([...ENTRY, "bootstrap"].some((name) => existsSync(join(absolute, name)))) {
    return { ...source, text: oneFunction(basename(absolute), ".") };
  }
  return { ...source, text: 'apps = "."\n' };
}

/** Whether a folder of apps, which any folder can be, has none. */
export function isWithoutApps(folder: string): boolean {
  if (existsSync(join(folder, "apps.json"))) return false;
  return !readdirSync(folder, { withFileTypes: true }).some((each) => each.isDirectory() && !each.name.startsWith("."));
}

/** The configuration of a function that answers everywhere. */
function oneFunction(from: string, path: string, engine?: string): string {
  const slug = from
    .toLowerCase()
    .replace(/\.[^.]*$/, "")
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "")
    .slice(0, 40);
  const name = JSON.stringify(slug.replace(/-$/, "") || "function");
  const said = engine === undefined ? "" : `engine = ${JSON.stringify(engine)}\n`;
  return `[[functions]]\nname = ${name}\npath = ${JSON.stringify(`./${path}`)}\n${said}routes = ["ANY /*"]\n`;
}

/** The environment in which secrets stand: this process's, before what stands in `.env` of the folder. */
export function devEnvironment(folder: string): Record<string, string | undefined> {
  const file = join(folder, ".env");
  return { ...(existsSync(file) ? parseEnv(readFileSync(file, "utf8")) : {}), ...process.env };
}

/** The folders that a function is made of: where its file is; of a program all of its folder, and of its layers. */
export function foldersOf({
  path,
  process: program,
}: {
  readonly path: string;
  readonly process?: { readonly layers: readonly string[] } | undefined;
}): string[] {
  const folderOf = (each: string) => (statSync(each).isDirectory() ? each : dirname(each));
  return program === undefined ? [dirname(path)] : [path, ...program.layers].map(folderOf);
}
