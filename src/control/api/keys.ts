/** API keys of projects. */
import { z } from "zod";
import { name } from "../fields.ts";
import { KEY_SCOPES, keyRecord } from "../records.ts";
import { type Endpoint, endpoint, inProject, page, pageOf, paginate } from "./endpoint.ts";
import type { ApiParts } from "./parts.ts";

const ADMIN = { scopes: [] } as const;
const keyView = z.object({ id: z.string(), ...keyRecord.shape });

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
      }),
      ...{ answer: keyView.extend({ key: z.string() }), status: 201 },
      handle: async ({ params, body, who }) => {
        const { key, info } = await plane.keys.create(who.label, params.project, body);
        return { body: { ...info, key }, status: 201 };
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
