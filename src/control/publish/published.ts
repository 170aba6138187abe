/**
 * What the data plane is told: the functions of the configuration and of the store, as one deployment that is made anew
 * only where something has changed.
 *
 * The configuration goes first: where it and the store want the same name or route, the store's is left out and the log
 * says so. Two functions of the store can want one route for a moment (a deploy that died); its claim decides.
 */
import {
  type CallerKey,
  type Deployment,
  type FunctionRoute,
  functionKey,
  type RoutedFunction,
} from "../../core/deployment.ts";
import { DEFAULT_PROJECT, type FunctionVersion } from "../../core/function.ts";
import type { KeyRecord, Plan } from "../../core/plan.ts";
import { isUnder, routeShape } from "../config/routes.ts";
import { StoredFunctions } from "../deploy/stored_functions.ts";
import type { StoredVersions } from "../deploy/stored_versions.ts";
import { type LoadedFunction, routedFileFunction } from "../loading/function_loader.ts";
import { PublishedCallers } from "./published_callers.ts";
import { publishedRoutes } from "./published_routes.ts";
import type { RecordChange, Replica } from "./replica.ts";
import { reservedBounds } from "./reserved_bounds.ts";

/** What the configuration says, as far as the data plane is concerned. */
export interface FileDeployment {
  readonly functions: readonly LoadedFunction[];
  readonly plans: ReadonlyMap<string, Plan>;
  readonly keys: readonly KeyRecord[];
  readonly codelessPath: string;
  readonly rpcPath: string;
  readonly previewDomains: readonly string[];
}

/** Where a route of the configuration leads. */
export interface RouteOwner {
  readonly project: string;
  readonly name: string;
}

/** What publishing takes. */
export interface PublishedParts {
  readonly replica: Replica;
  readonly versions: StoredVersions;
  /** Hears of each new deployment. */
  publish(deployment: Deployment): void;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** The deployment that is published. */
export class Published {
  readonly #parts: PublishedParts;
  readonly #stored: StoredFunctions;
  readonly #callers: PublishedCallers;
  #file: FileDeployment;
  #apps: readonly LoadedFunction[] = [];
  #fileFunctions = new Map<string, FunctionVersion>();
  #fileRoutes = new Map<string, FunctionRoute>();
  #deployment: Deployment;

  constructor(parts: PublishedParts, file: FileDeployment) {
    this.#parts = parts;
    this.#stored = new StoredFunctions(parts);
    this.#callers = new PublishedCallers(parts.replica);
    this.#file = file;
    this.#stored.addAll();
    this.#readFile();
    this.#deployment = this.#everything();
  }

  get deployment(): Deployment {
    return this.#deployment;
  }

  /** What the configuration says. */
  get file(): FileDeployment {
    return this.#file;
  }

  /** The plans and keys of callers, those of the file included. */
  get callers(): { readonly plans: ReadonlyMap<string, Plan>; readonly keys: readonly CallerKey[] } {
    return this.#deployment;
  }

  /** Puts another configuration in the place of the present one. */
  replaceFile(file: FileDeployment): void {
    this.#file = file;
    this.#replaceAll();
  }

  /** Puts the apps of a folder in the place of those before. */
  replaceApps(apps: readonly LoadedFunction[]): void {
    this.#apps = apps;
    this.#replaceAll();
  }

  /** Takes over what has changed in the store. */
  changed(changes: readonly RecordChange[]): void {
    const { functions, routes } = this.#stored.changed(changes);
    const callers = this.#callers.changed(changes) ? this.#callers.of(this.#file) : undefined;
    const bounds = changes.some(({ kind }) => kind === "lambda");
    if (functions.size === 0 && !routes && callers === undefined && !bounds) return;
    this.#publish({
      ...this.#deployment,
      ...(functions.size > 0 && { functions: this.#withChanged(functions) }),
      ...(routes && { routes: this.#allRoutes() }),
      ...callers,
      ...(bounds && { reserved: reservedBounds(this.#parts.replica) }),
    });
  }

  /** The function of the configuration that has a route of this shape. */
  fileOwner(shape: string): RouteOwner | undefined {
    return this.#fileRoutes.get(shape)?.target;
  }

  /** Whether the configuration has a function of this name. */
  isOfFile(project: string, name: string): boolean {
    return this.#fileFunctions.has(functionKey(project, name));
  }

  /** Whether a path belongs to an endpoint of the server. */
  isReserved(path: string): boolean {
    const { codelessPath, rpcPath } = this.#file;
    return isUnder(path, codelessPath) || isUnder(path, rpcPath);
  }

  /** Whether instances of this version are still for use. */
  isCurrent(version: FunctionVersion): boolean {
    const key = functionKey(version.project, version.name);
    const ofFile = this.#fileFunctions.get(key);
    return ofFile === undefined ? this.#stored.isCurrent(version) : ofFile.key === version.key;
  }

  #replaceAll(): void {
    this.#readFile();
    this.#publish(this.#everything());
  }

  #everything(): Deployment {
    const { codelessPath, rpcPath, previewDomains } = this.#file;
    return {
      ...{ codelessPath, rpcPath, previewDomains },
      functions: this.#allFunctions(),
      routes: this.#allRoutes(),
      ...this.#callers.of(this.#file),
      reserved: reservedBounds(this.#parts.replica),
    };
  }

  #publish(deployment: Deployment): void {
    this.#deployment = deployment;
    this.#parts.publish(deployment);
  }

  #readFile(): void {
    this.#fileFunctions = new Map();
    this.#fileRoutes = new Map();
    for (const { version, routes } of [...this.#file.functions, ...this.#apps]) {
      const { name } = version;
      const key = functionKey(DEFAULT_PROJECT, name);
      if (this.#fileFunctions.has(key)) continue;
      this.#fileFunctions.set(key, version);
      const target = { project: DEFAULT_PROJECT, name, key, alias: "production" };
      for (const pattern of routes) this.#fileRoutes.set(routeShape(pattern), { pattern, target });
    }
  }

  #allFunctions(): Map<string, RoutedFunction> {
    const all = new Map(this.#stored.functions);
    for (const { version, routes } of [...this.#file.functions, ...this.#apps]) {
      const key = functionKey(DEFAULT_PROJECT, version.name);
      if (this.#fileFunctions.get(key) === version) all.set(key, routedFileFunction({ version, routes }));
    }
    return all;
  }

  #withChanged(changed: ReadonlySet<string>): Map<string, RoutedFunction> {
    const all = new Map(this.#deployment.functions);
    for (const key of changed) {
      if (this.#fileFunctions.has(key)) continue;
      const found = this.#stored.functions.get(key);
      if (found === undefined) all.delete(key);
      else all.set(key, found);
    }
    return all;
  }

  #allRoutes(): FunctionRoute[] {
    return publishedRoutes({
      ...this.#parts,
      ofFile: this.#fileRoutes,
      stored: this.#stored.routes,
      isOfFile: (key) => this.#fileFunctions.has(key),
      isReserved: (path) => this.isReserved(path),
    });
  }
}
