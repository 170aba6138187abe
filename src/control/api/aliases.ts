/** Aliases: what they stand for, and the way back. */
import { z } from "zod";
import { aliasRecord } from "../deploy/records.ts";
import { name } from "../fields.ts";
import { type Endpoint, endpoint, ofFunction } from "./endpoint.ts";
import { answerMove, DEPLOY, ownerOf } from "./function_answers.ts";
import type { ApiParts } from "./parts.ts";
import { functionView } from "./views.ts";

/** The endpoints of aliases. */
export function aliasEndpoints({ plane }: ApiParts): Endpoint[] {
  return [
    endpoint({
      ...{
        method: "put",
        path: "/v1/projects/{project}/functions/{function}/aliases/{alias}",
        id: "setAlias",
        access: DEPLOY,
      },
      summary: "Lets an alias stand for one version, or several by their weights",
      params: ofFunction.extend({ alias: name }),
      body: z.strictObject({
        targets: z
          .array(
            z.strictObject({ version: z.string().max(80), weight: z.number().int().min(0).max(1_000_000).default(1) }),
          )
          .min(1)
          .max(16)
          .refine((targets) => targets.some(({ weight }) => weight > 0), "expected a weight above 0"),
        sticky: aliasRecord.shape.sticky,
      }),
      answer: functionView,
      handle: async (call) => {
        const owner = ownerOf(call);
        return answerMove(owner, await plane.aliases.set(owner, call.params.alias, call.body, call.expected));
      },
    }),
    endpoint({
      ...{
        method: "delete",
        path: "/v1/projects/{project}/functions/{function}/aliases/{alias}",
        id: "deleteAlias",
        access: DEPLOY,
      },
      summary: "Deletes an alias that no route leads to",
      params: ofFunction.extend({ alias: name }),
      handle: async (call) => {
        await plane.aliases.remove(ownerOf(call), call.params.alias, call.expected);
        return {};
      },
    }),
    endpoint({
      ...{
        method: "post",
        path: "/v1/projects/{project}/functions/{function}/rollback",
        id: "rollback",
        access: DEPLOY,
      },
      summary: "Lets an alias stand for what it stood for before, or for a version",
      ...{ params: ofFunction, answer: functionView },
      body: z.strictObject({ version: z.string().max(80).optional(), alias: name.optional() }).prefault({}),
      handle: async (call) => {
        const owner = ownerOf(call);
        const { alias = "production", version } = call.body;
        return answerMove(owner, await plane.aliases.rollback(owner, alias, version, call.expected));
      },
    }),
  ];
}
