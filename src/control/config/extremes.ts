/** The largest that any caller or function of a configuration may have: what the server as a whole must allow. */
import { LIMIT_RULES, type Limits } from "../../core/limits.ts";
import type { Config } from "./config.ts";

/** The largest value of a limit, in the limit's unit. */
export function largestLimit(config: Config, name: keyof Limits): number {
  const given = [...config.plans.values(), ...config.functions].map(({ limits }) => limits[name]);
  return Math.max(LIMIT_RULES[name].default, ...given.map((value) => value ?? 0));
}
