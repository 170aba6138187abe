/** The admin API: all endpoints, and the document that is made of them. */
import type { Hono } from "hono";
import { z } from "zod";
import { type Endpoint, endpoint } from "./endpoint.ts";
import { functionEndpoints } from "./functions.ts";
import { openApiDocument } from "./openapi.ts";
import type { ApiParts } from "./parts.ts";
import { type Identify, routeEndpoints } from "./router.ts";
import { auditEndpoints, pinEndpoints, stateEndpoints } from "./server_state.ts";
import { keyEndpoints, planEndpoints, projectEndpoints, secretEndpoints } from "./tenants.ts";
import { versionEndpoints } from "./versions.ts";

/** The app of everything under `/v1`. */
export function createApi(parts: ApiParts, identify: Identify): Hono {
  const endpoints: Endpoint[] = [
    ...projectEndpoints(parts),
    ...functionEndpoints(parts),
    ...versionEndpoints(parts),
    ...secretEndpoints(parts),
    ...keyEndpoints(parts),
    ...planEndpoints(parts),
    ...auditEndpoints(parts),
    ...pinEndpoints(parts),
    ...stateEndpoints(parts),
  ];
  let document: Readonly<Record<string, unknown>> | undefined;
  endpoints.push(
    endpoint({
      ...{ method: "get", path: "/v1/openapi.json", id: "getDocument", access: "anyone" },
      ...{ summary: "This document", answer: z.looseObject({}) },
      handle: async () => {
        document ??= openApiDocument(endpoints, parts.version);
        return { body: document };
      },
    }),
  );
  return routeEndpoints(endpoints, identify, (project) => parts.plane.replica.get("projects", project) !== undefined);
}
