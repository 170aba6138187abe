/**
 * What the data plane knows: functions, routes, plans, keys. Immutable; replaced as a whole while requests go on with
 * the old.
 *
 * A deploy changes one function among many: what is the same object as in the snapshot before is taken over from there
 * (the router, the plans and the keys), so that its cost does not grow with the number of functions.
 */
import {
  type CallerKey,
  type Deployment,
  functionKey,
  type RoutedFunction,
  type RouteTarget,
} from "../core/deployment.ts";
import { DEFAULT_PROJECT, type FunctionVersion } from "../core/function.ts";
import { combineLimits, completeLimits, type Limits } from "../core/limits.ts";
import { ANONYMOUS, type Plan } from "../core/plan.ts";
import { createRouter, type Router } from "./router.ts";

/** A plan with what follows from it. */
export interface CallerPlan extends Plan {
  /** What a program of such a caller gets. */
  readonly programLimits: Limits;
  /** The lower of the function's limits and the plan's. */
  limitsOf(version: FunctionVersion): Limits;
}

/** A key with its plan. */
export interface KnownKey extends Omit<CallerKey, "plan"> {
  readonly plan: CallerPlan;
}

/** Who may call: the same as long as plans and keys are. */
interface Callers {
  readonly anonymous: CallerPlan;
  readonly keys: ReadonlyMap<string, KnownKey>;
  /** The origins of all plans: a preflight carries no key. */
  readonly origins: readonly string[];
}

/** A snapshot. */
export interface Snapshot extends Callers {
  readonly source: Deployment;
  readonly router: Router<RouteTarget>;
  readonly codelessPath: string;
  readonly rpcPath: string;
  /** A function by its project and name. */
  functionOf(project: string | undefined, name: string): RoutedFunction | undefined;
}

/** Builds a snapshot that takes over from `before` what is the same. @throws {Error} when there is no anonymous plan */
export function createSnapshot(source: Deployment, before?: Snapshot): Snapshot {
  const sameCallers = before?.source.plans === source.plans && before.source.keys === source.keys;
  const { anonymous, keys, origins } = sameCallers ? (before as Snapshot) : callersOf(source);
  const { functions, codelessPath, rpcPath } = source;
  return {
    ...{ source, anonymous, keys, origins, codelessPath, rpcPath },
    router: routerOf(source, before),
    functionOf: (project, name) => functions.get(functionKey(project ?? DEFAULT_PROJECT, name)),
  };
}

/** The router of before where the routes are the same, or the same with others behind them. */
function routerOf({ routes }: Deployment, before: Snapshot | undefined): Router<RouteTarget> {
  const known = before?.source.routes;
  if (before === undefined || known === undefined) return createRouter(routes);
  if (known === routes) return before.router;
  const grows = routes.length > known.length && known.every((route, index) => route === routes[index]);
  return grows ? before.router.extended(routes.slice(known.length)) : createRouter(routes);
}

function callersOf(source: Deployment): Callers {
  const plans = new Map([...source.plans].map(([name, plan]) => [name, toCallerPlan(plan)]));
  const anonymous = plans.get(ANONYMOUS);
  if (anonymous === undefined) throw new Error(`Cannot build the routing snapshot: there is no plan "${ANONYMOUS}"`);
  const keys = new Map<string, KnownKey>();
  for (const key of source.keys) {
    const plan = plans.get(key.plan);
    // A key whose plan is gone is no key: what it allowed is not known any more.
    if (plan !== undefined) keys.set(key.hash, { ...key, plan });
  }
  return { anonymous, keys, origins: [...new Set([...plans.values()].flatMap((plan) => plan.origins))] };
}

function toCallerPlan(plan: Plan): CallerPlan {
  const known = new WeakMap<FunctionVersion, Limits>();
  return {
    ...plan,
    programLimits: completeLimits(plan.limits),
    limitsOf(version) {
      let limits = known.get(version);
      if (limits === undefined) {
        limits = combineLimits(version.limits, plan.limits);
        known.set(version, limits);
      }
      return limits;
    },
  };
}
