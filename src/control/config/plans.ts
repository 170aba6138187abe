/** Reads the plans of callers. */
import { ANONYMOUS, type Plan } from "../../core/plan.ts";
import { readPlanBindings } from "./bindings.ts";
import { type Address, type Config, isLoopback, LOOPBACK_ANONYMOUS } from "./config.ts";
import type { MiddlewaresConfig } from "./middleware_config.ts";
import { readMiddlewares } from "./middlewares.ts";
import type { ConfigReport } from "./report.ts";
import { limitsOf, type RawConfig, type RawPlan } from "./schema.ts";
import type { SecretSource } from "./secrets.ts";
import { isName, NAME_EXPECTED } from "./values.ts";

/**
 * The plans; `anonymous` is always among them.
 * @param isTyped whether the address is the command line's, of which no line of the file says anything
 * @throws {ConfigError} for the first mistake
 */
export function readPlans(
  raw: RawConfig,
  { listen, isTyped }: { readonly listen: Address; readonly isTyped: boolean },
  source: SecretSource,
): ReadonlyMap<string, Plan> {
  const { report } = source;
  const plans = new Map<string, Plan>();
  for (const [name, item] of Object.entries(raw.plans ?? {})) {
    if (!isName(name)) report.fail(["plans", name], `the name is not ${NAME_EXPECTED}`);
    plans.set(name, readPlan(name, item, source));
  }
  const anonymous = raw.plans?.[ANONYMOUS];
  if (anonymous?.run === undefined && !isLoopback(listen.host)) {
    const where = anonymous ? ["plans", ANONYMOUS] : ["listen_address"];
    const rights = 'write [plans.anonymous] with run = "none", "pinned" or "any"';
    const reach = `others can reach "${listen.host}", and nothing says what callers without a key may run`;
    if (isTyped) throw new Error(`Cannot read --listen: ${reach}; ${rights} into the configuration`);
    report.fail(where, `${reach}; ${rights}`);
  }
  if (!anonymous) plans.set(ANONYMOUS, LOOPBACK_ANONYMOUS);
  return plans;
}

/** What plans run around programs, by their names. @throws {ConfigError} for the first mistake */
export function readPlanMiddlewares(raw: RawConfig, report: ConfigReport, folder: string): Config["planMiddlewares"] {
  const read = new Map<string, MiddlewaresConfig>();
  for (const [name, plan] of Object.entries(raw.plans ?? {})) {
    const middlewares = readMiddlewares(plan, ["plans", name], { report, folder });
    if (middlewares !== undefined) read.set(name, middlewares);
  }
  return read;
}

function readPlan(name: string, raw: RawPlan, source: SecretSource): Plan {
  if (raw.unsigned !== undefined && name !== ANONYMOUS) {
    source.report.fail(
      ["plans", name, "unsigned"],
      "only the plan anonymous has it: who has a key of another plan signs with it",
    );
  }
  return {
    name,
    run: raw.run ?? (name === ANONYMOUS ? "any" : "none"),
    limits: limitsOf(raw),
    ratePerSecond: raw.rate,
    egress: raw.egress ?? [],
    bindings: readPlanBindings(raw, ["plans", name], source),
    origins: raw.origins ?? [],
    native: raw.native ?? true,
    ...(raw.unsigned !== undefined && { unsigned: raw.unsigned }),
  };
}
