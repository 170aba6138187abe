/**
 * What the data plane is told of functions: which versions there are, which of them an alias stands for, which routes
 * lead where. The control plane says it, the gateway goes by it.
 */
import type { FunctionVersion } from "./function.ts";
import type { Plan } from "./plan.ts";
import type { RoutePattern } from "./route.ts";

/** The alias that routes use unless they say otherwise. */
export const PRODUCTION = "production";

/** What keeps a caller with one of several versions: a cookie or a header of its request, or its API key. */
export interface Sticky {
  readonly by: "cookie" | "header" | "key";
  /** Of the cookie or the header. */
  readonly name?: string | undefined;
}

/** A version and its share of the requests. */
export interface WeightedVersion {
  readonly version: FunctionVersion;
  readonly weight: number;
}

/** What an alias stands for: one version, or several by their weights. */
export interface AliasTargets {
  readonly targets: readonly WeightedVersion[];
  readonly sticky: Sticky | undefined;
}

/** Where a route leads. */
export interface RouteTarget {
  readonly project: string;
  readonly name: string;
  /** `functionKey` of both. */
  readonly key: string;
  readonly alias: string;
}

/** A route. */
export interface FunctionRoute {
  readonly pattern: RoutePattern;
  readonly target: RouteTarget;
}

/** A function that can be called. */
export interface RoutedFunction {
  readonly project: string;
  readonly name: string;
  readonly aliases: ReadonlyMap<string, AliasTargets>;
  /**
   * The version that `text` names: whole, by the beginning of its hex digits, or by an alias that stands for one.
   * @throws {IsopodError} `version_unknown`, `version_ambiguous`
   */
  find(text: string): FunctionVersion;
}

/** Names a function among those of all projects. */
export function functionKey(project: string, name: string): string {
  return `${project}/${name}`;
}

/** An API key, as the data plane knows it. */
export interface CallerKey {
  /** `sha256-<hex>` of the key. */
  readonly hash: string;
  readonly plan: string;
  /** Whose it is; undefined for keys of the configuration file, which are the server's own. */
  readonly project: string | undefined;
  /** Whether it may be used for programs, and for functions. */
  readonly mayRun: boolean;
  readonly mayInvoke: boolean;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number | undefined;
}

/** Everything that the data plane goes by. What is the same object as before has not changed. */
export interface Deployment {
  /** By `functionKey`. */
  readonly functions: ReadonlyMap<string, RoutedFunction>;
  readonly routes: readonly FunctionRoute[];
  readonly plans: ReadonlyMap<string, Plan>;
  readonly keys: readonly CallerKey[];
  /** The most invocations at a time of functions that have such a bound, by `functionKey`; undefined where none has. */
  readonly reserved?: ReadonlyMap<string, number> | undefined;
  /** Path of the codeless endpoint, and of JSON-RPC. */
  readonly codelessPath: string;
  readonly rpcPath: string;
  /** Domains below which previews have their hosts, beside `localhost`. */
  readonly previewDomains: readonly string[];
}
