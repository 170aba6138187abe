/** Reads plans: the limits and rights of callers. */
import { ANONYMOUS, type Plan } from "../../core/plan.ts";
import { readPlanBindings } from "./bindings.ts";
import { type Address, isLoopback, LOOPBACK_ANONYMOUS } from "./config.ts";
import { limitsOf, type RawConfig, type RawPlan } from "./schema.ts";
import type { SecretSource } from "./secrets.ts";
import { isName, NAME_EXPECTED } from "./values.ts";

/** All plans; there always is one for callers without a key. @throws {ConfigError} for the first mistake */
export function readPlans(raw: RawConfig, listen: Address, source: SecretSource): ReadonlyMap<string, Plan> {
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
    report.fail(where, `${reach}; ${rights}`);
  }
  if (!anonymous) plans.set(ANONYMOUS, LOOPBACK_ANONYMOUS);
  return plans;
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
