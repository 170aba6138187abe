/** Secrets of projects: their names come out, their values do not. */
import { z } from "zod";
import { variable } from "../fields.ts";
import { type Endpoint, endpoint, inProject, page, pageOf, paginate } from "./endpoint.ts";
import type { ApiParts } from "./parts.ts";

const ADMIN = { scopes: [] } as const;
const SECRET_LENGTH_MAX = 65_536;
const secretView = z.object({
  name: z.string(),
  createdAt: z.number(),
  updatedAt: z.number(),
  revision: z.number(),
  usedBy: z.array(z.string()),
});

/** The endpoints of secrets. */
export function secretEndpoints({ plane }: ApiParts): Endpoint[] {
  const params = inProject.extend({ name: variable });
  return [
    endpoint({
      ...{ method: "get", path: "/v1/projects/{project}/secrets", id: "listSecrets", access: { scopes: ["deploy"] } },
      ...{ summary: "The names of a project's secrets; values are never shown", params: inProject, query: page },
      answer: pageOf(secretView),
      handle: async ({ params: { project }, query }) => ({
        body: paginate(plane.secrets.list(project), query, (each) => each.name),
      }),
    }),
    endpoint({
      ...{ method: "put", path: "/v1/projects/{project}/secrets/{name}", id: "setSecret", access: ADMIN },
      summary: "Sets a secret; instances that have the value of before are replaced",
      ...{ params, body: z.strictObject({ value: z.string().min(1).max(SECRET_LENGTH_MAX) }) },
      handle: async ({ params: { project, name: secret }, body, who, expected }) => {
        return { revision: await plane.secrets.set(who.label, project, secret, body.value, expected) };
      },
    }),
    endpoint({
      ...{ method: "delete", path: "/v1/projects/{project}/secrets/{name}", id: "deleteSecret", access: ADMIN },
      ...{ summary: "Deletes a secret that no current version has", params },
      handle: async ({ params: { project, name: secret }, who, expected }) => {
        await plane.secrets.delete(who.label, project, secret, expected);
        return {};
      },
    }),
    endpoint({
      ...{ method: "post", path: "/v1/secrets/rotate", id: "rotateSecrets", access: "server" },
      summary: "Encrypts every secret with the first key that the server has",
      answer: z.object({ rotated: z.number(), unreadable: z.number() }),
      handle: async ({ who }) => {
        const pairs = await plane.pairs.rotate();
        const own = await plane.secrets.rotate(who.label);
        return { body: { rotated: own.rotated + pairs.rotated, unreadable: own.unreadable + pairs.unreadable } };
      },
    }),
  ];
}
