/**
 * Finds the file that a function begins with, and from its type the engine that runs it. Looks at names and at what is
 * there, never into a file.
 */
import { readdirSync, type Stats, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { EngineName } from "../../core/function.ts";
import type { ConfigReport } from "./report.ts";
import type { KeyPath } from "./scan.ts";

const SCRIPT_FILE = /\.([mc]?[jt]s|[jt]sx)$/i;
const ENTRY_NAMES = ["index", "main"].flatMap((name) =>
  ["ts", "tsx", "mts", "js", "jsx", "mjs"].map((extension) => `${name}.${extension}`),
);

/** What finding a file needs. */
export interface EntrySource {
  readonly report: ConfigReport;
  /** Folder that relative paths start from. */
  readonly folder: string;
}

/** What a function begins with. */
export interface FunctionEntry {
  readonly engine: EngineName;
  readonly path: string;
  /** The folder that was named, when one was. */
  readonly folder?: string;
}

/** A page needs a module that answers for it. */
const PAGE_ALONE = 'expected a module that exports a fetch function: index.ts beside the page, and engine = "browser"';

/** Said to who may have meant one: nothing in the file tells. */
const PROGRAM_HINT = ' (a program needs engine = "process")';

/** The engine of a function and the file that it begins with. @throws {ConfigError} when there is none */
export function readEntry(
  engine: EngineName | undefined,
  said: string,
  key: string,
  path: KeyPath,
  source: EntrySource,
): FunctionEntry {
  const at = [...path, key];
  const absolute = resolve(source.folder, said);
  const named = engine ?? engineOfName(absolute);
  const stats = statOf(absolute) ?? source.report.fail(at, `no file or folder is at "${said}" (${absolute})`);
  if (engine === "process") return { engine, path: absolute };
  if (named === "wasm") {
    const module = stats.isFile() ? absolute : moduleIn(absolute);
    if (module !== undefined) return { engine: "wasm", path: module };
    return source.report.fail(at, "expected a module of WebAssembly, or a folder with main.wasm or only one module");
  }
  const runs = engine === "browser" ? "browser" : "script";
  const hint = engine === undefined ? PROGRAM_HINT : "";
  if (stats.isFile()) {
    if (SCRIPT_FILE.test(absolute)) return { engine: runs, path: absolute };
    if (named === "browser") return source.report.fail(at, PAGE_ALONE);
    return source.report.fail(
      at,
      `expected a file that ends in .ts, .tsx, .js, .jsx, .mjs or .wasm, or a folder with one${hint}`,
    );
  }
  if (!stats.isDirectory()) return source.report.fail(at, "expected a file or a folder");
  const entry = ENTRY_NAMES.map((name) => join(absolute, name)).find((file) => statOf(file)?.isFile());
  if (entry !== undefined) return { engine: runs, path: entry, folder: absolute };
  if (engine === undefined && statOf(join(absolute, "bootstrap"))) return { engine: "process", path: absolute };
  const module = engine === undefined ? moduleIn(absolute) : undefined;
  if (module !== undefined) return { engine: "wasm", path: module };
  if (statOf(join(absolute, "index.html"))) return source.report.fail(at, PAGE_ALONE);
  const expected = "expected a folder that holds index.ts, main.ts, or one of them with another ending";
  return source.report.fail(at, `${expected}${hint}`);
}

/** The module in a folder: `main.wasm`, or the only one. */
function moduleIn(folder: string): string | undefined {
  const found = readdirSync(folder).filter((file) => /\.wasm$/i.test(file));
  const name = found.includes("main.wasm") ? "main.wasm" : found.length === 1 ? found[0] : undefined;
  return name === undefined ? undefined : join(folder, name);
}

function engineOfName(file: string): EngineName | undefined {
  if (SCRIPT_FILE.test(file)) return "script";
  if (/\.wasm$/i.test(file)) return "wasm";
  return /\.html?$/i.test(file) ? "browser" : undefined;
}

function statOf(file: string): Stats | undefined {
  try {
    return statSync(file, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
