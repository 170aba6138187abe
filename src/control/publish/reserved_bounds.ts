/** The most invocations at a time of functions that have such a bound. */
import { functionKey } from "../../core/deployment.ts";
import type { Replica } from "./replica.ts";

/** By `functionKey`; undefined where no function has one, which is what the data plane looks at first. */
export function reservedBounds(replica: Replica): ReadonlyMap<string, number> | undefined {
  const bounds = replica.all("lambda").flatMap(({ key: [, project = "", name = ""], value: { concurrency } }) => {
    return concurrency === undefined ? [] : [[functionKey(project, name), concurrency] as const];
  });
  return bounds.length === 0 ? undefined : new Map(bounds);
}
