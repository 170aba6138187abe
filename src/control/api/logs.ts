/** The log of what programs did; a key sees its project's. The routes themselves stand in `admin_logs.ts`. */
import { IsopodError, toIsopodError } from "../../core/errors.ts";
import { LOG_PARAMETERS, logRoutes } from "./admin_logs.ts";
import { type Endpoint, endpoint } from "./endpoint.ts";
import type { ApiParts } from "./parts.ts";
import { problem } from "./router.ts";

/** The endpoint of the log. */
export function logEndpoints({ logs }: ApiParts): Endpoint[] {
  const routes = logRoutes(logs);
  routes.onError((thrown) => problem(toIsopodError(thrown)));
  return [
    endpoint({
      ...{ method: "get", path: "/v1/logs", id: "queryLogs", access: { scopes: ["logs"] } },
      summary: "What programs wrote and how their invocations ended; with follow=true as it happens",
      ...{ ownQuery: LOG_PARAMETERS, answerType: "application/json" },
      handle: async ({ who, request, exchange }) => {
        const url = new URL(request.url);
        url.pathname = "/";
        const asked = url.searchParams.getAll("project");
        if (who.project !== undefined) {
          if (asked.some((project) => project !== who.project)) {
            throw new IsopodError("forbidden", { message: `The key is of project "${who.project}".` });
          }
          url.searchParams.set("project", who.project);
        }
        const { headers, signal } = request;
        return routes.fetch(new Request(url.href, { headers, signal }), exchange);
      },
    }),
  ];
}
