/** The cached answers of projects: forgotten on demand. */
import { z } from "zod";
import { IsopodError } from "../../core/errors.ts";
import { type Endpoint, endpoint, inProject } from "./endpoint.ts";
import { DEPLOY } from "./function_answers.ts";
import type { ApiParts } from "./parts.ts";

const ITEMS_MAX = 1000;
const items = (what: string) => z.array(z.string().min(1).max(8192)).max(ITEMS_MAX).optional().describe(what);

/** The endpoint of the cache. */
export function cacheEndpoints({ plane, cache }: ApiParts): Endpoint[] {
  return [
    endpoint({
      ...{ method: "post", path: "/v1/projects/{project}/cache/purge", id: "purgeCache", access: DEPLOY },
      summary: "Forgets cached answers: those with one of the addresses or tags, those of a function, or everything",
      params: inProject,
      body: z.strictObject({
        function: z.string().optional().describe("only those of this function"),
        everything: z.literal(true).optional().describe("all of the project's"),
        urls: items("whole addresses, as they were asked for"),
        tags: items("answers that named one of them in Cache-Tag"),
      }),
      answer: z.object({ purged: z.number() }),
      handle: async ({ params: { project }, body, who }) => {
        const { function: functionName, urls, tags, everything } = body;
        const isChosen = functionName !== undefined || urls !== undefined || tags !== undefined;
        if (isChosen === (everything === true)) {
          const message = "Cannot purge: expected urls, tags or a function, or everything: true alone.";
          throw new IsopodError("bad_request", { message });
        }
        const purged = cache.purge({ project, functionName, urls, tags });
        await plane.audit.add({ who: who.label, action: "cache-purge", project, what: functionName ?? "" });
        return { body: { purged } };
      },
    }),
  ];
}
