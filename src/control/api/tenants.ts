/** Projects, keys, secrets, plans. */
import { z } from "zod";
import { IsopodError } from "../../core/errors.ts";
import { KEY_SCOPES, keyRecord, limits, name, planRecord, projectRecord, quotas, variable } from "../records.ts";
import { type Endpoint, endpoint, inProject, page, pageOf, paginate } from "./endpoint.ts";
import type { ApiParts } from "./parts.ts";

const ADMIN = { scopes: [] } as const;
const SECRET_LENGTH_MAX = 65_536;

const projectView = z.object({ name: z.string(), ...projectRecord.shape, revision: z.number() });
const projectBody = z.strictObject({ limits: limits.optional(), quotas: quotas.optional() });
const keyView = z.object({ id: z.string(), ...keyRecord.shape });
const secretView = z.object({
  name: z.string(),
  createdAt: z.number(),
  updatedAt: z.number(),
  revision: z.number(),
  usedBy: z.array(z.string()),
});
const planView = z.object({
  name: z.string(),
  ...planRecord.shape,
  /** Whether it stands in the configuration file, and is changed there. */
  ofFile: z.boolean(),
  revision: z.number().optional(),
});

/** The endpoints of projects. */
export function projectEndpoints({ plane }: ApiParts): Endpoint[] {
  const show = (project: string) => {
    const known = plane.replica.get("projects", project);
    if (known === undefined) throw new IsopodError("not_found", { message: `There is no project "${project}".` });
    return { body: { name: project, ...known.value, revision: known.revision }, revision: known.revision };
  };
  return [
    endpoint({
      ...{ method: "get", path: "/v1/projects", id: "listProjects", access: "anyone" },
      ...{ summary: "The projects that the caller may see", query: page, answer: pageOf(projectView) },
      handle: async ({ query, who }) => {
        const all = plane.replica
          .all("projects")
          .filter(({ key }) => who.project === undefined || who.project === key[1]);
        const shown = all.map(({ key, value, revision }) => ({ name: key[1] ?? "", ...value, revision }));
        return { body: paginate(shown, query, (each) => each.name) };
      },
    }),
    endpoint({
      ...{ method: "post", path: "/v1/projects", id: "createProject", access: "server" },
      ...{ summary: "Makes a project", body: projectBody.extend({ name }), answer: projectView, status: 201 },
      handle: async ({ body: { name: project, ...rest }, who }) => {
        await plane.tenancy.createProject(who.label, project, set(rest));
        return { ...show(project), status: 201 };
      },
    }),
    endpoint({
      ...{
        method: "get",
        path: "/v1/projects/{project}",
        id: "getProject",
        access: { scopes: [...KEY_SCOPES].filter((scope) => scope !== "admin") },
      },
      ...{ summary: "A project with its limits and quotas", params: inProject, answer: projectView },
      handle: async ({ params }) => show(params.project),
    }),
    endpoint({
      ...{ method: "patch", path: "/v1/projects/{project}", id: "changeProject", access: "server" },
      ...{
        summary: "Changes limits and quotas of a project",
        params: inProject,
        body: projectBody,
        answer: projectView,
      },
      handle: async ({ params: { project }, body, who, expected }) => {
        await plane.tenancy.changeProject(who.label, project, set(body), expected);
        return show(project);
      },
    }),
    endpoint({
      ...{ method: "delete", path: "/v1/projects/{project}", id: "deleteProject", access: "server" },
      ...{ summary: "Deletes a project of which nothing is left", params: inProject },
      handle: async ({ params: { project }, who, expected }) => {
        await plane.tenancy.deleteProject(who.label, project, expected);
        return {};
      },
    }),
  ];
}

function set(body: z.output<typeof projectBody>) {
  return { ...(body.limits && { limits: body.limits }), ...(body.quotas && { quotas: body.quotas }) };
}

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
      handle: async ({ who }) => ({ body: await plane.secrets.rotate(who.label) }),
    }),
  ];
}

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
        const all = [...plane.published.callers.plans.values()].map(({ ratePerSecond, ...plan }) => ({
          ...{ ...plan, egress: [...plan.egress], origins: [...plan.origins], ofFile: ofFile.has(plan.name) },
          ...(ratePerSecond !== undefined && { ratePerSecond }),
          ...(!ofFile.has(plan.name) && { revision: plane.replica.get("plans", plan.name)?.revision }),
        }));
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
