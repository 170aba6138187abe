/** The admin API: all endpoints, and the document that is made of them. */
import type { Hono } from "hono";
import { z } from "zod";
import type { QuietExchange } from "./admin_logs.ts";
import { aliasEndpoints } from "./aliases.ts";
import { blobEndpoints } from "./blobs.ts";
import { cacheEndpoints } from "./cache.ts";
import { databaseEndpoints } from "./databases.ts";
import { deployEndpoints, settingsEndpoints } from "./deploys.ts";
import { type Endpoint, endpoint } from "./endpoint.ts";
import { fileFunctionEndpoints } from "./file_functions.ts";
import { functionEndpoints, routeEndpoints } from "./functions.ts";
import { keyEndpoints } from "./keys.ts";
import { logEndpoints } from "./logs.ts";
import { openApiDocument } from "./openapi.ts";
import type { ApiParts } from "./parts.ts";
import { planEndpoints } from "./plans.ts";
import { projectEndpoints } from "./projects.ts";
import { createRoutes, type Identify } from "./router.ts";
import { secretEndpoints } from "./secrets.ts";
import { auditEndpoints, pinEndpoints, stateEndpoints } from "./server_state.ts";
import { triggerEndpoints } from "./triggers.ts";
import { versionChangeEndpoints, versionEndpoints } from "./versions.ts";

/** Everything that the API has, one function a resource. */
const RESOURCES: readonly ((parts: ApiParts) => Endpoint[])[] = [
  projectEndpoints,
  functionEndpoints,
  fileFunctionEndpoints,
  routeEndpoints,
  deployEndpoints,
  settingsEndpoints,
  aliasEndpoints,
  versionEndpoints,
  versionChangeEndpoints,
  blobEndpoints,
  secretEndpoints,
  databaseEndpoints,
  cacheEndpoints,
  triggerEndpoints,
  keyEndpoints,
  planEndpoints,
  auditEndpoints,
  logEndpoints,
  pinEndpoints,
  stateEndpoints,
];

/** The app of everything under `/v1`. */
export function createApi(parts: ApiParts, identify: Identify): Hono<{ Bindings: QuietExchange }> {
  const endpoints = RESOURCES.flatMap((resource) => resource(parts));
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
  return createRoutes(endpoints, identify, (project) => parts.plane.replica.get("projects", project) !== undefined);
}
