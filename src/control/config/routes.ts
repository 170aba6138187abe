/** Finds routes of a configuration file that would hide each other, and tells where both stand. */
import { routeNodeKeys } from "rou3";
import { formatRoute, type RoutePattern } from "../../core/route.ts";
import type { FunctionConfig } from "./config.ts";
import type { ConfigReport } from "./report.ts";
import type { KeyPath } from "./scan.ts";

/** A function, and where its parts stand in the file. */
export interface PlacedFunction {
  readonly config: FunctionConfig;
  readonly path: KeyPath;
  readonly routePath: (index: number) => KeyPath;
}

/**
 * Refuses routes that match the same requests with the same right, and those that an endpoint of the server takes.
 * @throws {ConfigError}
 */
export function checkRoutes(
  placed: readonly PlacedFunction[],
  reserved: Readonly<Record<string, string>>,
  report: ConfigReport,
): void {
  const taken = new Map<string, { text: string; owner: string; path: KeyPath }>();
  for (const { config, routePath } of placed) {
    for (const [index, route] of config.routes.entries()) {
      const path = routePath(index);
      const text = formatRoute(route);
      for (const [key, endpoint] of Object.entries(reserved)) {
        if (isUnder(route.path, endpoint)) report.fail(path, `"${text}" is taken by ${key}, which is "${endpoint}"`);
      }
      const earlier = taken.get(routeShape(route));
      if (earlier) {
        const same = earlier.text === text ? "" : ` as "${earlier.text}"`;
        const where = `of function "${earlier.owner}" on line ${report.locate(earlier.path).line}`;
        report.fail(path, `"${text}" is the same route${same} ${where}`);
      }
      taken.set(routeShape(route), { text, owner: config.name, path });
    }
  }
}

/** Whether a path is the endpoint or below it. */
export function isUnder(path: string, codelessPath: string): boolean {
  return codelessPath !== "/" && (path === codelessPath || path.startsWith(`${codelessPath}/`));
}

/**
 * What a route matches, whatever its parameters are called and however its characters are written; a slash at the end
 * makes no difference. The router itself says which paths are the same.
 * @throws {Error} for a path that the router does not take
 */
export function routeShape(route: RoutePattern): string {
  // The router's syntax has meanings for these.
  const path = route.path.replace(/[(){}\\]/g, "\\$&");
  return `${route.method ?? "ANY"} ${route.host ?? ""} ${routeNodeKeys(path).join(" ")}`;
}
