/** Plans of callers. */
import { z } from "zod";
import { planRecord } from "../deploy/records.ts";
import { saidOf } from "../deploy/version_bindings.ts";
import { name } from "../fields.ts";
import { type Endpoint, endpoint, page, pageOf, paginate } from "./endpoint.ts";
import type { ApiParts } from "./parts.ts";

const planView = z.object({
  name: z.string(),
  ...planRecord.shape,
  /** Whether it stands in the configuration file, and is changed there. */
  ofFile: z.boolean(),
  /** What runs around programs. */
  middlewares: z.array(z.string()).optional(),
  revision: z.number().optional(),
});

/** The endpoints of plans. */
export function planEndpoints({ plane }: ApiParts): Endpoint[] {
  const params = z.object({ plan: name });
  return [
    endpoint({
      ...{ method: "get", path: "/v1/plans", id: "listPlans", access: "server" },
      ...{
        summary: "The plans of callers, those of the configuration file included",
        query: page,
        answer: pageOf(planView),
      },
      handle: async ({ query }) => {
        const ofFile = plane.published.file.plans;
        const all = [...plane.published.callers.plans.values()].map(
          ({ ratePerSecond, bindings, middlewares, ...plan }) => ({
            ...{ ...plan, egress: [...plan.egress], origins: [...plan.origins], ofFile: ofFile.has(plan.name) },
            ...(ratePerSecond !== undefined && { ratePerSecond }),
            ...(middlewares && { middlewares: [...middlewares.names] }),
            ...(bindings.size > 0 && { bindings: saidOf(bindings) }),
            ...(!ofFile.has(plan.name) && { revision: plane.replica.get("plans", plan.name)?.revision }),
          }),
        );
        return { body: paginate(all, query, (each) => each.name) };
      },
    }),
    endpoint({
      ...{ method: "put", path: "/v1/plans/{plan}", id: "setPlan", access: "server" },
      ...{ summary: "Makes or changes a plan", params, body: planRecord },
      handle: async ({ params: { plan }, body, who, expected }) => {
        return { revision: await plane.tenancy.setPlan(who.label, plan, body, expected) };
      },
    }),
    endpoint({
      ...{ method: "delete", path: "/v1/plans/{plan}", id: "deletePlan", access: "server" },
      ...{ summary: "Deletes a plan that no key names", params },
      handle: async ({ params: { plan }, who, expected }) => {
        await plane.tenancy.deletePlan(who.label, plan, expected);
        return {};
      },
    }),
  ];
}
