/** Functions: listed, shown, deleted, and their routes. */
import { z } from "zod";
import { routeInput } from "./deploy_body.ts";
import { type Endpoint, endpoint, inProject, ofFunction, page, pageOf, paginate } from "./endpoint.ts";
import { noSuchFunction } from "./file_functions.ts";
import { answerMove, DEPLOY, ownerOf, READ } from "./function_answers.ts";
import type { ApiParts } from "./parts.ts";
import { functionView, showFunction } from "./views.ts";

/** The endpoints of functions. */
export function functionEndpoints({ plane }: ApiParts): Endpoint[] {
  return [
    endpoint({
      ...{ method: "get", path: "/v1/projects/{project}/functions", id: "listFunctions", access: READ },
      summary: "The functions of a project, by name",
      ...{ params: inProject, query: page, answer: pageOf(functionView) },
      handle: async ({ params: { project }, query }) => {
        const all = plane.replica.all("functions", project).map(({ key, value, revision }) => {
          return showFunction(project, key[2] ?? "", value, revision);
        });
        return { body: paginate(all, query, (each) => each.name) };
      },
    }),
    endpoint({
      ...{ method: "get", path: "/v1/projects/{project}/functions/{function}", id: "getFunction", access: READ },
      summary: "A function: its aliases, routes and history",
      ...{ params: ofFunction, answer: functionView },
      handle: async ({ params }) => {
        const known = plane.replica.get("functions", params.project, params.function);
        if (known === undefined) throw noSuchFunction(plane.published, params.project, params.function);
        const { value, revision } = known;
        return { body: showFunction(params.project, params.function, value, revision), revision };
      },
    }),
    endpoint({
      ...{
        method: "delete",
        path: "/v1/projects/{project}/functions/{function}",
        id: "deleteFunction",
        access: DEPLOY,
      },
      summary: "Deletes a function with its versions and routes",
      params: ofFunction,
      handle: async (call) => {
        await plane.removals.deleteFunction(ownerOf(call), call.expected);
        return {};
      },
    }),
  ];
}

/** The endpoints of routes. */
export function routeEndpoints({ plane }: ApiParts): Endpoint[] {
  return [
    endpoint({
      ...{ method: "get", path: "/v1/projects/{project}/routes", id: "listRoutes", access: READ },
      summary: "The routes of a project's functions",
      ...{ params: inProject, query: page },
      answer: pageOf(z.object({ route: z.string(), alias: z.string(), function: z.string() })),
      handle: async ({ params: { project }, query }) => {
        const all = plane.replica.all("functions", project).flatMap(({ key, value }) => {
          return value.routes.map((each) => ({ ...each, function: key[2] ?? "" }));
        });
        return { body: paginate(all, query, ({ route, function: fn }) => `${route} ${fn}`) };
      },
    }),
    endpoint({
      ...{ method: "put", path: "/v1/projects/{project}/functions/{function}/routes", id: "setRoutes", access: DEPLOY },
      summary: "Puts these routes in the place of the function's own",
      ...{ params: ofFunction, body: z.strictObject({ routes: z.array(routeInput).max(1000) }), answer: functionView },
      handle: async (call) => {
        const owner = ownerOf(call);
        return answerMove(owner, await plane.deployer.setRoutes(owner, call.body.routes, call.expected));
      },
    }),
  ];
}
