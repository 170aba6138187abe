/** Projects: what tenants are. */
import { z } from "zod";
import { IsopodError } from "../../core/errors.ts";
import { KEY_SCOPES, projectRecord } from "../deploy/records.ts";
import { egressInside, limits, name, quotas } from "../fields.ts";
import { type Endpoint, endpoint, inProject, page, pageOf, paginate } from "./endpoint.ts";
import type { ApiParts } from "./parts.ts";

const projectView = z.object({ name: z.string(), ...projectRecord.shape, revision: z.number() });
const projectBody = z.strictObject({
  limits: limits.optional(),
  quotas: quotas.optional(),
  egressInside: egressInside.optional(),
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
  return {
    ...(body.limits && { limits: body.limits }),
    ...(body.quotas && { quotas: body.quotas }),
    ...(body.egressInside && { egressInside: body.egressInside }),
  };
}
