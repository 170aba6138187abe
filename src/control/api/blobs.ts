/** Blobs: what a deploy brings that the server does not have yet. */
import { z } from "zod";
import { CODE_BYTES_MAX } from "../deploy/version_files.ts";
import { hash } from "../fields.ts";
import { type Endpoint, endpoint, inProject } from "./endpoint.ts";
import { DEPLOY } from "./function_answers.ts";
import type { ApiParts } from "./parts.ts";

/** The endpoints of blobs. */
export function blobEndpoints({ plane }: ApiParts): Endpoint[] {
  return [
    endpoint({
      ...{ method: "post", path: "/v1/projects/{project}/blobs/missing", id: "findMissingBlobs", access: DEPLOY },
      summary: "Which of these contents the server does not have",
      ...{ params: inProject, body: z.strictObject({ hashes: z.array(hash).max(1000) }) },
      answer: z.object({ missing: z.array(z.string()) }),
      handle: async ({ body: { hashes } }) => {
        const found = await Promise.all(hashes.map((each) => plane.store.blobs.head(each)));
        return { body: { missing: hashes.filter((_, index) => found[index] === undefined) } };
      },
    }),
    endpoint({
      ...{ method: "put", path: "/v1/projects/{project}/blobs/{hash}", id: "putBlob", access: DEPLOY },
      summary: "Stores contents under their hash",
      ...{ params: inProject.extend({ hash }), answer: z.object({ hash: z.string(), bytes: z.number() }) },
      handle: async ({ params, request }) => {
        const bounds = { expected: params.hash, bytesMax: CODE_BYTES_MAX };
        const { hash: stored, bytes } = await plane.store.blobs.put(request.body ?? new Uint8Array(), bounds);
        return { body: { hash: stored, bytes } };
      },
    }),
  ];
}
