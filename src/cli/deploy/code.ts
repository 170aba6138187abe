/** What functions run, gathered for a deploy: scripts as bundles, modules and programs with all their files. */
import {
  type DeclaredFunction,
  type MiddlewareFiles,
  readMiddlewares,
  readModule,
  readProgram,
} from "../project_file.ts";
import type { Paint } from "../terminal/terminal.ts";
import { readPageFiles } from "./asset_files.ts";
import { type BundleSource, bundle } from "./bundle.ts";

/** A file to be deployed. */
export interface PlannedFile {
  readonly path: string;
  readonly hash: string;
  readonly content: Uint8Array<ArrayBuffer>;
  /** Said of programs only. */
  readonly executable?: boolean | undefined;
  /** The layer of a program that it is of, counted from 1. */
  readonly layer?: number | undefined;
}

/** What one function runs. */
export interface FunctionCode {
  readonly entry: string;
  readonly files: readonly PlannedFile[];
  /** Files that it is made of, relative to the project's folder, where mistakes can be shown in them. */
  readonly sources: readonly string[];
}

/** Gathers it for all of `functions`, in their order. @throws {CommandFailure} for what is broken */
export async function gatherCode(
  functions: readonly DeclaredFunction[],
  folder: string,
  paint: Paint,
): Promise<FunctionCode[]> {
  const around = new Map<string, MiddlewareFiles | undefined>();
  for (const declared of functions) around.set(declared.name, await readMiddlewares(declared, folder));
  const scripts = functions.filter(({ engine }) => engine === "script" || engine === "browser");
  const sources = scripts.map(({ name, path, engine }) => ({ name, path, engine, virtual: around.get(name)?.wrapper }));
  const bundles = await bundleAll(sources, folder, paint);
  return Promise.all(
    functions.map(async (declared) => {
      const bundled = bundles.get(declared.name) ?? (await unbundled(declared));
      const own = { ...bundled, files: [...bundled.files, ...pageOf(declared)] };
      const more = around.get(declared.name);
      return more === undefined
        ? own
        : { ...own, files: [...own.files, ...(await hostedFiles(declared, more, folder, paint))] };
    }),
  );
}

async function unbundled(declared: DeclaredFunction): Promise<FunctionCode> {
  if (declared.engine === "process") return programOf(declared);
  return { ...(await readModule(declared)), sources: [] };
}

/** The files of middlewares that instances run: executables as they are, modules as programs that serve them. */
async function hostedFiles(
  { name }: DeclaredFunction,
  { served, files }: MiddlewareFiles,
  folder: string,
  paint: Paint,
): Promise<PlannedFile[]> {
  const sources = served.map((module) => ({ name, path: module.path, virtual: module }));
  const bundles = await bundle(sources, folder, paint);
  const modules = served.map(({ file }, at) => plannedFile(file, new TextEncoder().encode(bundles[at]?.code ?? "")));
  return [...files.map(({ path, content }) => plannedFile(path, content)), ...modules];
}

/** A file by its contents. */
export function plannedFile(path: string, content: Uint8Array<ArrayBuffer>): PlannedFile {
  return { path, content, hash: `sha256-${new Bun.CryptoHasher("sha256").update(content).digest("hex")}` };
}

/** The page of a function that runs in one, and the files beside it. */
function pageOf({ name, pageFolder, path }: DeclaredFunction): PlannedFile[] {
  const files = pageFolder === undefined ? [] : readPageFiles(name, pageFolder, path);
  return files.map((file) => plannedFile(file.path, file.content));
}

async function bundleAll(scripts: readonly BundleSource[], folder: string, paint: Paint) {
  const bundles = await bundle(scripts, folder, paint);
  const utf8 = new TextEncoder();
  return new Map(
    bundles.map(({ entry, code, map, sources }, index): [string, FunctionCode] => {
      const files = [plannedFile(entry, utf8.encode(code)), plannedFile(`${entry}.map`, utf8.encode(map))];
      return [(scripts[index] as BundleSource).name, { entry, files, sources }];
    }),
  );
}

async function programOf(declared: DeclaredFunction): Promise<FunctionCode> {
  const files = await readProgram(declared);
  const own = files.filter(({ layer }) => layer === undefined).map(({ path }) => path);
  const words = declared.settings.process?.command ?? ["bootstrap"];
  const named = words.map((word) => word.replace(/^(\/var\/task\/|\.\/)/, "")).find((word) => own.includes(word));
  // What a command begins is its own business; the entry is what the version is shown by.
  return { entry: named ?? own[0] ?? "bootstrap", files, sources: [] };
}
