/** API keys of projects. */
import { z } from "zod";
import { IsopodError } from "../../core/errors.ts";
import { ANONYMOUS } from "../../core/plan.ts";
import { KEY_SCOPES, keyRecord } from "../deploy/records.ts";
import { name } from "../fields.ts";
import { type Endpoint, endpoint, inProject, type Principal, page, pageOf, paginate } from "./endpoint.ts";
import type { ApiParts } from "./parts.ts";

const ADMIN = { scopes: [] } as const;
const keyView = z.object({ id: z.string(), ...keyRecord.omit({ aws: true }).shape });
const pairView = z.object({ accessKeyId: z.string(), secretAccessKey: z.string() });

/** The endpoints of keys. */
export function keyEndpoints({ plane }: ApiParts): Endpoint[] {
  return [
    endpoint({
      ...{ method: "get", path: "/v1/projects/{project}/keys", id: "listKeys", access: ADMIN },
      ...{
        summary: "The keys of a project, by their visible beginnings",
        params: inProject,
        query: page,
        answer: pageOf(keyView),
      },
      handle: async ({ params, query }) => ({
        body: paginate(plane.keys.list(params.project), query, (each) => each.id),
      }),
    }),
    endpoint({
      ...{ method: "post", path: "/v1/projects/{project}/keys", id: "createKey", access: ADMIN },
      summary: "Makes a key; this answer is the only one that shows it",
      params: inProject,
      body: z.strictObject({
        scopes: z.array(z.enum(KEY_SCOPES)).min(1),
        plan: name.default("anonymous"),
        expiresAt: z.number().int().min(0).optional(),
        name: z.string().max(200).optional(),
        mayPin: z.boolean().optional(),
        aws: z.boolean().optional(),
      }),
      ...{ answer: keyView.extend({ key: z.string(), aws: pairView.optional() }), status: 201 },
      handle: async ({ params, body, who }) => {
        checkGift(who, body);
        const { key, pair, info } = await plane.keys.create(who.label, params.project, body);
        return { body: { ...info, key, ...(pair && { aws: pair }) }, status: 201 };
      },
    }),
    endpoint({
      ...{ method: "delete", path: "/v1/projects/{project}/keys/{id}", id: "deleteKey", access: ADMIN },
      ...{
        summary: "Deletes a key; it opens nothing from then on",
        params: inProject.extend({ id: z.string().max(64) }),
      },
      handle: async ({ params, who }) => {
        await plane.keys.delete(who.label, params.project, params.id);
        return {};
      },
    }),
  ];
}

/** Nobody gives what they do not have: a project's own key makes keys of its plan, or of the anonymous one. */
function checkGift(
  who: Principal,
  { plan, mayPin }: { readonly plan: string; readonly mayPin?: boolean | undefined },
): void {
  if (who.project === undefined) return;
  if (plan !== ANONYMOUS && plan !== who.plan) {
    throw new IsopodError("forbidden", {
      message: `The key is of plan "${who.plan}" and cannot make one of plan "${plan}".`,
    });
  }
  if (mayPin === true && !who.mayPin) throw new IsopodError("forbidden", { message: "The key may not pin programs." });
}
