/**
 * The functions of the store as the data plane takes them: each made of its pointer and its manifests, and made anew
 * when one of those, or a secret or the project that it hangs on, has changed.
 */
import { type AliasTargets, type FunctionRoute, functionKey, type RoutedFunction } from "../../core/deployment.ts";
import type { FunctionVersion } from "../../core/function.ts";
import { parseRoute } from "../../core/route.ts";
import { routeShape } from "../config/routes.ts";
import type { RecordChange, Replica } from "../publish/replica.ts";
import type { FunctionRecord } from "./records.ts";
import type { StoredVersions } from "./stored_versions.ts";
import { secretNamesOf } from "./version_bindings.ts";
import { findVersion } from "./version_names.ts";

/** A route, read once. */
export interface StoredRoute extends FunctionRoute {
  readonly route: string;
  /** What it matches, whatever its parameters are called. */
  readonly shape: string;
}

/** A function's routes, as they are written, with where they lead. */
export interface StoredRoutes {
  readonly project: string;
  readonly name: string;
  /** As the record has them. */
  readonly written: string;
  readonly routes: readonly StoredRoute[];
}

interface Parts {
  readonly replica: Replica;
  readonly versions: StoredVersions;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** The functions. */
export class StoredFunctions {
  readonly #parts: Parts;
  readonly #versions = new Map<string, Map<string, FunctionVersion>>();
  readonly #current = new Map<string, ReadonlySet<string>>();
  readonly functions = new Map<string, RoutedFunction>();
  readonly routes = new Map<string, StoredRoutes>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Takes everything that the replica knows. */
  addAll(): void {
    const { replica } = this.#parts;
    const kinds = ["versions", "functions"] as const;
    this.changed(kinds.flatMap((kind) => replica.all(kind).map(({ key }) => ({ kind, key }))));
  }

  /** Takes changes over: which functions are others now, by their keys, and whether routes are. */
  changed(changes: readonly RecordChange[]): { readonly functions: ReadonlySet<string>; readonly routes: boolean } {
    const touched = new Map<string, readonly [project: string, name: string]>();
    for (const { kind, key } of changes) {
      const [, project = "", second = "", version = ""] = key;
      if (kind === "functions") touched.set(functionKey(project, second), [project, second]);
      if (kind === "versions") {
        this.#takeVersion(project, second, version);
        touched.set(functionKey(project, second), [project, second]);
      }
      if (kind === "secrets" || kind === "projects") {
        const secret = kind === "secrets" ? second : undefined;
        for (const name of this.#refresh(project, secret)) touched.set(functionKey(project, name), [project, name]);
      }
    }
    let routes = false;
    for (const [project, name] of touched.values()) routes = this.#rebuild(project, name) || routes;
    return { functions: new Set(touched.keys()), routes };
  }

  /** Whether instances of a version are for use: one that an alias stands for, or that a rollback would go back to. */
  isCurrent(version: FunctionVersion): boolean {
    const key = functionKey(version.project, version.name);
    const known = this.#versions.get(key)?.get(version.version);
    return known?.key === version.key && this.#current.get(key)?.has(version.version) === true;
  }

  #takeVersion(project: string, name: string, version: string): void {
    const manifest = this.#parts.replica.get("versions", project, name, version)?.value;
    const key = functionKey(project, name);
    const before = this.#versions.get(key);
    // Copied, since what is published has the one of before.
    const versions = new Map(before);
    if (manifest === undefined) versions.delete(version);
    else versions.set(version, this.#parts.versions.of(project, name, version, manifest));
    if (versions.size === 0) this.#versions.delete(key);
    else this.#versions.set(key, versions);
  }

  /** Makes the versions of a project anew that hang on a secret, or all of them; the names of their functions. */
  #refresh(project: string, secret: string | undefined): Set<string> {
    const names = new Set<string>();
    for (const { key, value } of this.#parts.replica.all("versions", project)) {
      const [, , name = "", version = ""] = key;
      if (secret !== undefined && !secretNamesOf(value.settings).includes(secret)) continue;
      this.#takeVersion(project, name, version);
      names.add(name);
    }
    return names;
  }

  /** Whether its routes have changed. */
  #rebuild(project: string, name: string): boolean {
    const key = functionKey(project, name);
    const record = this.#parts.replica.get("functions", project, name)?.value;
    const before = this.routes.get(key);
    if (record === undefined) {
      this.functions.delete(key);
      this.routes.delete(key);
      this.#current.delete(key);
      return before !== undefined && before.routes.length > 0;
    }
    const versions = this.#versions.get(key) ?? new Map<string, FunctionVersion>();
    const aliases = this.#aliases(key, record, versions);
    this.functions.set(key, { project, name, aliases, find: (text) => findVersion(text, { name, aliases, versions }) });
    this.#current.set(key, currentOf(record));
    const written = JSON.stringify(record.routes);
    if (before?.written === written) return false;
    const routes = record.routes.map(({ route, alias }) => {
      const pattern = parseRoute(route);
      return { route, pattern, shape: routeShape(pattern), target: { project, name, key, alias } };
    });
    this.routes.set(key, { project, name, written, routes });
    return before !== undefined || routes.length > 0;
  }

  #aliases(
    key: string,
    { aliases }: FunctionRecord,
    versions: ReadonlyMap<string, FunctionVersion>,
  ): ReadonlyMap<string, AliasTargets> {
    const found = new Map<string, AliasTargets>();
    for (const [alias, { targets, sticky }] of Object.entries(aliases)) {
      const known = targets.flatMap(({ version, weight }) => {
        const made = versions.get(version);
        if (made === undefined)
          this.#parts.report("An alias stands for a version that is gone", { function: key, alias, version });
        return made === undefined ? [] : [{ version: made, weight }];
      });
      if (known.length > 0) found.set(alias, { targets: known, sticky });
    }
    return found;
  }
}

/** The versions of which instances are kept: those of aliases, and the last one before. */
function currentOf({ aliases, history }: FunctionRecord): Set<string> {
  const current = new Set(Object.values(aliases).flatMap(({ targets }) => targets.map(({ version }) => version)));
  const before = history.findLast(({ version }) => !current.has(version));
  if (before !== undefined) current.add(before.version);
  return current;
}
