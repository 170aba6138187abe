/**
 * Makes functions of `[[functions]]` and `[[applications]]`: files, engines, secrets, and routes that nobody else has.
 *
 * What belongs to engines and bindings that do not exist yet is known by name and refused as such.
 */
import { availableParallelism } from "node:os";
import { basename } from "node:path";
import { NO_BINDINGS } from "../../core/binding_kinds.ts";
import { PAGE_BYTES } from "../../core/browser_program.ts";
import type { EngineName } from "../../core/function.ts";
import type { Limits } from "../../core/limits.ts";
import { parseNewRoute, type RoutePattern } from "../../core/route.ts";
import { NO_TRIGGERS } from "../../core/triggers.ts";
import { WASM_EXPORT } from "../../core/wasm_program.ts";
import { readAssets } from "./assets.ts";
import { readBindings } from "./bindings.ts";
import type { FunctionConfig } from "./config.ts";
import { readEntry } from "./entry.ts";
import { namedIn, readMiddlewares } from "./middlewares.ts";
import { readProcess } from "./process_function.ts";
import { PROCESS_KEYS } from "./process_rules.ts";
import type { ConfigReport } from "./report.ts";
import { checkRoutes, type PlacedFunction } from "./routes.ts";
import { FUNCTION_INSTANCES_RULE } from "./rules.ts";
import type { KeyPath } from "./scan.ts";
import { limitsOf, type RawApplication, type RawConfig, type RawFunction } from "./schema.ts";
import type { SecretSource } from "./secrets.ts";
import { readWasm } from "./wasm_function.ts";
import { WASM_KEYS } from "./wasm_rules.ts";

/** What functions of an engine get that set nothing else: a program takes one invocation at a time, a page needs room. */
const ENGINE_LIMITS: Partial<Record<EngineName, Partial<Limits>>> = {
  process: { concurrencyMax: 1 },
  browser: { memoryBytes: PAGE_BYTES },
};

/** Who says one of these means a program, whatever the file is called. */
const PROGRAM_KEYS = ["dialect", "command", "runtime"] as const;

/** A host and a port, nothing else. */
const BACKEND = /^(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?):\d{1,5}$/i;
/** What the binding of an application's backends is called. */
const BACKENDS_NAMES = ["TCP", "BACKENDS"];

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
  const isProgram = PROGRAM_KEYS.some((key) => raw[key] !== undefined);
  const engine = raw.engine ?? (isProgram ? "process" : undefined);
  const entry = readEntry(engine, raw.path, "path", path, source);
  const { secrets, bindings } = readBindings(raw, path, source);
  const isProcess = entry.engine === "process";
  for (const key of isProcess ? [] : PROCESS_KEYS) {
    if (raw[key] !== undefined) report.fail([...path, key], `only functions of the engine "process" have it`);
  }
  for (const key of entry.engine === "wasm" ? [] : WASM_KEYS) {
    if (raw[key] !== undefined) report.fail([...path, key], `only functions of the engine "wasm" have it`);
  }
  const limits = limitsOf(raw.limits);
  const config: FunctionConfig = {
    name: raw.name,
    engine: entry.engine,
    path: entry.path,
    exportName: raw.export ?? (entry.engine === "wasm" ? WASM_EXPORT : "default"),
    routes: raw.routes ?? [],
    env: raw.env ?? {},
    limits: { ...ENGINE_LIMITS[entry.engine], ...limits },
    pageFolder: entry.engine === "browser" ? entry.folder : undefined,
    process: isProcess ? readProcess(raw, path, entry.path, source) : undefined,
    wasm: entry.engine === "wasm" ? readWasm(raw, path, entry.path, bindings, source) : undefined,
    egress: raw.egress ?? [],
    ...{ secrets, bindings },
    middlewares: readMiddlewares(raw, path, source, namedIn(raw.env, source.env, path)),
    instancesMax:
      raw.instances ?? (entry.engine === "browser" ? availableParallelism() : FUNCTION_INSTANCES_RULE.default),
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
    middlewares: readMiddlewares({}, path, source, namedIn(raw.env, source.env, path)),
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
    return parseNewRoute(`${raw.method?.toUpperCase() ?? "ANY"} ${raw.url_path}`);
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

function lineOf(source: FunctionSource, path: KeyPath): number {
  return source.report.locate(path).line;
}
