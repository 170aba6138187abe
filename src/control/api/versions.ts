/** Versions: listed, shown, made without an alias, deleted. */
import { z } from "zod";
import { IsopodError } from "../../core/errors.ts";
import { resolveVersion } from "../deploy/version_names.ts";
import { FORM_TYPES, readDeploy, versionBody } from "./deploy_body.ts";
import { type Endpoint, endpoint, ofFunction, page, pageOf, paginate } from "./endpoint.ts";
import { DEPLOY, ownerOf, READ } from "./function_answers.ts";
import type { ApiParts } from "./parts.ts";
import { showVersion, versionView } from "./views.ts";

const versionParams = ofFunction.extend({ version: z.string().min(1).max(80) });

/** The endpoints that show versions. */
export function versionEndpoints(parts: ApiParts): Endpoint[] {
  const { plane } = parts;
  const show = versionShower(parts);
  return [
    endpoint({
      ...{
        method: "get",
        path: "/v1/projects/{project}/functions/{function}/versions",
        id: "listVersions",
        access: READ,
      },
      summary: "The versions of a function, the youngest first",
      ...{ params: ofFunction, query: page, answer: pageOf(versionView) },
      handle: async ({ params: { project, function: fn }, query }) => {
        const all = plane.replica.all("versions", project, fn).map(({ key }) => show(project, fn, key[3] ?? ""));
        return {
          body: paginate(all, query, (each) => `${String(1e15 - each.createdAt).padStart(16, "0")} ${each.version}`),
        };
      },
    }),
    endpoint({
      ...{
        method: "get",
        path: "/v1/projects/{project}/functions/{function}/versions/{version}",
        id: "getVersion",
        access: READ,
      },
      summary: "A version, by its hash, the beginning of it, or an alias",
      ...{ params: versionParams, answer: versionView },
      handle: async ({ params }) => ({
        body: show(
          params.project,
          params.function,
          plane.aliases.resolve({ project: params.project, name: params.function }, params.version),
        ),
      }),
    }),
  ];
}

/** The endpoints that make and delete versions. */
export function versionChangeEndpoints(parts: ApiParts): Endpoint[] {
  const { plane } = parts;
  const show = versionShower(parts);
  return [
    endpoint({
      ...{
        method: "post",
        path: "/v1/projects/{project}/functions/{function}/versions",
        id: "createVersion",
        access: DEPLOY,
      },
      summary: "Makes a version that no alias stands for; its preview answers at once",
      ...{ params: ofFunction, body: versionBody, bodyTypes: FORM_TYPES, answer: versionView, status: 201 },
      handle: async (call) => {
        const { project, function: fn } = call.params;
        const input = await readDeploy(call.body as typeof call.body | undefined, call.request);
        const version = await plane.deployer.create(ownerOf(call), input);
        return { body: show(project, fn, version), status: 201 };
      },
    }),
    endpoint({
      ...{
        method: "delete",
        path: "/v1/projects/{project}/functions/{function}/versions/{version}",
        id: "deleteVersion",
        access: DEPLOY,
      },
      summary: "Deletes a version that no alias stands for",
      params: versionParams,
      handle: async ({ params, who }) => {
        const { project, function: fn } = params;
        const hashes = plane.replica.all("versions", project, fn).map(({ key }) => key[3] ?? "");
        const version = resolveVersion(params.version, fn, hashes);
        await plane.removals.deleteVersion(
          { project, name: fn, by: who.label, isServer: who.project === undefined },
          version,
        );
        return {};
      },
    }),
  ];
}

function versionShower({ plane, baseUrl }: ApiParts) {
  return (project: string, fn: string, version: string) => {
    const known = plane.replica.get("versions", project, fn, version);
    if (known === undefined) {
      throw new IsopodError("version_unknown", { message: `Function "${fn}" has no version "${version}".` });
    }
    const record = plane.replica.get("functions", project, fn)?.value;
    return showVersion(project, fn, version, known.value, record, baseUrl());
  };
}
