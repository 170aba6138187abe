/**
 * The routes of everything that is published, each once. The configuration's go first; where two functions of the store
 * want one route for a moment (a deploy that died), its claim decides.
 */
import { type FunctionRoute, functionKey } from "../../core/deployment.ts";
import type { StoredRoutes } from "../deploy/stored_functions.ts";
import type { Replica } from "./replica.ts";

/** What the routes are made of. */
export interface RouteParts {
  readonly replica: Replica;
  /** The routes of the configuration and the apps, by their shape. */
  readonly ofFile: ReadonlyMap<string, FunctionRoute>;
  /** Those of the store, by the key of their function. */
  readonly stored: ReadonlyMap<string, StoredRoutes>;
  /** Whether the configuration has a function of this key. */
  isOfFile(key: string): boolean;
  /** Whether a path belongs to an endpoint of the server. */
  isReserved(path: string): boolean;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** Every route that leads somewhere; what is left out is reported. */
export function publishedRoutes(parts: RouteParts): FunctionRoute[] {
  const all = new Map(parts.ofFile);
  for (const [key, { project, name, routes }] of parts.stored) {
    if (parts.isOfFile(key)) {
      parts.report("A deployed function is hidden by one of the configuration", { function: key });
      continue;
    }
    for (const each of routes) {
      const { route, pattern, shape } = each;
      const by = parts.isReserved(pattern.path) ? "the server" : hiddenBy(parts, all.get(shape), shape, project, name);
      if (by === undefined) all.set(shape, each);
      else parts.report("A route of a deployed function is taken", { function: key, route, by });
    }
  }
  return [...all.values()];
}

/** Who has the route, when it is not this function. */
function hiddenBy(
  { ofFile, replica }: RouteParts,
  other: FunctionRoute | undefined,
  shape: string,
  project: string,
  name: string,
): string | undefined {
  if (other === undefined || other.target.key === functionKey(project, name)) return undefined;
  if (ofFile.has(shape)) return other.target.key;
  const claim = replica.get("routes", shape)?.value;
  return claim?.project === project && claim.function === name ? undefined : other.target.key;
}
