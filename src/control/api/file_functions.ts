/** Functions of the configuration file, and of its folder of apps: the API shows them, they are changed there. */
import { z } from "zod";
import { functionKey } from "../../core/deployment.ts";
import { IsopodError } from "../../core/errors.ts";
import { formatRoute } from "../../core/route.ts";
import type { Published } from "../publish/published.ts";
import { type Endpoint, endpoint, inProject, page, pageOf, paginate } from "./endpoint.ts";
import { READ } from "./function_answers.ts";
import type { ApiParts } from "./parts.ts";
import { previewUrl } from "./views.ts";

/** A function of the file. */
const fileFunctionView = z.object({
  name: z.string(),
  routes: z.array(z.string()),
  /** The one that it has: a hash of what the file says and of the code. */
  version: z.string(),
  /** Where it answers at every path. */
  preview: z.string(),
});

/** The endpoints of functions of the file. */
export function fileFunctionEndpoints({ plane, baseUrl }: ApiParts): Endpoint[] {
  return [
    endpoint({
      ...{ method: "get", path: "/v1/projects/{project}/file-functions", id: "listFileFunctions", access: READ },
      summary: "The functions of the configuration file, which are changed there; all are of the default project",
      ...{ params: inProject, query: page, answer: pageOf(fileFunctionView) },
      handle: async ({ params: { project }, query }) => {
        const { published } = plane;
        const all = [...published.deployment.functions.values()].flatMap((fn) => {
          if (fn.project !== project || !published.isOfFile(project, fn.name)) return [];
          const { version } = fn.find("production");
          const preview = previewUrl(baseUrl(), project, fn.name, version);
          return { name: fn.name, routes: routesOf(published, project, fn.name), version, preview };
        });
        return { body: paginate(all, query, ({ name }) => name) };
      },
    }),
  ];
}

/** That a function was not deployed: there is none, or it is one of the file. */
export function noSuchFunction(published: Published, project: string, name: string): IsopodError {
  if (!published.isOfFile(project, name)) {
    return new IsopodError("not_found", { message: `There is no function "${name}".` });
  }
  const routes = routesOf(published, project, name);
  const how =
    routes.length === 0
      ? "it has no routes, and no versions"
      : `it is called by its routes (${routes.join(", ")}), and has no versions`;
  return new IsopodError("not_found", { message: `"${name}" is a function of the configuration file: ${how}.` });
}

function routesOf({ deployment }: Published, project: string, name: string): string[] {
  const key = functionKey(project, name);
  return deployment.routes.filter(({ target }) => target.key === key).map(({ pattern }) => formatRoute(pattern));
}
