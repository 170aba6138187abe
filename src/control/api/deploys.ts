/** Deploys: of files, of a program that ran, of other settings. */
import { z } from "zod";
import { IsopodError } from "../../core/errors.ts";
import { namedFile } from "../deploy/version_files.ts";
import { PROGRAM_NAMES } from "../deploy/version_identity.ts";
import { hash, name, settings } from "../fields.ts";
import { deployBody, FORM_TYPES, readDeploy } from "./deploy_body.ts";
import { type Endpoint, endpoint, ofFunction } from "./endpoint.ts";
import { answerDeploy, DEPLOY, deployedView, ownerOf } from "./function_answers.ts";
import type { ApiParts } from "./parts.ts";

/** The endpoints that make a version and let an alias stand for it. */
export function deployEndpoints(parts: ApiParts): Endpoint[] {
  const { plane } = parts;
  return [
    endpoint({
      ...{ method: "post", path: "/v1/projects/{project}/functions/{function}/deploy", id: "deploy", access: DEPLOY },
      summary: "Deploys: a version, the alias that stands for it, and routes, at once; answers when they are served",
      ...{ params: ofFunction, body: deployBody, bodyTypes: FORM_TYPES, answer: deployedView },
      handle: async (call) => {
        const input = await readDeploy(call.body as typeof call.body | undefined, call.request);
        return answerDeploy(
          parts.baseUrl(),
          ownerOf(call),
          await plane.deployer.deploy(ownerOf(call), input, call.expected),
        );
      },
    }),
    endpoint({
      ...{ method: "post", path: "/v1/projects/{project}/functions/{function}/promote", id: "promote", access: DEPLOY },
      summary:
        "Deploys a program that was pinned, or is among the last 1,000 sent to the codeless endpoint, by its hash",
      params: ofFunction,
      body: deployBody
        .omit({ files: true, assets: true, entry: true, engine: true, exportName: true })
        .extend({ program: hash }),
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
        return answerDeploy(
          parts.baseUrl(),
          ownerOf(call),
          await plane.deployer.deploy(ownerOf(call), input, call.expected),
        );
      },
    }),
  ];
}

/** The endpoint of settings. */
export function settingsEndpoints(parts: ApiParts): Endpoint[] {
  const { plane } = parts;
  return [
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
        bindings: settings.shape.bindings,
        instancesMax: settings.shape.instancesMax.unwrap().optional(),
        cache: settings.shape.cache,
        notFound: settings.shape.notFound,
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
        const { engine, files, assets, entry, exportName } = manifest;
        const input = {
          engine,
          entry,
          exportName,
          alias,
          settings: next,
          files: files.map(namedFile),
          assets: assets?.map(({ path, hash: known }) => ({ path, hash: known })),
        };
        return answerDeploy(parts.baseUrl(), owner, await plane.deployer.deploy(owner, input, call.expected));
      },
    }),
  ];
}
