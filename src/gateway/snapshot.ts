/**
 * What the data plane knows: routes, plans, keys. Immutable; replaced as a whole while requests go on with the old.
 */
import type { FunctionVersion } from "../core/function.ts";
import { combineLimits, completeLimits, type Limits } from "../core/limits.ts";
import { ANONYMOUS, type KeyRecord, type Plan } from "../core/plan.ts";
import type { RoutePattern } from "../core/route.ts";
import { createRouter, type Router } from "./router.ts";

/** A function and where it answers. */
export interface RoutedFunction {
  readonly version: FunctionVersion;
  readonly routes: readonly RoutePattern[];
}

/** What a snapshot is made of. */
export interface SnapshotSource {
  readonly functions: readonly RoutedFunction[];
  readonly plans: ReadonlyMap<string, Plan>;
  readonly keys: readonly KeyRecord[];
  /** Path of the codeless endpoint. */
  readonly codelessPath: string;
}

/** A plan with what follows from it. */
export interface CallerPlan extends Plan {
  /** What a program of such a caller gets. */
  readonly programLimits: Limits;
}

/** A snapshot. */
export interface Snapshot {
  readonly router: Router<FunctionVersion>;
  readonly codelessPath: string;
  readonly anonymous: CallerPlan;
  /** Plans by the hash of a key. */
  readonly planOfKey: ReadonlyMap<string, CallerPlan>;
  /** The origins of all plans: a preflight carries no key. */
  readonly origins: readonly string[];
  /** The lower of a function's limits and a plan's. */
  limitsOf(version: FunctionVersion, plan: CallerPlan): Limits;
}

/** Builds a snapshot. @throws {Error} when a key names a plan that is not there */
export function createSnapshot(source: SnapshotSource): Snapshot {
  const plans = new Map([...source.plans].map(([name, plan]) => [name, toCallerPlan(plan)]));
  const anonymous = plans.get(ANONYMOUS);
  if (anonymous === undefined) throw new Error(`Cannot build the routing snapshot: there is no plan "${ANONYMOUS}"`);
  const planOfKey = new Map<string, CallerPlan>();
  for (const { hash, plan } of source.keys) {
    const found = plans.get(plan);
    if (found === undefined) throw new Error(`Cannot build the routing snapshot: a key names the plan "${plan}"`);
    planOfKey.set(hash, found);
  }
  const routes = source.functions.flatMap(({ version, routes }) =>
    routes.map((pattern) => ({ pattern, target: version })),
  );
  const limitsOfPlan = new Map([...plans.values()].map((plan) => [plan, new Map<FunctionVersion, Limits>()]));
  return {
    router: createRouter(routes),
    codelessPath: source.codelessPath,
    anonymous,
    planOfKey,
    origins: [...new Set([...plans.values()].flatMap((plan) => plan.origins))],
    limitsOf(version, plan) {
      const known = limitsOfPlan.get(plan)?.get(version);
      if (known !== undefined) return known;
      const limits = combineLimits(version.limits, plan.limits);
      limitsOfPlan.get(plan)?.set(version, limits);
      return limits;
    },
  };
}

function toCallerPlan(plan: Plan): CallerPlan {
  return { ...plan, programLimits: completeLimits(plan.limits) };
}
