/**
 * Who has which route. A route is claimed before the pointer that lists it moves, and given up after the pointer that no
 * longer lists it has moved; so two functions never get the same route, and a deploy that dies half-way leaves at most a
 * claim without a pointer, which may be taken over.
 */
import { IsopodError } from "../../core/errors.ts";
import { formatRoute, parseRoute, type RoutePattern } from "../../core/route.ts";
import { Conflict, type Store, type StoreKey } from "../../core/store.ts";
import { routeShape } from "../config/routes.ts";
import type { Published } from "../publish/published.ts";
import { tryPut } from "./pointers.ts";
import { claimRecord, functionRecord, readJson, toBytes } from "./records.ts";

/** A claim without a pointer this old, in milliseconds, is of a deploy that died. */
const STALE_MS = 10_000;
const ATTEMPTS_MAX = 16;

/** What claiming takes. */
export interface ClaimParts {
  readonly store: Store;
  readonly published: Pick<Published, "fileOwner" | "isReserved">;
  wallNow(): number;
}

/** For whom a route is. */
export interface Claimant {
  readonly project: string;
  readonly name: string;
}

/** Claims all of `routes`, or tells which one is taken, and by whom. @throws {IsopodError} `route_taken` */
export async function claimRoutes(parts: ClaimParts, by: Claimant, routes: readonly string[]): Promise<void> {
  const shapes = new Map<string, string>();
  for (const text of routes) {
    const pattern = parseRoute(text);
    const shape = shapeOf(pattern);
    const route = formatRoute(pattern);
    if (parts.published.isReserved(pattern.path)) throw taken(by, route, "the server itself");
    const owner = parts.published.fileOwner(shape);
    if (owner !== undefined) throw taken(by, route, `function "${owner.name}" of the configuration file`);
    const twice = shapes.get(shape);
    if (twice !== undefined) throw taken(by, route, `the same deploy's "${twice}"`);
    shapes.set(shape, route);
  }
  for (const [shape, route] of shapes) await claim(parts, by, shape, route);
}

/** Gives up the claims of routes that the function's pointer lists no longer. */
export async function releaseRoutes({ store }: ClaimParts, by: Claimant, routes: readonly string[]): Promise<void> {
  for (const route of routes) {
    const key = keyOf(routeShape(parseRoute(route)));
    const entry = await store.get(key, { fresh: true });
    const holder = entry && readClaim(entry.value);
    if (entry === undefined || holder?.project !== by.project || holder.function !== by.name) continue;
    if (await lists(store, by, route)) continue;
    await store.delete(key, { ifRevision: entry.revision }).catch((error: unknown) => {
      // Claimed anew meanwhile, by a deploy of the same function.
      if (!(error instanceof Conflict)) throw error;
    });
  }
}

async function claim(parts: ClaimParts, by: Claimant, shape: string, route: string): Promise<void> {
  const { store } = parts;
  const key = keyOf(shape);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const entry = await store.get(key, { fresh: true });
    const holder = entry && readClaim(entry.value);
    const own = holder?.project === by.project && holder.function === by.name;
    if (holder !== undefined && !own) {
      const other = { project: holder.project, name: holder.function };
      const dead = holder.at + STALE_MS < parts.wallNow() && !(await lists(store, other, route));
      if (!dead) {
        const foreign = "a function of another project";
        throw taken(by, route, other.project === by.project ? `function "${other.name}"` : foreign);
      }
    }
    // Written also where it is ours already: who is just about to give it up must see that it is wanted.
    const value = toBytes({ project: by.project, function: by.name, at: parts.wallNow() });
    if ((await tryPut(store, key, value, entry?.revision ?? 0)) !== undefined) return;
  }
  throw new IsopodError("store_unavailable", { retryAfterSeconds: 1, cause: `lost races for ${shape}` });
}

/** @throws {IsopodError} `bad_request` for what no router takes */
function shapeOf(pattern: RoutePattern): string {
  try {
    return routeShape(pattern);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new IsopodError("bad_request", { message: `Cannot read route "${formatRoute(pattern)}": ${why}` });
  }
}

/** Whether a function's pointer lists a route like this one. */
async function lists(store: Store, { project, name }: Claimant, route: string): Promise<boolean> {
  const entry = await store.get(["functions", project, name], { fresh: true });
  const parsed = functionRecord.safeParse(entry && readJson(entry.value));
  const shape = routeShape(parseRoute(route));
  return parsed.success && parsed.data.routes.some((each) => routeShape(parseRoute(each.route)) === shape);
}

function keyOf(shape: string): StoreKey {
  return ["routes", shape];
}

function readClaim(value: Uint8Array) {
  return claimRecord.safeParse(readJson(value)).data;
}

function taken({ name }: Claimant, route: string, by: string): IsopodError {
  return new IsopodError("route_taken", { message: `Cannot deploy "${name}": route ${route} is taken by ${by}` });
}
