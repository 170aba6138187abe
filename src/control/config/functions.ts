/**
 * Makes functions of `[[functions]]` and `[[applications]]`: files, engines, secrets, and routes that nobody else has.
 *
 * What belongs to engines and bindings that do not exist yet is known by name and refused as such.
 */
import { type Stats, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { NO_BINDINGS } from "../../core/binding_kinds.ts";
import type { EngineName } from "../../core/function.ts";
import { parseRoute, type RoutePattern } from "../../core/route.ts";
import { NO_TRIGGERS } from "../../core/triggers.ts";
import { WASM_EXPORT } from "../../core/wasm_program.ts";
import { readAssets } from "./assets.ts";
import { readBindings } from "./bindings.ts";
import type { FunctionConfig } from "./config.ts";
import { readProcess } from "./process_function.ts";
import { PROCESS_KEYS } from "./process_rules.ts";
import type { ConfigReport } from "./report.ts";
import { checkRoutes, type PlacedFunction } from "./routes.ts";
import { FUNCTION_INSTANCES_RULE } from "./rules.ts";
import type { KeyPath } from "./scan.ts";
import { limitsOf, type RawApplication, type RawConfig, type RawFunction } from "./schema.ts";
import type { SecretSource } from "./secrets.ts";

/** Keys of `[[functions]]` that are known and do nothing yet. */
const LATER_KEYS = ["middlewares"] as const;

/** Instances of a program take one invocation at a time, unless it is said that they can do more. */
const PROCESS_CONCURRENCY = 1;

/** A host and a port, nothing else. */
const BACKEND = /^(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?):\d{1,5}$/i;
/** What the binding of an application's backends is called. */
const BACKENDS_NAMES = ["TCP", "BACKENDS"];

const SCRIPT_FILE = /\.([mc]?[jt]s|[jt]sx)$/i;
const ENTRY_NAMES = ["index", "main"].flatMap((name) =>
  ["ts", "tsx", "mts", "js", "jsx", "mjs"].map((extension) => `${name}.${extension}`),
);

/** What reading functions needs beside the file's values. */
export interface FunctionSource extends SecretSource {
  readonly report: ConfigReport;
  /** Folder that relative paths start from. */
  readonly folder: string;
  /** The paths of the server's endpoints by their keys: what is below them is taken. */
  readonly reservedPaths: Readonly<Record<string, string>>;
}

/**
 * The functions of a file.
 * @throws {ConfigError} for the first mistake
 */
export function readFunctions(raw: RawConfig, source: FunctionSource): FunctionConfig[] {
  const placed: PlacedFunction[] = [];
  const names = new Map<string, KeyPath>();
  for (const [index, item] of (raw.functions ?? []).entries()) {
    const path = ["functions", index];
    const earlier = names.get(item.name);
    if (earlier) {
      source.report.fail([...path, "name"], `the name is taken by the function on line ${lineOf(source, earlier)}`);
    }
    names.set(item.name, [...path, "name"]);
    placed.push(readFunction(item, path, source));
  }
  for (const [index, item] of (raw.applications ?? []).entries()) {
    const application = readApplication(item, ["applications", index], names, source);
    names.set(application.config.name, application.path);
    placed.push(application);
  }
  checkRoutes(placed, source.reservedPaths, source.report);
  return placed.map(({ config }) => config);
}

function readFunction(raw: RawFunction, path: KeyPath, source: FunctionSource): PlacedFunction {
  const { report } = source;
  const engine = raw.engine ?? (raw.command === undefined && raw.runtime === undefined ? undefined : "process");
  const entry = readEntry(engine, raw.path, "path", path, source);
  for (const key of LATER_KEYS) {
    if (raw[key] !== undefined) report.fail([...path, key], "the key is known, but what it is for is not there yet");
  }
  const { secrets, bindings } = readBindings(raw, path, source);
  const isProcess = entry.engine === "process";
  for (const key of isProcess ? [] : PROCESS_KEYS) {
    if (raw[key] !== undefined) report.fail([...path, key], `only functions of the engine "process" have it`);
  }
  if (raw.abi !== undefined && entry.engine !== "wasm") {
    report.fail([...path, "abi"], 'only functions of the engine "wasm" have one');
  }
  const limits = limitsOf(raw.limits);
  const config: FunctionConfig = {
    name: raw.name,
    engine: entry.engine,
    path: entry.path,
    exportName: raw.export ?? (entry.engine === "wasm" ? WASM_EXPORT : "default"),
    routes: raw.routes ?? [],
    env: raw.env ?? {},
    limits: isProcess ? { concurrencyMax: PROCESS_CONCURRENCY, ...limits } : limits,
    abi: raw.abi,
    process: isProcess ? readProcess(raw, path, entry.path, source) : undefined,
    egress: raw.egress ?? [],
    ...{ secrets, bindings },
    instancesMax: raw.instances ?? FUNCTION_INSTANCES_RULE.default,
    cache: raw.cache ?? true,
    triggers: NO_TRIGGERS,
    assets: readAssets(raw, path, { report, folder: source.folder, entry: entry.path, secrets }),
    position: report.locate(path),
  };
  return { config, path, routePath: (index) => [...path, "routes", index] };
}

/** The older form: one route, and no limits of its own. */
function readApplication(
  raw: RawApplication,
  path: KeyPath,
  names: ReadonlyMap<string, unknown>,
  source: FunctionSource,
): PlacedFunction {
  const { engine, path: file } = readEntry(undefined, raw.file_path, "file_path", path, source);
  const config: FunctionConfig = {
    name: freeName(raw, names),
    engine,
    path: file,
    exportName: raw.function ?? (engine === "wasm" ? WASM_EXPORT : "default"),
    routes: [readApplicationRoute(raw, path, source)],
    env: raw.env ?? {},
    limits: {},
    egress: [],
    secrets: [],
    bindings: backendsOf(raw),
    instancesMax: FUNCTION_INSTANCES_RULE.default,
    cache: true,
    triggers: NO_TRIGGERS,
    assets: undefined,
    position: source.report.locate(path),
  };
  return { config, path, routePath: () => [...path, "url_path"] };
}

/** What looks like a backend among the variables may be connected to. */
function backendsOf({ env = {} }: RawApplication): FunctionConfig["bindings"] {
  const allow = [...new Set(Object.values(env).filter((value) => BACKEND.test(value)))];
  const name = BACKENDS_NAMES.find((each) => !Object.hasOwn(env, each));
  if (allow.length === 0 || name === undefined) return NO_BINDINGS;
  return new Map([[name, { type: "tcp", resource: "backends", mode: "read-write", options: { allow } }]]);
}

function readApplicationRoute(raw: RawApplication, path: KeyPath, source: FunctionSource): RoutePattern {
  try {
    return parseRoute(`${raw.method?.toUpperCase() ?? "ANY"} ${raw.url_path}`);
  } catch {
    const expected = 'expected a path of plain segments, ":name", or "*" at the very end';
    return source.report.fail([...path, "url_path"], expected);
  }
}

/** A name for a function that has none, of its file and its export. */
function freeName(raw: RawApplication, names: ReadonlyMap<string, unknown>): string {
  const stem = basename(raw.file_path).replace(/\.[^.]*$/, "");
  const words = raw.function === undefined || raw.function === "default" ? stem : `${stem}-${raw.function}`;
  const slug = words
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
  const name = slug.slice(0, 50).replace(/-$/, "") || "application";
  let free = name;
  for (let number = 2; names.has(free); number++) free = `${name}-${number}`;
  return free;
}

/** The engine of a function and the file that it begins with. */
function readEntry(
  engine: EngineName | undefined,
  said: string,
  key: string,
  path: KeyPath,
  source: FunctionSource,
): { engine: EngineName; path: string } {
  const at = [...path, key];
  const notYet = (name: EngineName): void => {
    if (name !== "browser") return;
    const place = engine === undefined ? at : [...path, "engine"];
    source.report.fail(place, `engine "${name}" is not there yet; "script", "wasm" and "process" are`);
  };
  const absolute = resolve(source.folder, said);
  const named = engine ?? engineOfName(absolute);
  if (named !== undefined) notYet(named);
  const stats = statOf(absolute) ?? source.report.fail(at, `no file or folder is at "${said}" (${absolute})`);
  if (engine === "process") return { engine, path: absolute };
  if (named === "wasm") {
    if (stats.isFile()) return { engine: "wasm", path: absolute };
    return source.report.fail(at, "expected a file with a module of WebAssembly");
  }
  if (stats.isFile()) {
    if (SCRIPT_FILE.test(absolute)) return { engine: "script", path: absolute };
    return source.report.fail(
      at,
      "expected a file that ends in .ts, .tsx, .js, .jsx, .mjs or .wasm, or a folder with one",
    );
  }
  if (!stats.isDirectory()) return source.report.fail(at, "expected a file or a folder");
  const entry = ENTRY_NAMES.map((name) => join(absolute, name)).find((file) => statOf(file)?.isFile());
  if (entry !== undefined) return { engine: "script", path: entry };
  if (engine === undefined && statOf(join(absolute, "bootstrap"))) return { engine: "process", path: absolute };
  if (engine === undefined && statOf(join(absolute, "index.html"))) notYet("browser");
  return source.report.fail(at, "expected a folder that holds index.ts, main.ts, or one of them with another ending");
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

function lineOf(source: FunctionSource, path: KeyPath): number {
  return source.report.locate(path).line;
}
