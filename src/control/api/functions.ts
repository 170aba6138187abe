/** Functions: deploys, aliases, routes, promotion, settings. */
import { z } from "zod";
import { IsopodError } from "../../core/errors.ts";
import type { Deployed } from "../deployer.ts";
import type { FunctionRecord } from "../records.ts";
import { aliasRecord, hash, name, settings } from "../records.ts";
import { PROGRAM_NAMES } from "../version_identity.ts";
import type { VersionOwner } from "../version_maker.ts";
import { deployBody, FORM_TYPES, readDeploy, routeInput } from "./deploy_body.ts";
import { type Call, type Endpoint, endpoint, inProject, ofFunction, page, pageOf, paginate } from "./endpoint.ts";
import type { ApiParts } from "./parts.ts";
import { functionView, previewUrl, shortOf, showFunction } from "./views.ts";

const DEPLOY = { scopes: ["deploy"] } as const;
const READ = { scopes: ["deploy", "logs"] } as const;

const deployedView = z.object({
  project: z.string(),
  function: z.string(),
  version: z.string(),
  short: z.string(),
  /** Whether everything was as it is already. */
  unchanged: z.boolean(),
  preview: z.string(),
  record: functionView,
});

/** The endpoints. */
export function functionEndpoints(parts: ApiParts): Endpoint[] {
  const { plane } = parts;
  const ownerOf = ({ params, who }: Call<{ project: string; function: string }, unknown, unknown>): VersionOwner => {
    return { project: params.project, name: params.function, by: who.label };
  };
  const show = (
    { project, name: fn }: VersionOwner,
    { after, revision }: { after: FunctionRecord; revision: number },
  ) => {
    return { body: showFunction(project, fn, after, revision), revision };
  };
  const deployed = ({ project, name: fn }: VersionOwner, { version, record, revision, unchanged }: Deployed) => {
    const preview = previewUrl(parts.baseUrl(), project, fn, version);
    const body = { project, function: fn, version, short: shortOf(version), unchanged, preview };
    return { body: { ...body, record: showFunction(project, fn, record, revision) }, revision };
  };
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
        if (known === undefined)
          throw new IsopodError("not_found", { message: `There is no function "${params.function}".` });
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
    endpoint({
      ...{ method: "post", path: "/v1/projects/{project}/functions/{function}/deploy", id: "deploy", access: DEPLOY },
      summary: "Deploys: a version, the alias that stands for it, and routes, at once; answers when they are served",
      ...{ params: ofFunction, body: deployBody, bodyTypes: FORM_TYPES, answer: deployedView },
      handle: async (call) => {
        const input = await readDeploy(call.body as typeof call.body | undefined, call.request);
        return deployed(ownerOf(call), await plane.deployer.deploy(ownerOf(call), input, call.expected));
      },
    }),
    endpoint({
      ...{ method: "post", path: "/v1/projects/{project}/functions/{function}/promote", id: "promote", access: DEPLOY },
      summary: "Deploys a program that was pinned, or was sent to the codeless endpoint a while ago, by its hash",
      params: ofFunction,
      body: deployBody.omit({ files: true, entry: true, engine: true, exportName: true }).extend({ program: hash }),
      answer: deployedView,
      handle: async (call) => {
        const { program: wanted, ...rest } = call.body;
        const program = await parts.program(wanted);
        if (program === undefined) {
          const message = `Cannot promote ${wanted}: the program is not at hand; pin it (isopod pin FILE) and promote it then`;
          throw new IsopodError("not_found", { message });
        }
        const entry = PROGRAM_NAMES[program.language];
        const files = [{ path: entry, hash: wanted, content: new TextEncoder().encode(program.code) }];
        const input = { ...rest, engine: "script", exportName: "default", files, entry } as const;
        return deployed(ownerOf(call), await plane.deployer.deploy(ownerOf(call), input, call.expected));
      },
    }),
    endpoint({
      ...{
        method: "patch",
        path: "/v1/projects/{project}/functions/{function}/settings",
        id: "changeSettings",
        access: DEPLOY,
      },
      summary: "Changes settings: a new version of the same files; variables that are null are removed",
      params: ofFunction,
      body: z.strictObject({
        env: z.record(z.string(), z.string().max(32_768).nullable()).optional(),
        limits: settings.shape.limits.unwrap().optional(),
        egress: settings.shape.egress.unwrap().optional(),
        secrets: settings.shape.secrets.unwrap().optional(),
        instancesMax: settings.shape.instancesMax.unwrap().optional(),
        alias: name.optional(),
      }),
      answer: deployedView,
      handle: async (call) => {
        const owner = ownerOf(call);
        const { alias = "production", env, ...rest } = call.body;
        const version = plane.aliases.resolve(owner, alias);
        const manifest = await plane.maker.read(owner.project, owner.name, version);
        if (manifest === undefined) throw new IsopodError("version_unknown");
        const merged = Object.entries({ ...manifest.settings.env, ...env }).filter(([, value]) => value !== null);
        const set = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
        const next = settings.parse({ ...manifest.settings, ...set, env: Object.fromEntries(merged) });
        const { engine, files, entry, exportName } = manifest;
        const input = {
          engine,
          entry,
          exportName,
          alias,
          settings: next,
          files: files.map(({ path, hash: known }) => ({ path, hash: known })),
        };
        return deployed(owner, await plane.deployer.deploy(owner, input, call.expected));
      },
    }),
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
        return show(owner, await plane.aliases.set(owner, call.params.alias, call.body, call.expected));
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
        return show(owner, await plane.aliases.rollback(owner, alias, version, call.expected));
      },
    }),
    endpoint({
      ...{ method: "put", path: "/v1/projects/{project}/functions/{function}/routes", id: "setRoutes", access: DEPLOY },
      summary: "Puts these routes in the place of the function's own",
      ...{ params: ofFunction, body: z.strictObject({ routes: z.array(routeInput).max(1000) }), answer: functionView },
      handle: async (call) => {
        const owner = ownerOf(call);
        return show(owner, await plane.deployer.setRoutes(owner, call.body.routes, call.expected));
      },
    }),
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
  ];
}
